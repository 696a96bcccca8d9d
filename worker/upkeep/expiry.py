"""What was allowed for a time ends by itself: entries of the settings whose date has come are taken back."""

from __future__ import annotations

from collections.abc import Callable

from worker.clock import Clock
from worker.errors import StoreError
from worker.model.plans import Ceilings
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Ledger
from worker.upkeep.endless import endlessly

log = get_logger()

LOOK_SECONDS = 5.0
"""How often it is asked what is due; a date has no more than that of delay."""


class Expiry:
    """Plans removals when they fall due. They go out as actions of their own, like any other."""

    def __init__(
        self, ledger: Ledger, clock: Clock, ceilings: Ceilings, metrics: Metrics, wake: Callable[[], None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ceilings = ceilings
        self._metrics = metrics
        self._wake = wake
        self._overdue = 0

    async def run(self) -> None:
        """Works until it is cancelled: what is due waits in the ledger."""
        await endlessly("expiry", self.step, self._clock.sleep, LOOK_SECONDS)

    async def step(self) -> None:
        """Plans what is due now, and tells what has ended."""
        try:
            found = await self._ledger.take_back(self._ceilings)
        except StoreError:
            return  # which the store itself tells
        for action_id in found.planned:
            log.info("entry.due", action_id=action_id)
        for one in found.ended:
            told = {"action_id": one.action_id, "entry_id": one.entry_id, "reason": one.why}
            if one.state == "succeeded":
                log.info("entry.taken_back", **told)
            else:
                log.warning("entry.left", **told)
        if found.overdue and found.overdue != self._overdue:
            log.warning("entry.overdue", count=found.overdue, mode=self._ceilings.mode)
        self._overdue = found.overdue
        self._metrics.overdue(found.overdue)
        if found.planned:
            self._wake()
