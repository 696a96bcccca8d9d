"""Two clocks: the true time, by which the vendor lives, and the machine's, which somebody may set wrong."""

from __future__ import annotations

from tests.builders import NOW
from tests.simulation.loop import VirtualLoop
from worker.clock import SteadyClock

START = NOW


class Times:
    """True time passes with the loop; the machine's wall clock is `offset` seconds ahead of it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.offset = 0.0
        self.boot = "first"

    def true(self) -> float:
        """The vendor's time, seconds since the epoch."""
        return START + self._loop.elapsed

    def wall(self) -> float:
        """What the machine believes."""
        return self.true() + self.offset

    def clock(self) -> SteadyClock:
        """The clock of one life."""
        return SteadyClock(self.wall, self._loop.time, self.boot)
