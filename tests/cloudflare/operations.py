"""Every operation of the API, and the call of the client that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

import msgspec

from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.bodies import Body
from worker.cloudflare.bulk import NewJob
from worker.cloudflare.settings.allow_policies import AllowPolicyChange, NewAllowPolicy
from worker.cloudflare.settings.block_senders import BlockSenderChange, NewBlockSender
from worker.cloudflare.settings.content_policies import ContentPolicyChange, NewContentPolicy
from worker.cloudflare.settings.domains import ALL_OF_THEM, DomainChange, DomainPut, NewDomain
from worker.cloudflare.settings.impersonation_registry import NewProtectedIdentity, ProtectedIdentityChange
from worker.cloudflare.settings.sending_domain_restrictions import (
    NewSendingDomainRestriction,
    SendingDomainRestrictionChange,
)
from worker.cloudflare.settings.trusted_domains import NewTrustedDomain, TrustedDomainChange
from worker.cloudflare.settings.url_ignore_patterns import NewUrlIgnorePattern, UrlIgnorePatternChange
from worker.cloudflare.submissions import MissedDetection, Reclassification
from worker.ports import Lane

ID = "00000000-0000-4000-8000-000000000000"
"""What every path is about; the API's ids are opaque."""


@dataclass(frozen=True)
class Asked:
    """What the contract lets one ask: ids of the path, every parameter of the query, every field of the body."""

    ids: tuple[str, ...]
    query: dict[str, Any]
    body: dict[str, Any]
    lane: Lane | None = CLAIMED
    """Who pays for a write."""


Call = Callable[[Any, Asked], Awaitable[Any]]


def read(method: Any, asked: Asked) -> Awaitable[Any]:
    """Ids and query."""
    times = {k: datetime.fromisoformat(v) if k in {"start", "end"} else v for k, v in asked.query.items()}
    return method(*asked.ids, lane=Lane.ENRICH, **times)  # type: ignore[no-any-return]


def write(method: Any, asked: Asked, **arguments: Any) -> Awaitable[Any]:
    """Ids alone."""
    return method(*asked.ids, lane=asked.lane, **arguments)  # type: ignore[no-any-return]


def send(body: type[Body]) -> Call:
    """Ids and a body."""
    return lambda method, asked: method(*asked.ids, msgspec.convert(asked.body, body), lane=asked.lane)


def batch(new: type[Body], patch: type[Body], put: type[Body]) -> Call:
    """Four lists."""

    def call(method: Any, asked: Asked) -> Awaitable[Any]:
        by_id = partial(_by_id, asked.body)
        deletes = [one["id"] for one in asked.body["deletes"]]
        posts = msgspec.convert(asked.body["posts"], list[new])  # type: ignore[valid-type]
        return method(  # type: ignore[no-any-return]
            deletes=deletes,
            patches=by_id("patches", patch),
            puts=by_id("puts", put),
            posts=posts,
            lane=asked.lane,
        )

    return call


def _by_id(body: dict[str, Any], name: str, kind: type[Body]) -> dict[str, Body]:
    return {
        one["id"]: msgspec.convert({k: v for k, v in one.items() if k != "id"}, kind) for one in body[name]
    }


def move(method: Any, asked: Asked) -> Awaitable[Any]:
    """Ids, of the path or of the body, and a destination."""
    chosen = asked.body.get("ids") or asked.ids[0]
    return method(chosen, asked.body["destination"], lane=asked.lane)  # type: ignore[no-any-return]


def reclassify(method: Any, asked: Asked) -> Awaitable[Any]:
    """An id and a verdict, with the mail."""
    body = dict(asked.body)
    eml = msgspec.convert(body.pop("eml_content"), bytes)
    return method(*asked.ids, body.pop("expected_disposition"), eml_content=eml, lane=asked.lane, **body)  # type: ignore[no-any-return]


def submit(method: Any, asked: Asked) -> Awaitable[Any]:
    """Messages of one kind."""
    kind = {"reclassification": Reclassification, "missed_detection": MissedDetection}[asked.body["type"]]
    return method(msgspec.convert(asked.body["messages"], list[kind]), lane=asked.lane)  # type: ignore[no-any-return, valid-type]


