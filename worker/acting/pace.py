"""How much may be asked of somebody who is not the vendor: anything, but for a while after a 429."""

from __future__ import annotations

from worker.clock import Clock
from worker.ops.metrics import Metrics
from worker.ports import Lane, Observation

TOO_MANY = 429
BLOCK_SECONDS = 10.0
"""After a 429 that names no time."""


class Pace:
    """Implements `ports.Budget` without one."""

    def __init__(self, clock: Clock, metrics: Metrics | None = None) -> None:
        self._clock = clock
        self._metrics = metrics
        self._until = 0.0

    async def admit(self, lane: Lane) -> None:
        """Nothing is counted."""

    def observe(self, seen: Observation) -> None:
        if self._metrics is not None:
            self._metrics.request(seen.endpoint, seen.status, seen.seconds)
        if seen.status == TOO_MANY:
            self._until = self._clock.monotonic() + (seen.retry_after or BLOCK_SECONDS)

    def blocked_for(self) -> float:
        return max(0.0, self._until - self._clock.monotonic())

    def refused_for(self) -> float:
        return self.blocked_for()

    def exhausted(self, wait: float) -> None:
        """Never: nothing is counted."""

    def pressure(self) -> float:
        return 0.0
