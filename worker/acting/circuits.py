"""One circuit breaker for each kind of action: calls that fail again and again stop being made, and are tried anew."""

from __future__ import annotations

from collections.abc import Mapping

from worker.breakers import Breakers, Told
from worker.clock import Clock
from worker.errors import AnswerLost, Refused, VendorError
from worker.model.breaker import Turn
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics

log = get_logger()

IN_A_ROW = 5
"""Calls refused, or left without a usable answer, after which a kind's breaker opens."""
FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0


class Circuits:
    """The breakers by kind. What is refused for its rate or its token, or never connected, is not their business."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._breakers = Breakers(clock, IN_A_ROW, FIRST_PAUSE, LONGEST_PAUSE)

    def turn(self, kind: str) -> Turn:
        """What may be sent of this kind: everything, one probe, nothing."""
        return self._breakers.turn(kind)

    def probe(self, kind: str) -> None:
        """A single call of one message goes out."""
        self._breakers.probe(kind)

    def forgo(self, kind: str) -> None:
        """The probe found nothing to send, or what came of it says nothing of the kind."""
        self._breakers.forgo(kind)

    def wait(self, kind: str) -> float:
        """Seconds until something of this kind may be sent."""
        return self._breakers.wait(kind)

    def note_error(self, kind: str, error: VendorError, messages: int = 1) -> None:
        """A call failed; only what the vendor refuses for good, or does not answer, counts.

        A refused bulk call does not: one bad row may be at fault, and its halves will tell.
        """
        splits = isinstance(error, Refused) and messages > 1
        if splits or not isinstance(error, Refused | AnswerLost):
            self.forgo(kind)
            return
        opened = self._breakers.failed(kind, f"{type(error).__name__}: {error}")
        if opened is not None:
            log.error("breaker.opened", kind=kind, count=opened["failures"], seconds=FIRST_PAUSE, error=error)
            self._metrics.breaker(kind, on=True)

    def note_success(self, kind: str) -> None:
        """A call was taken."""
        if (told := self._breakers.succeeded(kind)) is not None:
            log.info("breaker.closed", kind=kind, seconds=round(self._clock.now() - told["since"], 3))
            self._metrics.breaker(kind, on=False)

    def snapshot(self) -> dict[str, Told]:
        """The open ones, for `worker status` and the next start."""
        return self._breakers.snapshot()

    def restore(self, stored: Mapping[str, Told], *, at_once: bool = False) -> None:
        """Those that were open when the worker stopped; `at_once`: each may be tried now."""
        for kind, told in stored.items():
            self._breakers.restore(kind, told, at_once=at_once)
            self._metrics.breaker(kind, on=True)
