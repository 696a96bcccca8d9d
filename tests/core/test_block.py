"""The vendor's block, on a clock that only waiting moves: over its limit everything is refused for five minutes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.builders import catalogue, playbook
from tests.fakes import ManualClock
from worker.bootstrap import Outside, assemble
from worker.budget import LONGEST_BLOCK
from worker.clock import SteadyClock
from worker.model.actions import Move
from worker.ops.metrics import Metrics
from worker.parts import Parts
from worker.playbooks import Caps
from worker.settings import Settings
from worker.simulator import Fault, SimulatorConfig, start_simulator
from worker.simulator.config import parse_mix
from worker.simulator.serving import Simulator
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.migrate import migrate
from worker.working_off import work_off

WINDOW, LIMIT = 300.0, 1200
SMALL, OTHERS = 300, 170
"""A limit for what takes a message a request, and what people use of it."""


class Waiting(SteadyClock):
    """Time that passes only where the worker waits for it."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock.now, clock.monotonic, "boot")
        self._clock = clock

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)


class World:
    """A tenant and a worker on one clock; everything but the clock is as in production, the wire included."""

    def __init__(self, simulator: Simulator, parts: Parts, clock: ManualClock) -> None:
        self.simulator = simulator
        self.parts = parts
        self.clock = clock
        self.began = clock.now()

    async def work(self, messages: int) -> None:
        """Polls and acts until all are moved."""
        for _ in range(60):
            for poller in self.parts.pollers:
                await poller.try_poll()
            await work_off(self.parts)
            if len(self.effects()) == messages:
                return
            self.clock.pass_time(1.0)
        raise AssertionError(f"{len(self.effects())} of {messages} after {self.clock.now() - self.began} s")

    def effects(self) -> Counter[str]:
        """How often each message was moved."""
        return Counter(one.id for one in self.simulator.tenant.effects)

    def statuses(self) -> Counter[int | None]:
        """The tenant's answers."""
        return Counter(one.status for one in self.simulator.journal.requests)

    def most_in_a_window(self) -> int:
        """The most requests that any 300 s have seen."""
        times = sorted(one.at for one in self.simulator.journal.requests)
        return max(index + 1 - bisect_left(times, at - WINDOW) for index, at in enumerate(times))


@asynccontextmanager
async def world(
    folder: Path,
    messages: int,
    *,
    budget: int,
    batch: int,
    limit: int = LIMIT,
    told: bool = True,
    faults: tuple[Fault, ...] = (),
) -> AsyncIterator[World]:
    """So many malicious messages wait; the worker may send `budget` requests per window, `batch` messages each.

    `limit`: the tenant's own; `told`: whether it says in headers how much of that is left.
    """
    clock = ManualClock()
    config = SimulatorConfig(
        messages=messages,
        reports=0,
        mix=parse_mix("MALICIOUS=100"),
        limit=limit,
        limit_headers=told,
        clock=clock.now,
        faults=faults,
    )
    engine = sqlite_engine(folder / "worker.db")
    transact(engine, migrate)
    store = Store(engine)
    store.start()
    async with start_simulator(config) as simulator:
        settings = Settings(
            cloudflare_api_token=SecretStr(config.token),
            cloudflare_account_id=config.account_id,
            cloudflare_base_url=simulator.base_url,
            worker_database_url=SecretStr(f"sqlite:///{folder}/worker.db"),
            worker_mode="enforce",
            worker_request_budget=budget,
            worker_move_batch=batch,
            worker_cap_per_poll=1_000_000,
            worker_cap_per_hour=1_000_000,
        )
        known = catalogue(playbook(lambda message: Move(message, to="DeletedItems"), caps=Caps(10**6, 10**6)))
        outside = Outside(clock=lambda: Waiting(clock))
        parts = assemble(settings, known, store, Metrics(), outside)
        await parts.cloudflare.open()
        try:
            yield World(simulator, parts, clock)
        finally:
            await parts.cloudflare.close()
            await store.close()


async def work_backlog(folder: Path, messages: int, batch: int, budget: int = 600) -> None:
    """A backlog that needs several windows: all of it is done, once, and the tenant never had to refuse."""
    async with world(folder, messages, budget=budget, batch=batch, told=False) as here:
        await here.work(messages)
        assert set(here.statuses()) == {200}
        assert budget * 5 / 6 < here.most_in_a_window() <= budget
        assert set(here.effects().values()) == {1}
        seconds = here.clock.now() - here.began
        assert seconds > WINDOW
        print(f"{messages} messages, {here.statuses()[200]} requests, {seconds:.0f} s")  # noqa: T201 - the soak's result


@pytest.mark.slow
async def test_a_backlog_over_several_windows_never_trips_the_block(tmp_path: Path) -> None:
    """Promise 17 by the worker's own budget alone: lists, looks and moves together."""
    await work_backlog(tmp_path, 4_000, batch=5)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("batch, budget", [(250, 120), (50, 600), (10, 600)])
async def test_a_backlog_of_fifty_thousand_never_trips_the_block(
    tmp_path: Path, batch: int, budget: int
) -> None:
    """The same with 50,000 messages, in few large calls and in many small ones."""
    await work_backlog(tmp_path, 50_000, batch, budget)


@pytest.mark.slow
async def test_without_a_budget_the_block_does_trip_and_is_waited_out(tmp_path: Path) -> None:
    """So the tests above can fail; and even then nothing is lost, repeated or sent while the block lasts."""
    async with world(tmp_path, SMALL + 100, budget=100_000, batch=1, limit=SMALL, told=False) as here:
        await here.work(SMALL + 100)
        requests = here.simulator.journal.requests
        first = next(one.number for one in requests if one.status == 429)
        flying = [one for one in requests[first:] if one.at == requests[first - 1].at]
        assert len(flying) < 32
        assert all(one.at >= requests[first - 1].at + WINDOW for one in requests[first + len(flying) :])
        assert set(here.effects().values()) == {1}


@pytest.mark.slow
async def test_what_others_use_of_the_limit_is_left_to_them(tmp_path: Path) -> None:
    """A budget as large as the vendor's limit, and people who draw on it too: its `Ratelimit` headers are obeyed."""
    async with world(tmp_path, SMALL, budget=SMALL, batch=1, limit=SMALL) as here:
        for _ in range(OTHERS):
            assert here.simulator.limit.admit(here.clock.now())
        await here.work(SMALL)
        assert set(here.statuses()) == {200}
        early = [one for one in here.simulator.journal.requests if one.at < here.began + WINDOW]
        assert len(early) < SMALL - OTHERS
        assert here.clock.now() - here.began >= WINDOW


@pytest.mark.slow
async def test_a_run_ends_though_every_write_is_answered_with_429(tmp_path: Path) -> None:
    """One block is waited out, not one after another for ever; what is left waits for the next run."""
    refusal = Fault(on="move", kind="429", seconds=20.0)
    async with world(tmp_path, 3, budget=600, batch=1, told=False, faults=(refusal,)) as here:
        for poller in here.parts.pollers:
            await poller.try_poll()
        began = here.clock.monotonic()
        await work_off(here.parts)
        timing = here.parts.timing
        patience = timing.read_back_delay + timing.drain_timeout
        assert here.clock.monotonic() - began < patience + 2 * LONGEST_BLOCK
        assert (await here.parts.ledger.left(here.parts.ceilings.mode)).ready == 3
