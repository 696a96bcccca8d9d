from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any

import pytest
from apscheduler.schedulers import base

from worker.ops.metrics import Metrics
from worker.pollers import scheduler
from worker.pollers.scheduler import Scheduler

INTERVAL = 0.05


class Wall(datetime):
    """The machine's clock, which somebody sets; the timers of the loop go on."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        return datetime.now(tz) + cls.ahead


class Source:
    """A poller that only counts its ticks."""

    def __init__(self, name: str) -> None:
        self.source = SimpleNamespace(name=name)
        self.ticks = 0
        self.ticked = asyncio.Event()

    def tick(self) -> None:
        """Called by the scheduler."""
        # In the event loop: set from another thread, a tick may wake nobody, for good.
        assert asyncio.get_running_loop() is not None
        self.ticks += 1
        self.ticked.set()

    async def times(self, count: int) -> None:
        """Returns after so many more ticks."""
        wanted = self.ticks + count
        while self.ticks < wanted:
            self.ticked.clear()
            await self.ticked.wait()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[Wall]:
    """What the scheduler takes for the time."""
    monkeypatch.setattr(Wall, "ahead", timedelta())
    monkeypatch.setattr(base, "datetime", Wall)
    monkeypatch.setattr(scheduler, "datetime", Wall)
    return Wall


@asynccontextmanager
async def ticking(*sources: Source, metrics: Metrics | None = None) -> AsyncIterator[None]:
    """While it runs, each source is ticked every INTERVAL."""
    running = Scheduler(sources, INTERVAL, metrics or Metrics())  # type: ignore[arg-type]
    running.start()
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        running.stop()


async def test_every_source_has_its_ticks() -> None:
    """One interval after the start, and then again and again."""
    one, other = Source("one"), Source("other")
    began = asyncio.get_running_loop().time()
    async with ticking(one, other):
        await asyncio.gather(one.times(4), other.times(4))
    assert asyncio.get_running_loop().time() - began >= 4 * INTERVAL


@pytest.mark.parametrize("step", [timedelta(hours=-2), timedelta(days=-9000), timedelta(days=9000)])
async def test_a_clock_that_is_set_holds_no_tick_up(wall: type[Wall], step: timedelta) -> None:
    """Neither until the old time comes again, nor for making up for all that years of ticks."""
    one, other = Source("one"), Source("other")
    async with ticking(one, other):
        await asyncio.gather(one.times(1), other.times(1))
        wall.ahead += step
        began = asyncio.get_running_loop().time()
        await asyncio.gather(one.times(3), other.times(3))
        assert asyncio.get_running_loop().time() - began < 10
        assert one.ticks < 100
        wall.ahead -= step
        await asyncio.gather(one.times(3), other.times(3))


async def test_what_came_too_late_is_counted() -> None:
    """The loop was held up for several intervals: one tick makes up for them, and that they were missed is told."""
    metrics, one = Metrics(), Source("detections")
    async with ticking(one, metrics=metrics):
        await one.times(1)
        await asyncio.sleep(0)
        before = one.ticks
        asyncio.get_running_loop().call_soon(_hold_up)
        await one.times(1)
        assert one.ticks == before + 1
    assert b'worker_ticks_missed_total{source="detections"}' in metrics.render()[0]


def _hold_up() -> None:
    import time  # noqa: PLC0415 - nowhere else may a test block the loop

    time.sleep(5 * INTERVAL)
