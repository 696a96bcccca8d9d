from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.builders import ACCOUNT, ENFORCE, NOW, at, catalogue, detection, junk, playbook, poll
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare, ManualClock, OpenBudget
from worker.clock import VendorTime, iso
from worker.cloudflare import Page
from worker.errors import BadAnswer, Refused, Transient, Unauthorized, VendorError
from worker.intake import Intake
from worker.model.actions import Move
from worker.model.events import Detection
from worker.model.ledger import Cursor
from worker.model.plans import REDECIDE, REFRESH
from worker.ops.metrics import Metrics
from worker.pollers.detections import DetectionSource
from worker.pollers.poller import Poller
from worker.pollers.windows import FIRST, REGULAR, Reach
from worker.retry import PAGE_TRIES
from worker.store.views import queries

DOWN = Refused("down", status=400)
DAY = 86_400.0
REACH = Reach(3000.0, 900.0)
OUTAGE = Transient("no connection")


@pytest.fixture
def ledger(desk: Desk) -> FailingLedger:
    """The desk's ledger, whose database can be made to refuse."""
    return FailingLedger(desk.ledger)


def make(
    ledger: FailingLedger,
    tenant: FakeCloudflare,
    clock: ManualClock,
    metrics: Metrics,
    budget: OpenBudget,
    vendor_time: VendorTime | None = None,
    reach: Reach = REACH,
) -> Poller:
    """Polls detections, all of which one playbook wants in Junk."""
    told = vendor_time or VendorTime(clock)
    known = catalogue(playbook(lambda message: Move(message, to="JunkEmail")))
    intake = Intake(ledger.port, known, ENFORCE, clock, metrics, wake=lambda: None, keep_all=False)
    return Poller(
        DetectionSource(tenant.client, clock, told),
        intake,
        ledger.port,
        budget,
        clock,
        metrics,
        reach=reach,
        interval=30.0,
        vendor_time=told,
    )


@pytest.fixture
def vendor_time(clock: ManualClock) -> VendorTime:
    """What the poller knows of the vendor's clock: nothing yet."""
    return VendorTime(clock)


@pytest.fixture
def poller(
    ledger: FailingLedger,
    tenant: FakeCloudflare,
    clock: ManualClock,
    metrics: Metrics,
    budget: OpenBudget,
    vendor_time: VendorTime,
) -> Poller:
    """One that nobody has used yet."""
    return make(ledger, tenant, clock, metrics, budget, vendor_time)


def windows(tenant: FakeCloudflare) -> list[tuple[float, float]]:
    """The windows that were asked for, relative to NOW."""
    return [(one["start"].timestamp() - NOW, one["end"].timestamp() - NOW) for one in tenant.asked("list")]


async def test_a_poll_takes_its_window_in_and_moves_the_watermark(
    poller: Poller, tenant: FakeCloudflare, desk: Desk
) -> None:
    """From the list to actions that can be claimed."""
    tenant.add(detection())
    assert await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"]}
    assert await desk.ledger.cursor("detections") == Cursor(NOW, NOW - 3000, NOW)


