"""The client against the bundled tenant: every operation, and what it did seen afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.cloudflare.operations import COLLECTIONS, TABLE
from tests.cloudflare.vendor import OpenGate
from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.bulk import NewJob, Search
from worker.cloudflare.settings.domains import ALL_OF_THEM, DomainPut
from worker.cloudflare.settings.sending_domain_restrictions import NewSendingDomainRestriction
from worker.cloudflare.submissions import MissedDetection, Reclassification
from worker.errors import Refused
from worker.ports import Lane
from worker.simulator import SimulatorConfig, start_simulator

READ = Lane.ENRICH
NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
WINDOW: dict[str, Any] = {"start": NOW - timedelta(days=2), "end": NOW}
TODAY: dict[str, Any] = {"start": NOW, "end": NOW + timedelta(days=1)}
_PATTERN = {"pattern": "evil.example", "pattern_type": "DOMAIN", "is_regex": False}
_MODES = {
    "allowed_delivery_modes": ["API"],
    "drop_dispositions": [],
    "ip_restrictions": [],
    "regions": ["DE"],
}
ROWS: dict[str, dict[str, Any]] = {
    "allow_policies": _PATTERN
    | dict.fromkeys(
        ("is_acceptable_sender", "is_exempt_recipient", "is_trusted_sender", "verify_sender"), True
    ),
    "block_senders": _PATTERN,
    "content_policies": {"name": "n", "pattern": "p", "targets": ["BODY"], "enabled": True},
    "domains": _MODES | {"domain": "new.example"},
    "impersonation_registry": {"name": "Ann", "email": "ann@corp.example", "is_email_regex": False},
    "sending_domain_restrictions": {"domain": "strict.example", "exclude": ["lax.strict.example"]},
    "trusted_domains": {
        "pattern": "new.example",
        "is_regex": False,
        "is_recent": True,
        "is_similarity": True,
    },
    "url_ignore_patterns": {"pattern": "https://new.example/"},
}
CHANGES: dict[str, dict[str, Any]] = {"content_policies": {"enabled": False}, "domains": {"lookback_hops": 3}}


class Ticking:
    """A clock that goes on by a minute whenever it is looked at."""

    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        self.now += 60
        return self.now


@pytest.fixture
async def tenant(gate: OpenGate) -> AsyncIterator[Cloudflare]:
    """A client of a tenant with 100 messages."""
    config = SimulatorConfig(messages=100, span=3600, job_delay=900, clock=Ticking())
    async with (
        start_simulator(config) as simulator,
        Cloudflare(
            base_url=simulator.base_url,
            account_id=simulator.account_id,
            token=lambda: simulator.token,
            gate=gate,
        ) as cloudflare,
    ):
        yield cloudflare


async def test_every_operation(tenant: Cloudflare, gate: OpenGate) -> None:
    """All seventy are served, and the client reads what they answer."""
    for name in ROWS:
        await live_and_die(tenant, name)
    for name in ROWS.keys() - {
        "impersonation_registry",
        "sending_domain_restrictions",
        "url_ignore_patterns",
    }:
        await batched(tenant, name)
    await restrictions(tenant)
    assert await tenant.settings.domains.bulk_delete(confirm=ALL_OF_THEM, lane=CLAIMED)
    assert (await tenant.settings.domains.list(lane=READ)).rows == ()
    await mail(tenant)
    await jobs(tenant)
    done = {seen.endpoint for seen in gate.seen if seen.status is not None and seen.status < 300}
    assert done == {re.sub(r"{\w+}", "{id}", name) for name in TABLE}


async def live_and_die(tenant: Cloudflare, name: str) -> None:
    """A row is created, listed, read, changed, replaced, deleted, and then gone."""
    _, kind, change = COLLECTIONS[name]
    rows, new = getattr(tenant.settings, name), msgspec.convert(ROWS[name], kind)
    made = await rows.create(new, lane=CLAIMED)
    assert made.id in [row.id async for row in rows.list(per_page=1, lane=READ)]
    assert shows(await rows.get(made.id, lane=READ), ROWS[name])
    changes = CHANGES.get(name, {"comments": "seen"})
    assert shows(await rows.edit(made.id, msgspec.convert(changes, change), lane=CLAIMED), changes)
    if hasattr(rows, "replace"):
        assert shows(await rows.replace(made.id, put(name), lane=CLAIMED), ROWS[name])
    await rows.delete(made.id, lane=CLAIMED)
    with pytest.raises(Refused) as caught:
        await rows.get(made.id, lane=READ)
    assert caught.value.status == 404


async def batched(tenant: Cloudflare, name: str) -> None:
    """What a batch has made, another one replaces and changes, and a third one deletes."""
    _, kind, change = COLLECTIONS[name]
    rows, new = getattr(tenant.settings, name), msgspec.convert(ROWS[name], kind)
    (made,) = (await rows.batch(posts=[new], lane=CLAIMED)).posts
    changes = CHANGES.get(name, {"comments": "seen"})
    done = await rows.batch(patches={made.id: msgspec.convert(changes, change)}, lane=CLAIMED)
    assert shows(done.patches[0], changes)
    done = await rows.batch(puts={made.id: put(name)}, lane=CLAIMED)
    assert shows(done.puts[0], ROWS[name])
    assert (await rows.batch(deletes=[made.id], lane=CLAIMED)).deletes == (made.id,)


async def restrictions(tenant: Cloudflare) -> None:
    """Their batch can only delete."""
    name = "sending_domain_restrictions"
    made = await tenant.settings.sending_domain_restrictions.create(
        msgspec.convert(ROWS[name], NewSendingDomainRestriction), lane=CLAIMED
    )
    assert made is not None
    assert await tenant.settings.sending_domain_restrictions.batch(deletes=[made.id], lane=CLAIMED) == (
        made.id,
    )


async def mail(tenant: Cloudflare) -> None:
    """Everything that can be read of a message, and done to it."""
    messages = tenant.investigate
    listed = [one async for one in messages.list(**WINDOW, detections_only=False, per_page=30, lane=READ)]
    bad = next(one for one in listed if one.is_malicious)
    good = next(one for one in listed if one.final_disposition == "NONE" and one.is_delivered)
    assert await messages.get(bad.id, lane=READ) == bad
    assert (await messages.detections(bad.id, lane=READ)).final_disposition == bad.final_disposition
    assert f"Message-ID: {bad.message_id}" in (await messages.raw(bad.id, lane=READ)).raw
    for picture in (await messages.preview(bad.id, lane=READ), await messages.render(good.id, lane=CLAIMED)):
        assert picture.screenshot.startswith(b"\x89PNG")
    for read in (messages.detections, messages.raw, messages.preview):
        with pytest.raises(Refused):
            await read(good.id, lane=READ)
    assert (await messages.trace(good.id, lane=READ)).inbound.lines
    assert all(row.success for row in (await messages.move([bad.id, good.id], "JunkEmail")).rows)
    assert all(row.success for row in (await messages.move_one(bad.id, "DeletedItems")).rows)
    log = await messages.action_log(bad.id, lane=READ)
    assert [entry.folder for entry in log if entry.operation == "MOVE"] == ["JunkEmail", "DeletedItems"]
    await messages.release([good.id])
    await messages.reclassify(good.id, "SPAM", eml_content=b"Subject: x")
    assert bad.alert_id
    again = Reclassification(alert_id=bad.alert_id, expected_disposition="SPAM")
    missed = MissedDetection(
        postfix_id=good.postfix_id,
        message_id=good.message_id or "",
        recipient_emails=good.client_recipients,
        expected_disposition="SPAM",
    )
    for wanted in ([again], [missed]):
        (result,) = (await tenant.submissions.create(wanted, lane=CLAIMED)).rows
        assert result.accepted
    asked = [one.original_postfix_id async for one in tenant.submissions.list(**TODAY, lane=READ)]
    assert Counter(asked) == {good.postfix_id: 2, bad.postfix_id: 1}
    assert [one async for one in tenant.phishguard.reports(**WINDOW, lane=READ)]


async def jobs(tenant: Cloudflare) -> None:
    """A job runs to its end and can then be removed; one that is new can be cancelled."""
    bulk = tenant.investigate.bulk
    search = Search(**WINDOW, detections_only=False, recipient="corp.example")
    new = NewJob(action="MOVE", destination="JunkEmail", comment="ours", search_params=search)
    job = await bulk.create(new, lane=CLAIMED)
    assert (job.status, job.search_params.recipient) == ("PENDING", "corp.example")
    while not (job := await bulk.get(job.job_id, lane=READ)).is_over:
        pass
    moved = [one async for one in bulk.messages(job.job_id, per_page=50, lane=READ)]
    assert job.total_messages_discovered == len(moved) > 50
    assert all(one.message is not None and one.status in {"COMPLETED", "SKIPPED"} for one in moved)
    await bulk.delete(job.job_id, lane=CLAIMED)
    other = await bulk.create(new, lane=CLAIMED)
    assert [one.job_id async for one in bulk.list(lane=READ)] == [other.job_id]
    assert (await bulk.cancel(other.job_id, lane=CLAIMED)).job_id == other.job_id


def put(name: str) -> Any:
    """What can be put in the place of a row; a domain keeps its name, and the struct for it knows none."""
    return msgspec.convert(ROWS[name], DomainPut if name == "domains" else COLLECTIONS[name][1])


def shows(row: Any, wanted: dict[str, Any]) -> bool:
    """Whether a row has these values."""
    told = msgspec.to_builtins(row)
    return all(list(told[k]) == v if isinstance(v, list) else told[k] == v for k, v in wanted.items())
