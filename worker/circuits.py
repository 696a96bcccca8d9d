"""One circuit breaker for each kind of action: calls that fail again and again stop being made, and are tried anew."""

from __future__ import annotations

from typing import Any

from worker.clock import Clock
from worker.errors import AnswerLost, Refused, VendorError
from worker.model.breaker import Breaker, Turn
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics

log = get_logger()

IN_A_ROW = 5
"""Calls refused, or left without a usable answer, after which a kind's breaker opens."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0
_TEXT = 200


class Circuits:
    """The breakers by kind. What is refused for its rate or its token, or never connected, is not their business."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._breakers: dict[str, Breaker] = {}
        self._told: dict[str, dict[str, Any]] = {}

    def turn(self, kind: str) -> Turn:
        """What may be sent of this kind: everything, one probe, nothing."""
        breaker = self._breakers.get(kind)
        return breaker.turn(self._clock.monotonic()) if breaker else Turn.ALL

    def probe(self, kind: str) -> None:
        """A single call of one message goes out."""
        self._breakers[kind].probe()

    def forgo(self, kind: str) -> None:
        """The probe found nothing to send, or what came of it says nothing of the kind."""
        if kind in self._breakers:
            self._breakers[kind].forgo()

    def open(self) -> bool:
        """Whether some kind waits."""
        return bool(self._told)

    def note_error(self, kind: str, error: VendorError) -> None:
        """A call failed; only what the vendor refuses for good, or does not answer, counts."""
        if not isinstance(error, Refused | AnswerLost):
            self.forgo(kind)
            return
        breaker = self._breaker(kind)
        if breaker.failed(self._clock.monotonic()):
            log.error("breaker.opened", kind=kind, count=breaker.failures, seconds=FIRST_PAUSE, error=error)
            self._told[kind] = {"since": self._clock.now()}
        if breaker.is_open:
            self._tell(kind, breaker, f"{type(error).__name__}: {error}"[:_TEXT])

    def note_success(self, kind: str) -> None:
        """A call was taken."""
        breaker = self._breakers.get(kind)
        if breaker is not None and breaker.succeeded():
            since = self._told.pop(kind, {}).get("since", self._clock.now())
            log.info("breaker.closed", kind=kind, seconds=round(self._clock.now() - since, 3))
            self._metrics.breaker(kind, on=False)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """The open ones, for `worker status` and the next start: times are seconds since the epoch."""
        return {kind: dict(told) for kind, told in self._told.items()}

    def restore(self, stored: dict[str, dict[str, Any]]) -> None:
        """Those that were open when the worker stopped: a restart is no reason to hammer."""
        for kind, told in stored.items():
            wait = min(max(told["next_try"] - self._clock.now(), 0.0), LONGEST_PAUSE)
            breaker = self._breaker(kind)
            breaker.reopen(self._clock.monotonic() + wait, told["pauses"], told["failures"])
            self._told[kind] = dict(told)
            self._metrics.breaker(kind, on=True)

    def _breaker(self, kind: str) -> Breaker:
        return self._breakers.setdefault(kind, Breaker(IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE))

    def _tell(self, kind: str, breaker: Breaker, why: str) -> None:
        self._metrics.breaker(kind, on=True)
        next_try = self._clock.now() + breaker.until - self._clock.monotonic()
        self._told[kind] |= {
            "failures": breaker.failures,
            "pauses": breaker.pauses,
            "next_try": next_try,
            "error": why,
        }