async def test_the_next_window_overlaps_the_last(
    poller: Poller, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """What was seen before is not decided again."""
    await poller.try_poll()
    clock.pass_time(30)
    await poller.try_poll()
    assert windows(tenant) == [(-3000, 0), (-900, 30)]


async def test_a_message_is_decided_once_in_however_many_windows(
    poller: Poller, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """The seen-set outlives the overlap."""
    tenant.add(detection())
    for _ in range(3):
        await poller.try_poll()
        clock.pass_time(1)
    assert await desk.states() == {"m1": ["ready"]}


async def test_a_late_row_is_found_by_the_sweep(
    poller: Poller, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """It appeared after its window and the overlap had gone by."""
    await poller.try_poll()
    clock.pass_time(3000)
    tenant.add(detection(scanned_at=at(NOW - 1000)))
    await poller.try_poll()
    assert await desk.states() == {}
    clock.pass_time(601)
    await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"]}


async def test_a_poll_that_fails_leaves_watermark_and_actions(
    poller: Poller, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """The pages that came are kept under their poll, which goes on the next time under its own id."""
    tenant.per_page = 1
    tenant.add(detection("m1"), detection("m2"))
    tenant.will("list", None, DOWN)
    assert not await poller.try_poll()
    cursor = await desk.ledger.cursor("detections")
    assert cursor is not None
    assert cursor.watermark == cursor.floor
    assert await desk.states() == {"m1": ["open"]}
    (cut,) = await desk.ledger.open_polls("detections")
    clock.pass_time(10)
    assert await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}
    assert {row["poll_id"] for row in await desk.rows()} == {cut.id}


async def test_a_close_that_fails_is_made_up_for(
    poller: Poller, ledger: FailingLedger, tenant: FakeCloudflare, desk: Desk
) -> None:
    """The poll is still open: the next try closes it first."""
    tenant.add(detection())
    ledger.fail("close")
    assert not await poller.try_poll()
    assert await desk.states() == {"m1": ["open"]}
    assert await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"]}


@pytest.mark.parametrize("kind", [REFRESH, REDECIDE])
async def test_an_open_poll_without_a_window_is_only_closed(
    poller: Poller, tenant: FakeCloudflare, desk: Desk, kind: str
) -> None:
    """A crash between its record and its close must not leave its actions open, nor move a watermark."""
    await desk.record(poll("cut", kind=kind, start=NOW, end=NOW), junk())
    await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"]}
    assert windows(tenant) == [(-3000, 0)]


async def test_an_open_poll_from_a_clock_that_ran_ahead_is_not_asked_for_the_future(
    poller: Poller, tenant: FakeCloudflare, desk: Desk
) -> None:
    """Its window lies in the future now: what it recorded is closed, and the windows go on from now."""
    await desk.record(poll("cut", kind=REGULAR, start=NOW + 5000, end=NOW + 6000), junk())
    assert await poller.try_poll()
    assert await desk.states() == {"m1": ["ready"]}
    assert windows(tenant) == [(-3000, 0)]


async def test_an_open_poll_that_ends_in_the_future_is_read_up_to_now(
    poller: Poller, tenant: FakeCloudflare, desk: Desk
) -> None:
    """Its start has been reached, its end has not."""
    await desk.record(poll("cut", kind=FIRST, start=NOW - 1000, end=NOW + 5000), junk())
    assert await poller.try_poll()
    assert windows(tenant)[0] == (-1000, 0)
    cursor = await desk.ledger.cursor("detections")
    assert cursor is not None
    assert cursor.watermark == NOW


def tell_the_time(tenant: FakeCloudflare, vendor_time: VendorTime, behind: float) -> None:
    """The vendor's clock is so many seconds behind: its answers tell, and no window begins in its future."""
    shown = tenant.client.investigate.list

    async def listed(**arguments: Any) -> Page[Detection]:
        vendor_time.note(tenant.clock.now() - behind)
        if arguments["start"].timestamp() > tenant.clock.now() - behind:
            raise Refused("start must not be in the future", status=400)
        return await shown(**arguments)

    tenant.client.investigate.list = listed  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("behind", [600.0, 1200.0, 2800.0, 7200.0, 82_800.0])
async def test_a_clock_that_runs_ahead_of_the_vendors_keeps_nothing_from_being_read(
    ledger: FailingLedger,
    tenant: FakeCloudflare,
    clock: ManualClock,
    metrics: Metrics,
    budget: OpenBudget,
    desk: Desk,
    behind: float,
) -> None:
    """Every window begins before the vendor's own time, and so does every slice of a long one; a restart forgets it."""
    for name in ("m1", "m2", "m3"):
        vendor_time = VendorTime(clock)
        tell_the_time(tenant, vendor_time, behind)
        poller = make(ledger, tenant, clock, metrics, budget, vendor_time, Reach(DAY, 900.0))
        for _ in range(2):
            clock.pass_time(30)
            tenant.add(detection(name, scanned_at=at(clock.now() - behind - 5)))
            assert await poller.try_poll()
        assert name in await desk.states()


async def test_a_window_that_was_cut_off_does_not_begin_in_the_vendors_future(
    poller: Poller, vendor_time: VendorTime, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """It was opened before anything told of its clock."""
    assert await poller.try_poll()
    await desk.record(poll("cut", kind=REGULAR, start=NOW - 800, end=NOW + 30), junk("m2"))
    clock.pass_time(30)
    vendor_time.note(clock.now() - 1200)
    assert await poller.try_poll()
    assert windows(tenant)[1:] == [(-2070, 30), (-2070, 30)]


@pytest.mark.parametrize("error, asked", [(DOWN, 2), (BadAnswer("not JSON", status=200), 1)])
async def test_a_refusal_that_tells_the_time_is_followed_at_once(
    poller: Poller,
    vendor_time: VendorTime,
    tenant: FakeCloudflare,
    clock: ManualClock,
    error: VendorError,
    asked: int,
) -> None:
    """A single run has no other poll; what is no refusal is not about the window."""
    assert await poller.try_poll()
    clock.pass_time(30)

    def refused(**_: Any) -> None:
        vendor_time.note(clock.now() - 1200)
        raise error

    tenant.will("list", *[refused] * (1 if asked == 2 else PAGE_TRIES))
    assert await poller.try_poll() == (asked == 2)
    assert len(set(windows(tenant)[1:])) == asked


async def test_a_date_that_nobody_can_believe_moves_no_window(
    poller: Poller, vendor_time: VendorTime, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Off by more than a day, it would have more than a day read at every poll; one that is ahead moves none either."""
    await poller.try_poll()
    for off in (-DAY - 1, 1200):
        clock.pass_time(30)
        vendor_time.note(clock.now() + off)
        await poller.try_poll()
    assert windows(tenant) == [(-3000, 0), (-900, 30), (-870, 60)]


async def test_no_date_takes_a_poll_behind_where_the_operator_let_it_begin(
    poller: Poller, vendor_time: VendorTime, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """Older mail would be acted on because of somebody's wrong clock."""
    tenant.add(detection(scanned_at=at(NOW - 3600)))
    await poller.try_poll()
    vendor_time.note(clock.now() - 20 * 3600)
    clock.pass_time(30)
    await desk.record(poll("cut", kind=REGULAR, start=NOW - 800, end=NOW + 30), junk("m2"))
    await poller.try_poll()
    assert [start for start, _ in windows(tenant)] == [-3000] * 3
    assert "m1" not in await desk.states()


async def test_the_lag_is_told_before_anything_was_read(
    ledger: FailingLedger, tenant: FakeCloudflare, clock: ManualClock, budget: OpenBudget
) -> None:
    """After a restart with a token that is refused, an alert on the lag must have something to look at."""
    metrics = Metrics(clock=clock.now)
    poller = make(ledger, tenant, clock, metrics, budget)
    tenant.will("list", Unauthorized("revoked", status=401))
    assert not await poller.try_poll()
    clock.pass_time(60)
    assert b'worker_poll_lag_seconds{source="detections"} 3060.0' in metrics.render()[0]


@pytest.mark.parametrize("error", [DOWN, Unauthorized("who are you", status=401)])
async def test_a_failing_source_is_told_once_and_so_is_its_recovery(
    poller: Poller, tenant: FakeCloudflare, capsys: pytest.CaptureFixture[str], error: VendorError
) -> None:
    """A night of failures is two lines, not a thousand."""
    tenant.will("list", *[error] * 5)
    for _ in range(6):
        await poller.try_poll()
    out = "".join(capsys.readouterr())
    assert out.count("poll.failed") == 1
    assert out.count("auth.refused") == (1 if isinstance(error, Unauthorized) else 0)


async def test_a_sweep_that_cannot_be_read_does_not_hold_up_new_mail(
    poller: Poller, tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """The regular windows go on beside it; it is tried again, each time later, until it succeeds."""
    assert await poller.try_poll()
    clock.pass_time(3700)
    tenant.add(detection("late", scanned_at=at(NOW - 2000)), detection("new", scanned_at=at(clock.now())))
    for wait in (30, 90):
        tenant.will("list", DOWN, DOWN)
        assert not await poller.try_poll()
        tenant.forget("list")
        assert await desk.ledger.open_polls("detections") == []
        assert await poller.try_poll()
        assert await desk.states() == {"new": ["ready"]}
        clock.pass_time(wait)
        assert await poller.try_poll()
        assert await desk.states() == {"new": ["ready"]}
        clock.pass_time(wait)
    assert await poller.try_poll()
    assert await desk.states() == {"late": ["ready"], "new": ["ready"]}


async def noted(desk: Desk) -> dict[str, Any]:
    """What `worker status` is given of the source that fails."""
    (told,) = await desk.run(queries.sources, ACCOUNT, desk.clock.now())
    return {name: told[name] for name in ("failing_since", "error")}


async def test_what_is_kept_of_a_failure_is_why_it_fails_now_and_since_when(
    ledger: FailingLedger,
    tenant: FakeCloudflare,
    clock: ManualClock,
    metrics: Metrics,
    budget: OpenBudget,
    desk: Desk,
) -> None:
    """Another reason of the same kind replaces the first; a restart is no new beginning."""
    poller = make(ledger, tenant, clock, metrics, budget)
    tenant.will("list", Refused("400: bad start", status=400), Refused("404: no route", status=404), DOWN)
    since = iso(clock.now())
    await poller.try_poll()
    assert await noted(desk) == {"failing_since": since, "error": "Refused: 400: bad start"}
    clock.pass_time(60)
    await poller.try_poll()
    assert await noted(desk) == {"failing_since": since, "error": "Refused: 404: no route"}
    again = make(ledger, tenant, clock, metrics, budget)
    clock.pass_time(60)
    await again.try_poll()
    assert await noted(desk) == {"failing_since": since, "error": "Refused: down"}
    await again.try_poll()
    assert await noted(desk) == {"failing_since": None, "error": None}


@pytest.mark.parametrize(
    "error, told",
    [
        (ValueError("half a pair: \ud800"), "ValueError: half a pair: ?"),
        (
            IntegrityError("INSERT INTO evidence", ("Subject: salaries",), Exception("UNIQUE")),
            "IntegrityError: (builtins.Exception) UNIQUE",
        ),
    ],
)
async def test_whatever_ails_a_source_can_be_noted_and_holds_no_mail(
    poller: Poller, tenant: FakeCloudflare, desk: Desk, error: Exception, told: str
) -> None:
    """As the log has it; and it ends no poller."""

    def odd(**_: Any) -> Any:
        raise error

    tenant.will("list", odd)
    assert not await poller.try_poll()
    assert (await noted(desk))["error"] == told


async def test_pages_that_fail_are_told_until_the_source_fails(
    poller: Poller, tenant: FakeCloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tries of one page are told; those of an outage are not, and those of the next page that fails are again."""

    async def retried() -> int:
        await poller.try_poll()
        return "".join(capsys.readouterr()).count("poll.page_retried")

    tenant.will("list", *[OUTAGE] * 3 * PAGE_TRIES, None, OUTAGE, None)
    assert [await retried() for _ in range(5)] == [PAGE_TRIES - 1, 0, 0, 0, 1]


async def test_a_poller_says_whether_its_source_fails(poller: Poller, tenant: FakeCloudflare) -> None:
    """Until the next poll that succeeds."""
    tenant.will("list", DOWN)
    seen = []
    for _ in range(2):
        await poller.try_poll()
        seen.append(poller.failing)
    assert seen == [True, False]


async def test_any_error_stops_only_this_source(poller: Poller, tenant: FakeCloudflare) -> None:
    """A bug in one page is a failed poll, not the end of the worker."""

    def odd(**_: Any) -> Any:
        raise ZeroDivisionError

    tenant.will("list", odd)
    assert not await poller.try_poll()
    assert await poller.try_poll()


async def test_a_stop_between_pages_keeps_the_page_in_hand(
    poller: Poller, tenant: FakeCloudflare, desk: Desk
) -> None:
    """It is recorded; the rest is read after the next start."""
    tenant.per_page = 1
    tenant.add(detection("m1"), detection("m2"))

    def stop_first(**arguments: Any) -> Any:
        poller.stop()
        from worker.cloudflare import Page  # noqa: PLC0415 - only here

        return Page((detection("m1"),), next="1")

    tenant.will("list", stop_first)
    assert await poller.try_poll()
    assert await desk.states() == {"m1": ["open"]}
    assert not poller.failing


async def test_a_stopped_poller_ends(poller: Poller, tenant: FakeCloudflare) -> None:
    """At once where it waits for its tick."""
    running = asyncio.create_task(poller.run())
    await asyncio.sleep(0.05)
    poller.stop()
    await asyncio.wait_for(running, 5)
    assert len(tenant.asked("list")) == 1


@pytest.mark.parametrize("used, seconds", [(0.0, 0.0), (0.5, 0.0), (0.75, 54.5), (1.0, 600.0)])
def test_the_interval_stretches_when_the_budget_runs_low(
    poller: Poller, budget: OpenBudget, used: float, seconds: float
) -> None:
    """Actions come before polls."""
    budget.used = used
    assert poller._least_gap() == pytest.approx(seconds, abs=0.1)
