from __future__ import annotations

import asyncio

import pytest

from tests.desk import Desk
from tests.fakes import FailingLedger, ManualClock
from worker.budget import BELIEVED, FIRST_BLOCK, IN_FLIGHT, LONGEST_BLOCK, SHARES, RequestBudget
from worker.model.ledger import Grant
from worker.ops.metrics import Metrics
from worker.ports import Lane, Observation

LIMIT = 20


@pytest.fixture
def ledger(desk: Desk) -> FailingLedger:
    """The desk's ledger, whose database can be made to refuse."""
    return FailingLedger(desk.ledger)


@pytest.fixture
def budget(ledger: FailingLedger, clock: ManualClock, metrics: Metrics) -> RequestBudget:
    """Twenty requests per window."""
    return RequestBudget(ledger.port, clock, metrics, LIMIT)


def seen(status: int | None, **more: float) -> Observation:
    """One finished request."""
    return Observation("GET investigate", status, 0.1, **more)  # type: ignore[arg-type]


async def refuse(budget: RequestBudget, retry_after: float | None = None) -> None:
    """The vendor says 429."""
    budget.observe(Observation("GET investigate", 429, 0.1, retry_after))
    await written(budget)


async def written(budget: RequestBudget) -> None:
    """Waits until what the budget remembers is in the ledger."""
    await asyncio.gather(*budget._tasks)


async def admit_all(budget: RequestBudget, lane: Lane, clock: ManualClock) -> int:
    """How many requests a lane gets before it has to wait."""
    start, count = clock.now(), 0
    while True:
        await budget.admit(lane)
        if clock.now() > start:
            return count
        count += 1


@pytest.mark.parametrize("lane", Lane)
async def test_a_lane_gets_its_share(budget: RequestBudget, clock: ManualClock, lane: Lane) -> None:
    """Actions may use everything, read-backs, polls and enrichment ever less."""
    assert await admit_all(budget, lane, clock) == int(LIMIT * SHARES[lane])


def test_actions_come_first() -> None:
    """In the order of the lanes, and actions get all there is."""
    shares = [SHARES[lane] for lane in Lane]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0


async def test_a_poll_never_takes_what_actions_need(budget: RequestBudget, clock: ManualClock) -> None:
    """Where polls have used up their share, actions still go on."""
    used = await admit_all(budget, Lane.ENRICH, clock)
    before = clock.now()
    for _ in range(LIMIT - used - 1):
        await budget.admit(Lane.ACTION)
    assert clock.now() == before


async def test_a_tiny_budget_starves_no_lane(
    ledger: FailingLedger, clock: ManualClock, metrics: Metrics
) -> None:
    """The smallest share is one request."""
    tiny = RequestBudget(ledger.port, clock, metrics, 1)
    for lane in Lane:
        await tiny.admit(lane)


async def test_a_429_stops_everything_for_its_time(budget: RequestBudget, clock: ManualClock) -> None:
    """Every lane waits as long as the vendor says."""
    await refuse(budget, 42.0)
    assert budget.blocked_for() == 42.0
    before = clock.now()
    await budget.admit(Lane.ACTION)
    assert clock.now() == pytest.approx(before + 42)


async def test_a_429_without_a_time_waits_ever_longer(budget: RequestBudget, clock: ManualClock) -> None:
    """Doubling, up to the vendor's own five minutes."""
    waits = []
    for _ in range(8):
        await refuse(budget)
        waits.append(budget.blocked_for())
        clock.pass_time(waits[-1])
    assert waits == [min(FIRST_BLOCK * 2**n, LONGEST_BLOCK) for n in range(8)]


async def test_any_number_of_429s_is_survived(budget: RequestBudget) -> None:
    """The budget is told of every request and must not raise: not after days of refusals."""
    budget._refusals = 100_000
    await refuse(budget)
    assert budget.blocked_for() == LONGEST_BLOCK


