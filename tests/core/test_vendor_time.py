from __future__ import annotations

import pytest

from tests.builders import NOW
from tests.desk import Desk
from tests.fakes import ManualClock
from worker.budget import RequestBudget
from worker.clock import VendorTime
from worker.ops.metrics import Metrics
from worker.ports import Observation

HOUR = 3600.0


def test_ours_is_believed_until_an_answer_says_otherwise(clock: ManualClock) -> None:
    """Before the first answer, and where it differs by no more than a rounded second and the way."""
    vendor_time = VendorTime(clock)
    assert vendor_time(NOW - 5) == NOW - 5
    vendor_time.note(NOW + 2)
    assert vendor_time(NOW - 5) == NOW - 5


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_moment_of_ours_is_told_by_the_vendors_clock(clock: ManualClock, ahead: float) -> None:
    """By as much as the clocks differ now, also after ours was set."""
    vendor_time = VendorTime(clock)
    vendor_time.note(NOW + ahead)
    clock.pass_time(10)
    assert vendor_time(NOW) == NOW + ahead
    clock.jump(ahead)
    assert vendor_time(NOW + ahead) == NOW + ahead


async def test_every_answer_tells_the_time(desk: Desk, clock: ManualClock, metrics: Metrics) -> None:
    """A failed request does not."""
    vendor_time = VendorTime(clock)
    budget = RequestBudget(desk.ledger, clock, metrics, 600, vendor_time)
    budget.observe(Observation("GET investigate", 200, 0.1, server_time=NOW + HOUR))
    budget.observe(Observation("GET investigate", None, 0.1))
    assert vendor_time(NOW) == NOW + HOUR
