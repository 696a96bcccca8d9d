"""The hand of the clock, on the loop's own time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.simulation.loop import VirtualLoop
from tests.simulation.process import Process
from worker.pollers.poller import Poller


class Ticks:
    """Ticks every poller at its interval."""

    def __init__(
        self, loop: VirtualLoop, process: Process, pollers: Sequence[Poller], interval: float
    ) -> None:
        self._loop = loop
        self._process = process
        self._pollers = pollers
        self._interval = interval
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The first tick comes after one interval."""
        self._next = self._loop.call_later(self._interval, self._tick)

    def stop(self) -> None:
        """No further tick."""
        if self._next is not None:
            self._next.cancel()

    def _tick(self) -> None:
        if self._process.dead:
            return
        for poller in self._pollers:
            poller.tick()
        self.start()