async def test_an_answer_ends_the_doubling(budget: RequestBudget, clock: ManualClock) -> None:
    """The next 429 begins anew."""
    for _ in range(4):
        await refuse(budget)
        clock.pass_time(budget.blocked_for())
    budget.observe(seen(200))
    await refuse(budget)
    assert budget.blocked_for() == FIRST_BLOCK


async def test_no_answer_says_nothing_of_the_rate(budget: RequestBudget, clock: ManualClock) -> None:
    """A lost connection neither blocks nor ends the doubling."""
    await refuse(budget)
    clock.pass_time(budget.blocked_for())
    budget.observe(seen(None))
    assert budget.blocked_for() == 0.0
    await refuse(budget)
    assert budget.blocked_for() == 2 * FIRST_BLOCK


async def test_a_shorter_block_never_shortens_a_longer_one(budget: RequestBudget) -> None:
    """Requests in flight may be refused with any time."""
    await refuse(budget, 100.0)
    await refuse(budget, 5.0)
    assert budget.blocked_for() == 100.0


async def test_an_empty_window_of_the_vendors_is_obeyed(budget: RequestBudget) -> None:
    """The Ratelimit header says so before a 429 does; it is bounded all the same."""
    budget.observe(Observation("GET investigate", 200, 0.1, remaining=3, resets_in=60.0))
    assert budget.blocked_for() == 0.0
    budget.observe(Observation("GET investigate", 200, 0.1, remaining=0, resets_in=60.0))
    assert budget.blocked_for() == 60.0
    budget.observe(Observation("GET investigate", 200, 0.1, remaining=0, resets_in=9999.0))
    assert budget.blocked_for() == LONGEST_BLOCK
    await written(budget)


async def test_a_429_survives_a_restart(
    budget: RequestBudget, ledger: FailingLedger, clock: ManualClock, metrics: Metrics
) -> None:
    """What is left of it, by the wall clock."""
    await refuse(budget, 60.0)
    clock.pass_time(20)
    again = RequestBudget(ledger.port, clock, metrics, LIMIT)
    await again.restore()
    assert again.blocked_for() == pytest.approx(40.0)


async def test_a_clock_set_back_does_not_prolong_a_429_for_days(
    budget: RequestBudget, ledger: FailingLedger, clock: ManualClock, metrics: Metrics
) -> None:
    """No block is longer than the vendor's longest."""
    await refuse(budget, 60.0)
    clock.jump(-86400)
    again = RequestBudget(ledger.port, clock, metrics, LIMIT)
    await again.restore()
    assert again.blocked_for() == LONGEST_BLOCK


async def test_a_429_that_cannot_be_written_down_is_obeyed(
    budget: RequestBudget, ledger: FailingLedger
) -> None:
    """Only a restart would forget it."""
    ledger.fail("block_until")
    await refuse(budget, 60.0)
    assert budget.blocked_for() == 60.0


async def test_a_claim_that_got_nothing_blocks_for_a_while(budget: RequestBudget, clock: ManualClock) -> None:
    """Not for the whole wait: the operator may restart with more, another process may end."""
    budget.exhausted(200.0)
    assert 0 < budget.blocked_for() <= 5.0
    assert budget.pressure() == 1.0
    clock.pass_time(5)
    assert budget.blocked_for() == 0.0


