"""APScheduler as a clock and nothing else: its jobs set a tick, the pollers do the work in their own tasks.

APScheduler goes by the machine's wall clock, which may be set at any time; only its timers go by one that nobody sets.
So a tick is due one interval after the last one, however much time the wall clock says has passed, and one that lies
further away than that has been left there by a clock that was set back: it is due now.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.pollers.poller import Poller

log = get_logger()

JITTER_SHARE = 0.02
LONGEST_JITTER = 5.0


class Scheduler:
    """Ticks every poller at its interval, with a little jitter so that sources and replicas do not march in step."""

    def __init__(self, pollers: Sequence[Poller], interval: float, metrics: Metrics) -> None:
        self._metrics = metrics
        trigger = _Every(interval, min(interval * JITTER_SHARE, LONGEST_JITTER))
        self._scheduler = _Timer(trigger.longest, self._missed)
        self._scheduler.add_listener(self._overlapped, EVENT_JOB_MAX_INSTANCES)
        for poller in pollers:
            self._scheduler.add_job(_ticking(poller), trigger, id=poller.source.name)

    def start(self) -> None:
        """Starts ticking in the running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """No further tick."""
        self._scheduler.shutdown(wait=False)

    def _overlapped(self, event: JobEvent) -> None:
        self._missed(event.job_id)

    def _missed(self, source: str) -> None:
        self._metrics.tick_missed(source)
        log.warning("tick.missed", source=source)


def _ticking(poller: Poller) -> Callable[[], Coroutine[Any, Any, None]]:
    async def tick() -> None:
        # A coroutine runs in the event loop; a plain function would set the tick from another thread.
        poller.tick()

    return tick


class _Every(BaseTrigger):  # type: ignore[misc]
    """One interval after now, not after the last tick: a clock set ahead has no years of ticks to make up for."""

    def __init__(self, interval: float, jitter: float) -> None:
        self._interval = interval
        self._jitter = jitter

    @property
    def longest(self) -> timedelta:
        """No tick lies further away."""
        return timedelta(seconds=self._interval + self._jitter)

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + timedelta(seconds=self._interval + random.uniform(0, self._jitter))


class _Timer(AsyncIOScheduler):  # type: ignore[misc]
    """Wakes when a tick is due by the clock that nobody sets, and then looks what the wall clock says of it."""

    def __init__(self, longest: timedelta, missed: Callable[[str], None]) -> None:
        # In local time, an hour is skipped or repeated twice a year.
        super().__init__(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._longest = longest
        self._missed = missed

    def wakeup(self) -> None:
        now = datetime.now(UTC)
        for job in self.get_jobs():
            ahead = job.next_run_time - now
            if ahead > self._longest:
                job.modify(next_run_time=now)
            elif -ahead > self._longest:
                # One tick makes up for all that were due meanwhile.
                self._missed(job.id)
        super().wakeup()
