"""Whose hand was the last on a message, where the vendor's clock and ours are apart, or are said to be."""

from __future__ import annotations

import pytest

from tests.builders import NOW, detection, item, junk
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from worker.clock import VendorTime
from worker.executors.move import MoveExecutor
from worker.model.actions import State
from worker.model.calls import Item

HOUR = 3600.0
APART = pytest.mark.parametrize("ahead", [0.0, -HOUR, HOUR])


@pytest.fixture
def vendor_time(clock: ManualClock) -> VendorTime:
    """What the vendor's answers have said of its clock."""
    return VendorTime(clock)


@pytest.fixture
def executor(tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime) -> MoveExecutor:
    """Moves, on a ledger that knows our own."""
    return MoveExecutor(tenant.client, desk.ledger, 30.0, 250, vendor_time)


async def our_move(tenant: FakeCloudflare, desk: Desk, to: str = "JunkEmail") -> str:
    """The id of a move that the worker made at NOW by its own clock."""
    tenant.add(detection())
    (row,) = await desk.bring(State.SUCCEEDED, junk(to=to))
    return str(row["id"])


async def seen(executor: MoveExecutor, tenant: FakeCloudflare, one: Item) -> tuple[str, str]:
    """What a look says."""
    look = await executor.look(one, tenant.messages["m1"])
    return look.state, look.why


@APART
async def test_an_analyst_is_not_overruled(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime, ahead: float
) -> None:
    """Where the worker had put it, somebody put it too: by whichever clock that is dated."""
    vendor_time.note(NOW + ahead)
    await our_move(tenant, desk, "Inbox")
    tenant.moved("m1", "Inbox", NOW + ahead, by="worker")
    assert await seen(executor, tenant, item()) == ("ready", "")
    tenant.moved("m1", "Inbox", NOW + ahead + 10, by="bob")
    assert await seen(executor, tenant, item()) == ("held", "moved to Inbox by bob, after the worker had")


@pytest.mark.parametrize("lie", [-HOUR, HOUR])
async def test_nor_where_the_vendors_clock_is_only_said_to_be_wrong(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime, lie: float
) -> None:
    """A `Date` may come from somebody in between: what our clock says counts as well."""
    vendor_time.note(NOW + lie)
    await our_move(tenant, desk, "Inbox")
    tenant.moved("m1", "Inbox", NOW, by="worker")
    assert await seen(executor, tenant, item()) == ("ready", "")
    tenant.moved("m1", "Inbox", NOW + abs(lie) + 10, by="bob")
    assert (await seen(executor, tenant, item()))[0] == "held"


async def test_another_hand_before_ours_is_not_taken_for_ours(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime
) -> None:
    """With the vendor's clock ahead, an entry from before our move looks as if it came after it."""
    vendor_time.note(NOW + HOUR)
    await our_move(tenant, desk, "Inbox")
    tenant.moved("m1", "Inbox", NOW + HOUR - 600, by="bob")
    tenant.moved("m1", "Inbox", NOW + HOUR, by="worker")
    tenant.moved("m1", "Inbox", NOW + HOUR + 60, by="bob")
    state, why = await seen(executor, tenant, item())
    assert state == "held"
    assert why == "moved to Inbox by bob and by worker: which of them was the worker, the times do not tell"


@pytest.mark.parametrize("by, state", [("worker", "ready"), ("bob", "held")])
async def test_where_no_time_fits_all_hands_count(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, by: str, state: str
) -> None:
    """Our own clock was wrong when it moved the message: one hand is the worker's, of two one is not."""
    await our_move(tenant, desk, "Inbox")
    desk.clock.pass_time(200)
    tenant.moved("m1", "Inbox", NOW - HOUR, by="worker")
    tenant.moved("m1", "Inbox", NOW - 600, by=by)
    assert (await seen(executor, tenant, item()))[0] == state


@APART
async def test_an_undo_knows_where_the_message_was(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime, ahead: float
) -> None:
    """Somebody had moved it just before the worker did: the assumed way back is a wrong one."""
    vendor_time.note(NOW + ahead)
    one = await our_move(tenant, desk)
    tenant.moved("m1", "DeletedItems", NOW + ahead - 1, by="bob")
    tenant.moved("m1", "JunkEmail", NOW + ahead, by="worker")
    back = item(target="Inbox", cause=one, submitted_at=None)
    why = f"the vendor's log shows it in DeletedItems before {one}"
    assert await seen(executor, tenant, back) == ("held", why)
    further = item(target="DeletedItems", cause=one, submitted_at=None)
    assert await seen(executor, tenant, further) == ("ready", "")


@APART
async def test_an_undo_waits_for_the_log_by_either_clock(
    executor: MoveExecutor, tenant: FakeCloudflare, desk: Desk, vendor_time: VendorTime, ahead: float
) -> None:
    """Only until it shows our move."""
    vendor_time.note(NOW + ahead)
    one = await our_move(tenant, desk)
    tenant.moved("m1", "JunkEmail", NOW + ahead - 2 * HOUR, by="bob")
    tenant.moved("m1", "Inbox", NOW + ahead - HOUR - 90, by="bob")
    back = item(target="DeletedItems", cause=one, submitted_at=None)
    assert (await executor.look(back, tenant.messages["m1"])).again_in == 30.0
    tenant.moved("m1", "JunkEmail", NOW + ahead, by="worker")
    assert (await executor.look(back, tenant.messages["m1"])).again_in is None


@pytest.mark.parametrize("ahead, state", [(0.0, "ready"), (-HOUR, "held"), (HOUR, "ready")])
async def test_an_approver_knew_what_both_clocks_put_before_the_approval(
    executor: MoveExecutor, tenant: FakeCloudflare, vendor_time: VendorTime, ahead: float, state: str
) -> None:
    """A move that one of them puts after it is one that nobody told of."""
    vendor_time.note(NOW + ahead)
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 10, by="bob")
    assert (await seen(executor, tenant, item(approved_at=NOW - 5, origin="Inbox")))[0] == state
