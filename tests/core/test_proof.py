"""What is proved of an action after a restore, kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.builders import NOW, at, detection, item
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from worker.acting.looks import look
from worker.acting.proof import Proof
from worker.clock import VendorTime
from worker.cloudflare import LogEntry
from worker.errors import BadAnswer, Transient
from worker.executors import executors
from worker.executors.base import POSTPONED_SECONDS, Executor, unread
from worker.model.calls import Item
from worker.model.ledger import Look, Loss

DELAY, HOUR = 30.0, 3600.0
RESTORED = NOW - 600
LOSS = Loss(since=NOW - 7200, until=RESTORED)
Ask = Callable[..., Any]


@pytest.fixture
def known(tenant: FakeCloudflare, desk: Desk) -> dict[str, Executor]:
    """Every executor."""
    tenant.add(detection(is_quarantined=True, delivery_status=("quarantined",)))
    return executors(tenant.client, desk.ledger, DELAY, 250)


@pytest.fixture
def ask(known: dict[str, Executor], tenant: FakeCloudflare, clock: ManualClock) -> Ask:
    """Looks at one message as the dispatcher does."""

    async def once(kind: str, loss: Loss = LOSS, ahead: float = 0.0, **changes: Any) -> Look:
        target = {"move": "JunkEmail", "reclassify": "NONE"}.get(kind, "")
        told = {"kind": kind, "target": target, "submitted_at": None, "message_from": RESTORED - 60} | changes
        vendor_time = VendorTime(clock)
        vendor_time.note(clock.now() + ahead)
        prove = Proof(loss, DELAY, clock, vendor_time)
        looked = await look([item(**told)], known[kind], tenant.client, clock, prove)
        return looked.looks[0]

    return once


async def test_what_the_lost_worker_did_is_skipped(ask: Ask, tenant: FakeCloudflare) -> None:
    """The vendor's log knows it."""
    entry: dict[str, Any] = {
        "started_at": at(RESTORED - 60),
        "completed_at": at(RESTORED - 60),
        "success": True,
    }
    tenant.logs["m1"] = [
        LogEntry(operation="SUBMISSION", requested_disposition="NONE", **entry),
        LogEntry(operation="QUARANTINE_RELEASE", **entry),
    ]
    for kind in ("reclassify", "release"):
        found = await ask(kind)
        assert (found.state, found.why) == (
            "skipped",
            "done already, by what the restored database does not know of",
        )


@pytest.mark.parametrize("ahead", [-3 * HOUR, 3 * HOUR])
@pytest.mark.parametrize("kind", ["reclassify", "release"])
async def test_what_the_lost_worker_did_is_found_by_the_vendors_clock(
    ask: Ask, tenant: FakeCloudflare, kind: str, ahead: float
) -> None:
    """Which dates its logs; whose clock is wrong makes no difference."""
    when = at(RESTORED - 60 + ahead)
    operation = "SUBMISSION" if kind == "reclassify" else "QUARANTINE_RELEASE"
    tenant.logs["m1"] = [LogEntry(operation=operation, started_at=when, completed_at=when)]
    assert (await ask(kind, ahead=ahead)).state == "skipped"


@pytest.mark.parametrize("kind, state", [("move", "ready"), ("reclassify", "ready"), ("release", "held")])
async def test_what_nothing_shows_is_sent_where_its_kind_allows_that(ask: Ask, kind: str, state: str) -> None:
    """A release is a person's decision."""
    assert (await ask(kind)).state == state


async def test_a_person_who_approved_after_the_restore_has_decided(ask: Ask) -> None:
    """One who approved before it decided on what is lost."""
    assert (await ask("release", approved_at=RESTORED + 60)).state == "ready"
    assert (await ask("release", approved_at=RESTORED - 60)).state == "held"


@pytest.mark.parametrize("ahead", [-3 * HOUR, 3 * HOUR])
async def test_whether_an_approval_came_after_the_restore_our_own_clock_tells(ask: Ask, ahead: float) -> None:
    """It dates both: the vendor's has no part in that."""
    assert (await ask("release", ahead=ahead, approved_at=RESTORED + 60)).state == "ready"
    assert (await ask("release", ahead=ahead, approved_at=RESTORED - 60)).state == "held"


async def test_mail_that_came_after_the_restore_is_in_no_doubt(ask: Ask, tenant: FakeCloudflare) -> None:
    """Nor is anybody asked about it; mail of unknown age is in doubt."""
    assert (await ask("release", message_from=RESTORED + 1)).state == "ready"
    assert tenant.asked("action_log") == []
    assert (await ask("release", message_from=None)).state == "held"


@pytest.mark.parametrize("kind, delays", [("reclassify", 2), ("release", 1)])
async def test_the_vendors_log_gets_time_to_catch_up(
    ask: Ask, clock: ManualClock, kind: str, delays: int
) -> None:
    """As long as after a lost answer; nobody is asked before."""
    fresh = Loss(since=NOW - 7200, until=NOW)
    found = await ask(kind, fresh)
    assert (found.state, found.again_in) == ("ready", delays * DELAY)
    clock.pass_time(delays * DELAY)
    assert (await ask(kind, fresh)).again_in is None


async def test_what_cannot_be_told_is_held(ask: Ask, tenant: FakeCloudflare) -> None:
    """More submissions than can be paged through must not block the others for ever."""
    tenant.will("action_log", BadAnswer("nonsense"))
    found = await ask("reclassify")
    assert (found.state, "nobody can tell: nonsense" in found.why) == ("held", True)


async def test_what_could_not_be_looked_at_waits_unproven(
    ask: Ask, known: dict[str, Executor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its effect is not there yet does not say that acting still makes sense."""

    async def survey(items: Sequence[Item], _: float) -> list[Look]:
        return [unread(one, "nonsense") for one in items]

    monkeypatch.setattr(known["notify"], "survey", survey)
    found = await ask("notify")
    assert (found.state, found.again_in) == ("ready", POSTPONED_SECONDS)


async def test_a_vendor_that_cannot_be_reached_proves_nothing(ask: Ask, tenant: FakeCloudflare) -> None:
    """The kind waits and looks again."""
    tenant.will("action_log", Transient("no connection"))
    with pytest.raises(Transient):
        await ask("release")
