from __future__ import annotations

import pytest

from tests.builders import NOW, junk
from tests.desk import Desk
from tests.fakes import ManualClock
from worker.clock import VendorTime
from worker.model.actions import State
from worker.model.ledger import Keep
from worker.ops.metrics import Metrics
from worker.upkeep.retention import Retention

Capture = pytest.CaptureFixture[str]
DAY = 86400.0


@pytest.fixture
def vendor_time(clock: ManualClock) -> VendorTime:
    """What no answer has told yet."""
    return VendorTime(clock)


@pytest.fixture
def retention(desk: Desk, clock: ManualClock, vendor_time: VendorTime, metrics: Metrics) -> Retention:
    """Keeps everything for ninety days."""
    return Retention(desk.ledger, clock, vendor_time, metrics, Keep(90 * DAY, DAY))


async def failed(desk: Desk) -> int:
    """Failed actions that the ledger still knows."""
    return sum(1 for row in await desk.rows() if row["state"] == State.FAILED)


async def test_what_is_old_by_both_clocks_goes(
    desk: Desk, clock: ManualClock, vendor_time: VendorTime, retention: Retention
) -> None:
    """Ours and the vendor's have gone on together."""
    await desk.bring(State.FAILED, junk())
    clock.pass_time(91 * DAY)
    vendor_time.note(NOW + 91 * DAY)
    await retention.turn(0.0)
    assert await failed(desk) == 0


@pytest.mark.parametrize("told", [True, False])
async def test_a_clock_that_runs_ahead_removes_nothing(
    desk: Desk, clock: ManualClock, vendor_time: VendorTime, retention: Retention, *, told: bool
) -> None:
    """A year ahead for a minute: what a failed action still bars must not be gone for good."""
    await desk.bring(State.FAILED, junk())
    if told:
        vendor_time.note(NOW)
    clock.jump(365 * DAY)
    await retention.turn(0.0)
    assert await failed(desk) == 1
    clock.jump(-365 * DAY)
    await retention.turn(0.0)
    assert await failed(desk) == 1


async def test_a_vendor_who_never_tells_the_time_is_told_of_once(
    desk: Desk, clock: ManualClock, vendor_time: VendorTime, retention: Retention, capsys: Capture
) -> None:
    """Nothing is removed then, and for years: somebody should know, but not every minute."""
    await desk.bring(State.FAILED, junk())
    await retention.turn(0.0)
    assert "".join(capsys.readouterr()) == ""
    for _ in range(3):
        clock.pass_time(91 * DAY)
        await retention.turn(0.0)
    assert "".join(capsys.readouterr()).count("retention.waiting") == 1
    assert await failed(desk) == 1
    vendor_time.note(clock.now())
    await retention.turn(0.0)
    assert await failed(desk) == 0
