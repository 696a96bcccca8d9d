"""The smallest thing of each kind, whole and valid: a test names only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from worker.model.actions import Action, Mode, Move
from worker.model.calls import Call, Item
from worker.model.events import EVENT_TYPES, Detection, Event, PhishReport, ReportFields, Submission
from worker.model.plans import (
    DETECTIONS,
    Ceilings,
    Decided,
    Failure,
    Poll,
    Sighting,
    Vote,
    Wish,
    sighting_of,
)
from worker.playbooks.conditions import Condition
from worker.playbooks.context import Lists
from worker.playbooks.deciding import Playbook
from worker.playbooks.declaration import Caps
from worker.playbooks.loader import Catalogue
from worker.playbooks.problems import Problem

ACCOUNT = "0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0
"""When every test begins, unless it says otherwise."""
ENFORCE = Ceilings(Mode.ENFORCE)
APPROVING = Ceilings(Mode.APPROVE)
WIDE = Caps()


def at(seconds: float) -> datetime:
    """An aware time."""
    return datetime.fromtimestamp(seconds, UTC)


def detection(id: str = "m1", **changes: Any) -> Detection:  # noqa: A002 - the API's name
    """A malicious message, delivered to one mailbox a minute ago."""
    fields: dict[str, Any] = {
        "postfix_id": f"postfix-{id}",
        "message_id": f"<{id}@mail.example>",
        "final_disposition": "MALICIOUS",
        "client_recipients": ("ann@corp.example",),
        "delivery_status": ("delivered",),
        "sender": "mallory@evil.example",
        "scanned_at": at(NOW - 60),
    }
    return Detection(id=id, **fields | changes)


def report(id: int = 1, postfix_id: str | None = "postfix-m1", **changes: Any) -> PhishReport:  # noqa: A002
    """A report about the message `m1`, which is not joined with it yet."""
    fields = changes.pop("fields", None) or ReportFields(
        to=("ann@corp.example",), postfix_id=postfix_id, occurred_at=at(NOW - 60)
    )
    told: dict[str, Any] = {"disposition": "MALICIOUS", "created_at": at(NOW - 30), "fields": fields}
    return PhishReport(id=id, **told | changes)


def submission(id: str = "s1", **changes: Any) -> Submission:  # noqa: A002
    """Ann reports `m1` as malicious; nobody has judged that yet."""
    told: dict[str, Any] = {
        "type": "User",
        "requested_at": at(NOW - 30),
        "requested_by": "ann@corp.example",
        "requested_disposition": "MALICIOUS",
        "original_disposition": "NONE",
        "original_postfix_id": "postfix-m1",
        "subject": "Your parcel is waiting",
        "status": "pending",
        "customer_status": "unreviewed",
    }
    return Submission(submission_id=id, **told | changes)


def sighting(event: Event, *, changed: bool = False) -> Sighting:
    """The event as its source showed it."""
    return replace(sighting_of(event), changed=changed)


def vote(playbook: str = "junk", mode: Mode = Mode.ENFORCE, **caps: Any) -> Vote:
    """One playbook's wish, by default enforcing and with wide caps."""
    return Vote(playbook, f"{playbook}-v1", mode, **{"per_poll": 1000, "per_hour": 5000} | caps)


def wish(action: Action, *votes: Vote) -> Wish:
    """An action that one enforcing playbook wants, or those who vote."""
    return Wish(action, votes or (vote(),))


def decided(
    event: Event, *wishes: Wish | Action, failures: Sequence[Failure] = (), changed: bool = False
) -> Decided:
    """What the playbooks said of one event."""
    said = tuple(one if isinstance(one, Wish) else wish(one) for one in wishes)
    return Decided(sighting(event, changed=changed), said, tuple(failures))


def junk(id: str = "m1", *votes: Vote, to: str = "JunkEmail", **changes: Any) -> Decided:  # noqa: A002
    """A message that is to be moved."""
    message = detection(id, **changes)
    return decided(message, wish(Move(message, to=to, reason="test"), *votes))


def poll(id: str = "poll1", source: str = DETECTIONS, kind: str = "regular", **times: float) -> Poll:  # noqa: A002
    """One window of fifteen minutes."""
    return Poll(id, source, kind, times.get("start", NOW - 900), times.get("end", NOW))


def item(id: str = "m1", **changes: Any) -> Item:  # noqa: A002
    """An action as its executor gets it; its own id is `a-` and the message's."""
    kind, target = changes.get("kind", "move"), changes.get("target", "JunkEmail")
    fields: dict[str, Any] = {
        "action_id": f"a-{id}",
        "message_id": id,
        "rfc_message_id": f"<{id}@mail.example>",
        "postfix_id": f"postfix-{id}",
        "recipients": ("ann@corp.example",),
        "kind": kind,
        "target": target,
        "params": {},
        "attempts": 1,
        "verdict": "MALICIOUS",
        "message_from": NOW - 60,
        "message_until": NOW - 60,
        "submitted_at": NOW,
        "source": DETECTIONS,
    }
    return Item(**fields | changes)


def call(*items: Item, submitted_at: float = NOW, lease: float = 120.0) -> Call:
    """One request for these items."""
    items = items or (item(),)
    return Call("call1", items[0].kind, items[0].target, items, submitted_at, submitted_at + lease)


def playbook(
    function: Callable[..., Any],
    id: str = "junk",  # noqa: A002
    *,
    on: type[Event] = Detection,
    mode: Mode = Mode.ENFORCE,
    version: str = "v1",
    caps: Caps = WIDE,
    takes_context: bool = False,
    path: str = "rules/junk.py",
    needs: Collection[str] = (),
    when: tuple[Condition, ...] = (),
) -> Playbook:
    """A loaded playbook around a plain function."""
    owner, file = "soc@corp.example", Path(path)
    return Playbook(
        id, on, mode, owner, caps, (), function, takes_context, version, "", file, 1, frozenset(needs), when
    )


def catalogue(*playbooks: Playbook, broken: Sequence[str] = ()) -> Catalogue:
    """A generation of playbooks; `broken` are files that could not be loaded."""
    problems = tuple(Problem(Path("rules") / name, 1, "", "is broken", "mend it") for name in broken)
    by_type: dict[type[Event], tuple[Playbook, ...]] = {
        kind: tuple(one for one in playbooks if one.on is kind) for kind in EVENT_TYPES
    }
    return Catalogue(playbooks, problems, Lists(), by_type)
