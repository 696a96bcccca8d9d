"""Lists that go in a circle: whether what was read before is taken for all that there is."""

from __future__ import annotations

from collections import Counter

from worker.clock import Clock
from worker.errors import BadAnswer
from worker.ops.logs import get_logger
from worker.pollers.windows import SWEEP_EVERY, SWEEP_REACH

log = get_logger()

LOOPS_BELIEVED = 5
"""Times that a list has to end in a loop before it is taken for all that there is."""


class Loops:
    """The loops of one list, or of one part of each window. `sweep`: how many seconds its hourly sweep reaches back."""

    def __init__(self, source: str, clock: Clock, sweep: float = SWEEP_REACH) -> None:
        self._source = source
        self._clock = clock
        self._sweep = sweep
        self._met: Counter[float] = Counter()
        """How often a window that reaches far back ended in one, by its start."""

    def meet(self, window: float, start: float | None = None) -> None:
        """What a page or cursor that came again left unread is in the next sweep; a window that reaches further is not.

        Args:
            window: where it begins: as long as it fails, it is asked for from there.
            start: where the part of it begins that went in a circle; its end moves on with the time.

        Raises:
            BadAnswer: no sweep would read the rest of the window: it has to be read anew.
        """
        log.warning("poll.cursor_loop", source=self._source)
        if (window if start is None else start) < self._clock.now() - self._sweep - SWEEP_EVERY:
            self._met[window] += 1
            if self._met[window] < LOOPS_BELIEVED:
                raise BadAnswer("the list went in a circle, and no sweep would read the rest of the window")

    def over(self, window: float) -> None:
        """What began there has been read to its end, or to a loop that was believed."""
        self._met.pop(window, None)
