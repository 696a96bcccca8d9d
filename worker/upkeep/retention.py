"""Old rows go, beside the work and out of its way: one small batch, a pause, the next."""

from __future__ import annotations

from collections import Counter

from worker.clock import Clock, VendorTime
from worker.errors import StoreError
from worker.model.ledger import Keep
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Ledger

log = get_logger()

BATCH = 2000
"""Rows looked at in one transaction: a few milliseconds."""
PAUSE_SECONDS = 0.25
LOOK_SECONDS = 60.0
"""How often it is asked whether a pass is due."""
SILENT_SECONDS = 86400.0
"""After how long without the vendor's time it is said that nothing is removed."""


class Retention:
    """Walks through the ledger's tables every few hours and removes what is older than the operator wants.

    Nothing is removed on the word of our clock alone, which may have been set far ahead: what looks old then is gone
    for good. It must be old by the vendor's clock too.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, vendor_time: VendorTime, metrics: Metrics, keep: Keep
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._vendor_time = vendor_time
        self._metrics = metrics
        self._keep = keep
        self._removed: Counter[str] = Counter()
        self._began = clock.monotonic()
        self._said = False

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.turn(PAUSE_SECONDS)

    async def turn(self, pause: float, patience: float | None = None) -> None:
        """A whole pass where one is due, or as much of it as so many seconds allow."""
        began = self._clock.monotonic()
        try:
            while not await self._step():
                if patience is not None and self._clock.monotonic() - began >= patience:
                    break
                await self._clock.sleep(pause)
        except StoreError:
            return  # which the store itself tells; the pass goes on where it was
        if self._removed:
            log.info("retention.pruned", **self._removed)
            self._removed.clear()

    async def _step(self) -> bool:
        if not self._vendor_time.told:
            self._note_silence()
            return True
        now = self._vendor_time.earliest(self._clock.now())
        pruned = await self._ledger.prune(self._keep, BATCH, now)
        if pruned.removed:
            self._removed[pruned.table] += pruned.removed
            self._metrics.pruned(pruned.table, pruned.removed)
        return pruned.done

    def _note_silence(self) -> None:
        """Says once that the ledger only grows: whoever stands between us and the vendor may take his dates away."""
        if not self._said and self._clock.monotonic() - self._began >= SILENT_SECONDS:
            self._said = True
            log.warning("retention.waiting")
