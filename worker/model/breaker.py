"""A circuit breaker: open after failures in a row, one probe after a pause that grows, closed when one succeeds. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Turn(Enum):
    """What may be tried now."""

    ALL = "all"
    ONE = "one"
    """A single probe; its end must be told, or that it was forgone."""
    NONE = "none"


@dataclass(slots=True)
class Breaker:
    """Counts failures in a row. Times are seconds of a clock that only goes forward, passed in by the caller."""

    threshold: int
    first: float
    """Seconds of the first pause; each further one in a row doubles, up to `longest`."""
    longest: float
    failures: int = 0
    pauses: int = 0
    """In a row; 0 while it is closed."""
    until: float = 0.0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        """Whether nothing but a probe may be tried."""
        return self.pauses > 0

    def turn(self, now: float) -> Turn:
        """What may be tried, without trying it."""
        if not self.is_open:
            return Turn.ALL
        return Turn.NONE if self.probing or now < self.until else Turn.ONE

    def probe(self) -> None:
        """The one try begins."""
        self.probing = True

    def forgo(self) -> None:
        """The try told nothing: another may follow at once."""
        self.probing = False

    def failed(self, now: float, *, at_once: bool = False) -> bool:
        """One more failure; True where that opened it. What was on its way while it is open changes nothing."""
        self.failures += 1
        if self.is_open and not self.probing:
            return False
        opens = not self.is_open and (at_once or self.failures >= self.threshold)
        if opens or self.probing:
            self.until = now + min(self.first * 2 ** min(self.pauses, 30), self.longest)
            self.pauses += 1
        self.probing = False
        return opens

    def succeeded(self) -> bool:
        """It works; True where it was open until now."""
        was_open = self.is_open
        self.failures, self.pauses, self.probing = 0, 0, False
        return was_open

    def reopen(self, until: float, pauses: int, failures: int) -> None:
        """Takes up what was in force before a restart."""
        self.until, self.pauses, self.failures = until, max(1, pauses), failures
