"""The machine's clock is set, and nothing is lost or repeated for it: what is stored is dated anew, then time follows."""

from __future__ import annotations

from worker.clock import SteadyClock, VendorTime
from worker.errors import StoreError
from worker.model.ledger import CLOCK_TOLERANCE, TimeMark
from worker.ops.logs import get_logger
from worker.ports import Ledger

log = get_logger()

SKEWED_SECONDS = 60.0
"""How far the vendor's clock may be from ours without a word."""


class Timekeeper:
    """Notices that the machine's clock has been set, in this process or since the last one."""

    def __init__(self, clock: SteadyClock, ledger: Ledger, vendor_time: VendorTime | None = None) -> None:
        self._clock = clock
        self._ledger = ledger
        self._vendor_time = vendor_time or VendorTime(clock)
        self._skewed = False

    async def begin(self) -> None:
        """At start, before anything that is stored is compared with the time."""
        mark = await self._ledger.time_mark()
        await self._follow(mark.step_to(self._here()) if mark is not None else 0.0)

    async def look(self) -> None:
        """Follows the machine's clock. StoreError where that cannot be written down: then time goes on as before."""
        step = self._clock.stepped()
        if abs(step) < CLOCK_TOLERANCE:
            return
        # Before the first `await`: whatever is asked of the ledger from here on goes by the new time.
        self._clock.adopt(step)
        try:
            await self._follow(step)
        except StoreError:
            self._clock.adopt(-step)
            raise

    def compare(self) -> None:
        """Says once that the vendor's clock is another one, and once that it is not any more."""
        ahead = self._vendor_time.ahead
        if not self._skewed and abs(ahead) >= SKEWED_SECONDS:
            self._skewed = True
            log.warning("clock.skewed", seconds=round(-ahead))
        elif self._skewed and abs(ahead) < SKEWED_SECONDS / 2:
            self._skewed = False
            log.info("clock.agrees")

    async def _follow(self, step: float) -> None:
        await self._ledger.follow_clock(step, self._here())
        if step:
            log.warning("clock.stepped", seconds=round(step, 3))

    def _here(self) -> TimeMark:
        return TimeMark(self._clock.boot, self._clock.offset, self._clock.now())
