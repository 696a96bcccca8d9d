from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tests.builders import ACCOUNT, NOW, catalogue, detection, playbook
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from worker.bootstrap import assemble
from worker.budget import RequestBudget
from worker.clock import VendorTime
from worker.executors import executors
from worker.executors.base import ReadBack
from worker.model.actions import Move, Reclassify, Release, State
from worker.model.calls import Item
from worker.model.plans import DETECTIONS
from worker.ops.metrics import Metrics
from worker.ports import Observation
from worker.reconciler import Reconciler
from worker.settings import Settings
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.migrate import migrate

HOUR = 3600.0
AHEAD = 700.0


def test_ours_is_believed_until_an_answer_says_otherwise(clock: ManualClock) -> None:
    """Before the first answer, and where it differs by no more than a rounded second and the way."""
    vendor_time = VendorTime(clock)
    assert vendor_time.earliest(NOW - 5) == vendor_time.latest(NOW - 5) == NOW - 5
    vendor_time.note(NOW + 2)
    assert vendor_time.earliest(NOW - 5) == vendor_time.latest(NOW - 5) == NOW - 5


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_moment_of_ours_is_told_by_both_clocks(clock: ManualClock, ahead: float) -> None:
    """By as much as they differ now, also after ours was set."""
    vendor_time = VendorTime(clock)
    vendor_time.note(NOW + ahead)
    clock.pass_time(10)
    assert {vendor_time.earliest(NOW), vendor_time.latest(NOW)} == {NOW, NOW + ahead}
    assert vendor_time.earliest(NOW) < vendor_time.latest(NOW)
    clock.jump(ahead)
    assert vendor_time.earliest(NOW + ahead) == vendor_time.latest(NOW + ahead) == NOW + ahead


@pytest.mark.parametrize("told", [-1.0, 0.0, 253_402_300_799.0, 1e18])
def test_an_absurd_date_tells_no_time(clock: ManualClock, told: float) -> None:
    """Nobody reckons with the year 9999: a moment of ours stays one that can be written down."""
    vendor_time = VendorTime(clock)
    vendor_time.note(told)
    assert not vendor_time.told
    assert vendor_time.earliest(NOW) == vendor_time.latest(NOW) == NOW


@pytest.mark.parametrize(
    "told, behind",
    [(-1200.0, 1200.0), (-24 * HOUR, 24 * HOUR), (-25 * HOUR, 0.0), (1200.0, 0.0), (-2.0, 0.0)],
)
def test_windows_follow_a_clock_that_is_behind_for_a_day_at_most(
    clock: ManualClock, told: float, behind: float
) -> None:
    """A `Date` of last year would have a year read at every poll."""
    vendor_time = VendorTime(clock)
    assert vendor_time.behind == 0.0
    vendor_time.note(NOW + told)
    assert vendor_time.behind == behind


async def test_the_refusal_of_a_window_tells_the_time_too(
    desk: Desk, clock: ManualClock, metrics: Metrics
) -> None:
    """Of a start in its future the vendor tells nothing else."""
    vendor_time = VendorTime(clock)
    budget = RequestBudget(desk.ledger, clock, metrics, 600, vendor_time)
    budget.observe(Observation("GET investigate", 400, 0.1, server_time=NOW - 1200))
    assert vendor_time.behind == 1200


async def test_every_good_answer_tells_the_time(desk: Desk, clock: ManualClock, metrics: Metrics) -> None:
    """A failed request does not; nor does an error but a refusal, for it may come from somebody in between."""
    vendor_time = VendorTime(clock)
    budget = RequestBudget(desk.ledger, clock, metrics, 600, vendor_time)
    budget.observe(Observation("GET investigate", 200, 0.1, server_time=NOW + HOUR))
    budget.observe(Observation("GET investigate", None, 0.1))
    budget.observe(Observation("GET investigate", 502, 0.1, server_time=NOW - HOUR))
    assert (vendor_time.earliest(NOW), vendor_time.latest(NOW)) == (NOW, NOW + HOUR)


