"""The machine's clock is set, and nothing is lost or repeated for it: what is stored is dated anew, then time follows."""

from __future__ import annotations

from worker.clock import SteadyClock
from worker.errors import StoreError
from worker.model.ledger import TimeMark
from worker.ops.logs import get_logger
from worker.ports import Ledger

log = get_logger()

TOLERANCE = 1.0
"""Seconds that a clock may be off without a word: nothing that is stored hangs on less."""


class Timekeeper:
    """Notices that the machine's clock has been set, in this process or since the last one."""

    def __init__(self, clock: SteadyClock, ledger: Ledger) -> None:
        self._clock = clock
        self._ledger = ledger

    async def begin(self) -> None:
        """At start, before anything that is stored is compared with the time."""
        mark = await self._ledger.time_mark()
        step = 0.0
        if mark is not None and mark.boot and mark.boot == self._clock.boot:
            step = self._clock.offset - mark.offset
        elif mark is not None:
            # The machine has been started since: only that time went back is certain.
            step = min(0.0, self._clock.now() - mark.seen)
        await self._follow(step if abs(step) >= TOLERANCE else 0.0)

    async def look(self) -> None:
        """Follows the machine's clock. StoreError where that cannot be written down: then time goes on as before."""
        step = self._clock.stepped()
        if abs(step) < TOLERANCE:
            return
        # Before the first `await`: whatever is asked of the ledger from here on goes by the new time.
        self._clock.adopt(step)
        try:
            await self._follow(step)
        except StoreError:
            self._clock.adopt(-step)
            raise

    async def _follow(self, step: float) -> None:
        now = self._clock.now()
        await self._ledger.follow_clock(step, TimeMark(self._clock.boot, self._clock.offset, now))
        if step:
            log.warning("clock.stepped", seconds=round(step, 3))
