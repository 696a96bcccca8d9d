"""Whether the ledger can be written: one line when it cannot, one when it can again, and the reason in between."""

from __future__ import annotations

from worker.clock import Clock
from worker.errors import Damaged, StoreError
from worker.ops.logs import get_logger

log = get_logger()

QUIET_SECONDS = 3.0
"""How long nothing may have failed before it counts as recovered: a nearly full disk takes some writes and not others."""


class Storage:
    """Told by the store what the database refuses, and by whoever writes to it what works."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed_at = 0.0
        self.reason: str | None = None
        """Why the database cannot be used; None while it can."""

    def failed(self, error: StoreError) -> None:
        """A transaction was refused for the database's condition."""
        if self.reason is None:
            log.error("store.damaged" if isinstance(error, Damaged) else "store.unavailable", error=error)
        elif isinstance(error, Damaged) and str(error) != self.reason:
            log.error("store.damaged", error=error)
        self.reason = str(error)
        self._failed_at = self._clock.monotonic()

    def wrote(self) -> None:
        """A transaction that wrote something was committed."""
        if self.reason is not None and self._clock.monotonic() - self._failed_at >= QUIET_SECONDS:
            self.reason = None
            log.info("store.recovered")