@pytest.mark.parametrize("ahead", [-24 * HOUR, 24 * HOUR])
@pytest.mark.parametrize("kind", ["move", "reclassify", "release"])
async def test_a_wrong_date_does_not_hide_an_effect(
    desk: Desk, clock: ManualClock, metrics: Metrics, kind: str, ahead: float
) -> None:
    """The vendor's logs are on true time: what is there is found, and nothing is sent again."""
    tenant = FakeCloudflare(clock)
    message = detection(is_quarantined=kind == "release")
    tenant.add(message)
    action = {
        "move": Move(message, to="JunkEmail"),
        "reclassify": Reclassify(message, to="SPAM"),
        "release": Release(message),
    }[kind]
    await desk.want(action)
    (call,) = await desk.claim()
    carry_out = executors(tenant.client, desk.ledger, 30.0, 250)
    await carry_out[kind].execute(call)
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    vendor_time = VendorTime(clock)
    vendor_time.note(clock.now() + ahead)
    clock.pass_time(30)
    reconciler = Reconciler(desk.ledger, carry_out, clock, metrics, 30.0, vendor_time)
    assert await reconciler.step() == 1
    assert (await desk.row())["state"] == State.SUCCEEDED
    assert all(one["start"].timestamp() <= clock.now() for one in tenant.asked("submissions"))


async def test_what_the_first_answer_tells_of_the_time_counts_for_it_too(
    desk: Desk, clock: ManualClock, metrics: Metrics
) -> None:
    """After a start with a clock that is ahead, the read-back is the first to hear of it: it looks once more."""
    tenant = FakeCloudflare(clock)
    message = detection()
    tenant.add(message)
    await desk.want(Reclassify(message, to="SPAM"))
    (call,) = await desk.claim()
    carry_out = executors(tenant.client, desk.ledger, 30.0, 250)
    await carry_out["reclassify"].execute(call)
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    clock.pass_time(AHEAD + 30)
    await desk.edit(call.items[0].action_id, submitted_at=NOW + AHEAD)
    vendor_time = VendorTime(clock)
    read_back = carry_out["reclassify"].read_back
    asked = []

    async def answered(item: Item, now: float) -> ReadBack:
        asked.append(now)
        seen = await read_back(item, now)
        vendor_time.note(clock.now() - AHEAD)
        return seen

    carry_out["reclassify"].read_back = answered  # type: ignore[method-assign]
    reconciler = Reconciler(desk.ledger, carry_out, clock, metrics, 30.0, vendor_time)
    assert await reconciler.step() == 1
    assert (await desk.row())["state"] == State.SUCCEEDED
    assert len(asked) == 2


async def test_whoever_reads_the_vendors_logs_goes_by_one_time(tmp_path: Path, metrics: Metrics) -> None:
    """What one answer tells of it, everybody knows."""
    engine = sqlite_engine(tmp_path / "worker.db")
    transact(engine, migrate)
    store = Store(engine)
    settings = Settings(
        cloudflare_api_token=SecretStr("t" * 40),
        cloudflare_account_id=ACCOUNT,
        worker_database_url=SecretStr(f"sqlite:///{tmp_path}/worker.db"),
    )
    known = catalogue(playbook(lambda message: Move(message, to="DeletedItems")))
    parts = assemble(settings, known, store, metrics)
    wired: list[Any] = [
        parts.budget,
        parts.executors["move"],
        parts.reconciler,
        parts.confirmer,
        parts.retention,
        *parts.pollers,
        *(one.source for one in parts.pollers if one.source.name == DETECTIONS),
    ]
    assert len(wired) == 8
    times = {id(part._vendor_time) for part in wired}
    times.add(id(parts.dispatcher._options.vendor_time))
    assert len(times) == 1
    engine.dispose()