async def test_pressure_is_the_share_in_use(budget: RequestBudget) -> None:
    """By which the poll interval stretches."""
    assert budget.pressure() == 0.0
    for _ in range(LIMIT // 2):
        await budget.admit(Lane.ACTION)
    assert budget.pressure() == 0.5


def told(used: int, quota: int = 1200, resets: float | None = 120.0) -> Observation:
    """An answer that tells how much of the vendor's window is used."""
    return Observation("GET investigate", 200, 0.1, remaining=quota - used, resets_in=resets, quota=quota)


async def waits(budget: RequestBudget, lane: Lane, clock: ManualClock) -> float:
    """How long a lane has to wait for its next request."""
    before = clock.now()
    await budget.admit(lane)
    return clock.now() - before


@pytest.mark.parametrize("lane", Lane)
async def test_the_vendors_window_has_the_same_shares(
    budget: RequestBudget, clock: ManualClock, lane: Lane
) -> None:
    """Whoever used it: enrichment and polls give way first, and the last of it is left for what is on its way."""
    edge = int(1200 * SHARES[lane]) - IN_FLIGHT
    budget.observe(told(edge - 1))
    assert await waits(budget, lane, clock) == 0.0
    budget.observe(told(edge))
    assert await waits(budget, lane, clock) == pytest.approx(120.0)


async def test_a_claim_obeys_the_vendors_window_too(budget: RequestBudget, clock: ManualClock) -> None:
    """Writes ask for no admission: they are not claimed while it is short."""
    budget.observe(told(1190))
    assert budget.blocked_for() == 120.0
    assert budget.refused_for() == 0.0
    clock.pass_time(120)
    assert budget.blocked_for() == 0.0


@pytest.mark.parametrize("quota", [1, 2, 3, 10, 100])
async def test_a_small_window_of_the_vendors_can_be_used(budget: RequestBudget, quota: int) -> None:
    """At least three quarters of it, however few that are."""
    budget.observe(told(0, quota))
    assert budget.blocked_for() == 0.0


async def test_nonsense_about_the_window_is_bounded(budget: RequestBudget) -> None:
    """More left than there is, no end, an end in a hundred years."""
    budget.observe(told(-500))
    assert budget.blocked_for() == 0.0
    budget.observe(told(1199, resets=None))
    assert 0 < budget.blocked_for() <= LONGEST_BLOCK
    budget.observe(told(1199, resets=3e9))
    assert budget.blocked_for() == LONGEST_BLOCK


async def test_refusals_that_were_on_their_way_together_are_one(
    budget: RequestBudget, clock: ManualClock
) -> None:
    """Twenty at once are no reason to wait for five minutes."""
    for _ in range(20):
        await refuse(budget)
    assert budget.blocked_for() == FIRST_BLOCK
    clock.pass_time(FIRST_BLOCK)
    await refuse(budget)
    assert budget.blocked_for() == 2 * FIRST_BLOCK


async def test_a_vendor_that_says_at_once_and_goes_on_refusing_is_asked_less_and_less(
    budget: RequestBudget, clock: ManualClock
) -> None:
    """Its word is taken ten times; a minute of it is some twenty requests, and not six hundred."""
    waits = []
    for _ in range(BELIEVED + 6):
        await refuse(budget, 0.1)
        waits.append(budget.blocked_for())
        clock.pass_time(waits[-1])
    assert waits == pytest.approx([0.1] * BELIEVED + [1, 2, 4, 8, 16, 32])
    await refuse(budget, 100.0)
    assert budget.blocked_for() == 100
    clock.pass_time(100)
    budget.observe(seen(200))
    await refuse(budget, 0.1)
    assert budget.blocked_for() == pytest.approx(0.1)


async def test_a_late_answer_does_not_end_the_doubling(budget: RequestBudget, clock: ManualClock) -> None:
    """It was sent before the 429."""
    await refuse(budget)
    budget.observe(seen(200))
    clock.pass_time(FIRST_BLOCK)
    await refuse(budget)
    assert budget.blocked_for() == 2 * FIRST_BLOCK


async def test_a_read_in_line_for_the_budget_sees_a_429_that_came_meanwhile(
    budget: RequestBudget, ledger: FailingLedger, clock: ManualClock
) -> None:
    """It was granted before the 429 was told of, and has not left yet."""
    take = ledger.port.take_budget

    async def slow(limit: int) -> Grant:
        grant = await take(limit)
        if grant.used == 1:
            budget.observe(Observation("POST investigate/move", 429, 0.1, 42.0))
        return grant

    ledger.take_budget = slow  # type: ignore[attr-defined]
    before = clock.now()
    await budget.admit(Lane.POLL)
    assert clock.now() - before >= 42
    await written(budget)