TABLE: dict[str, tuple[str, Call]] = {
    "GET investigate": ("investigate.list", read),
    "GET investigate/{investigate_id}": ("investigate.get", read),
    "GET investigate/{investigate_id}/action_log": (
        "investigate.action_log",
        lambda method, asked: method(*asked.ids, lane=Lane.ENRICH),
    ),
    "GET investigate/{investigate_id}/detections": ("investigate.detections", read),
    "GET investigate/{investigate_id}/trace": ("investigate.trace", read),
    "GET investigate/{investigate_id}/raw": ("investigate.raw", read),
    "GET investigate/{investigate_id}/preview": ("investigate.preview", read),
    "POST investigate/preview": (
        "investigate.render",
        lambda method, asked: method(asked.body["id"], lane=asked.lane),
    ),
    "POST investigate/{investigate_id}/move": ("investigate.move_one", move),
    "POST investigate/move": ("investigate.move", move),
    "POST investigate/release": (
        "investigate.release",
        lambda method, asked: method(asked.body["ids"], lane=asked.lane),
    ),
    "POST investigate/{investigate_id}/reclassify": ("investigate.reclassify", reclassify),
    "GET investigate/bulk": ("investigate.bulk.list", read),
    "POST investigate/bulk": ("investigate.bulk.create", send(NewJob)),
    "GET investigate/bulk/{job_id}": ("investigate.bulk.get", read),
    "DELETE investigate/bulk/{job_id}": ("investigate.bulk.delete", write),
    "POST investigate/bulk/{job_id}/cancel": ("investigate.bulk.cancel", write),
    "GET investigate/bulk/{job_id}/messages": ("investigate.bulk.messages", read),
    "GET phishguard/reports": ("phishguard.reports", read),
    "GET submissions": ("submissions.list", read),
    "POST submissions": ("submissions.create", submit),
    "DELETE settings/domains": ("settings.domains.bulk_delete", partial(write, confirm=ALL_OF_THEM)),
    "PUT settings/domains/{domain_id}": ("settings.domains.replace", send(DomainPut)),
    "PUT settings/allow_policies/{policy_id}": ("settings.allow_policies.replace", send(NewAllowPolicy)),
    "POST settings/sending_domain_restrictions/batch": (
        "settings.sending_domain_restrictions.batch",
        lambda method, asked: method(deletes=[one["id"] for one in asked.body["deletes"]], lane=asked.lane),
    ),
}

COLLECTIONS: dict[str, tuple[str, type[Body], type[Body]]] = {
    "allow_policies": ("policy_id", NewAllowPolicy, AllowPolicyChange),
    "block_senders": ("pattern_id", NewBlockSender, BlockSenderChange),
    "content_policies": ("policy_id", NewContentPolicy, ContentPolicyChange),
    "domains": ("domain_id", NewDomain, DomainChange),
    "impersonation_registry": ("impersonation_registry_id", NewProtectedIdentity, ProtectedIdentityChange),
    "sending_domain_restrictions": (
        "sending_domain_restriction_id",
        NewSendingDomainRestriction,
        SendingDomainRestrictionChange,
    ),
    "trusted_domains": ("trusted_domain_id", NewTrustedDomain, TrustedDomainChange),
    "url_ignore_patterns": ("pattern_id", NewUrlIgnorePattern, UrlIgnorePatternChange),
}
for _name, (_id, _new, _change) in COLLECTIONS.items():
    _path = f"settings/{_name}"
    TABLE |= {
        f"GET {_path}": (f"settings.{_name}.list", read),
        f"POST {_path}": (f"settings.{_name}.create", send(_new)),
        f"GET {_path}/{{{_id}}}": (f"settings.{_name}.get", read),
        f"PATCH {_path}/{{{_id}}}": (f"settings.{_name}.edit", send(_change)),
        f"DELETE {_path}/{{{_id}}}": (f"settings.{_name}.delete", write),
    }
for _name in ("allow_policies", "block_senders", "content_policies", "domains", "trusted_domains"):
    _, _new, _change = COLLECTIONS[_name]
    _put = DomainPut if _name == "domains" else _new
    TABLE[f"POST settings/{_name}/batch"] = (f"settings.{_name}.batch", batch(_new, _change, _put))


def call(cloudflare: Cloudflare, operation: str, asked: Asked) -> Awaitable[Any]:
    """Calls the client's method for an operation."""
    name, how = TABLE[operation]
    return how(attrgetter(name)(cloudflare), asked)
