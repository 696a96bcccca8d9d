"""APScheduler as a clock and nothing else: its jobs set a tick, the pollers do the work in their own tasks."""

from __future__ import annotations

from collections.abc import Sequence

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

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
        self._scheduler = AsyncIOScheduler(
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._scheduler.add_listener(self._missed, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        for poller in pollers:
            trigger = IntervalTrigger(seconds=interval, jitter=min(interval * JITTER_SHARE, LONGEST_JITTER))
            self._scheduler.add_job(poller.tick, trigger, id=poller.source.name)

    def start(self) -> None:
        """Starts ticking in the running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """No further tick."""
        self._scheduler.shutdown(wait=False)

    def _missed(self, event: JobEvent) -> None:
        self._metrics.tick_missed(event.job_id)
        log.warning("tick.missed", source=event.job_id)
