"""Circuit breakers by name, with what people are told of the open ones, over restarts too."""

from __future__ import annotations

from typing import Any

from worker.clock import Clock
from worker.model.breaker import Breaker, Turn

_TEXT = 200
Told = dict[str, Any]
"""Of an open breaker: since, next_try (seconds since the epoch), failures and pauses in a row, the last error."""


class Breakers:
    """One for each name that has failed since it last worked."""

    def __init__(self, clock: Clock, in_a_row: int, first: float, longest: float) -> None:
        self._clock = clock
        self._terms = (in_a_row, first, longest)
        self._watched: dict[str, Breaker] = {}
        self._told: dict[str, Told] = {}

    def __bool__(self) -> bool:
        """Whether anything has failed since it last worked; where not, there is nothing to ask."""
        return bool(self._watched)

    def __contains__(self, name: str) -> bool:
        """Whether it is open."""
        return name in self._told

    def turn(self, name: str) -> Turn:
        """What may be tried: all, one probe, nothing."""
        breaker = self._watched.get(name)
        return breaker.turn(self._clock.monotonic()) if breaker else Turn.ALL

    def wait(self, name: str) -> float:
        """Seconds until something may be tried."""
        breaker = self._watched.get(name)
        open_until = breaker.until if breaker and breaker.is_open else 0.0
        return max(0.0, open_until - self._clock.monotonic())

    def probe(self, name: str) -> None:
        """The one try begins."""
        self._watched[name].probe()

    def forgo(self, name: str) -> None:
        """It told nothing, or was not made."""
        if name in self._watched:
            self._watched[name].forgo()

    def failed(self, name: str, why: str, *, at_once: bool = False, **about: Any) -> Told | None:
        """One more failure, which may open it by itself; what there is to tell where it did."""
        breaker = self._watched.setdefault(name, Breaker(*self._terms))
        opened = breaker.failed(self._clock.monotonic(), at_once=at_once)
        if not breaker.is_open:
            return None
        told = self._told.setdefault(name, {"since": self._clock.now(), **about})
        told |= {
            "failures": breaker.failures,
            "pauses": breaker.pauses,
            "next_try": self._clock.now() + breaker.until - self._clock.monotonic(),
            "error": why[:_TEXT],
        }
        return told if opened else None

    def succeeded(self, name: str) -> Told | None:
        """It works; what was told of it where it was open until now."""
        self._watched.pop(name, None)
        return self._told.pop(name, None)

    def snapshot(self) -> dict[str, Told]:
        """The open ones, to be kept over a restart."""
        return {name: dict(told) for name, told in self._told.items()}

    def restore(self, name: str, told: Told, *, at_once: bool = False) -> None:
        """It was open when the worker stopped: a restart is no reason to try again and again.

        `at_once`: somebody has started the worker to have it tried now.
        """
        _, _, longest = self._terms
        wait = min(max(told["next_try"] - self._clock.now(), 0.0), longest)
        breaker = self._watched[name] = Breaker(*self._terms)
        breaker.reopen(self._clock.monotonic() + (0.0 if at_once else wait), told["pauses"], told["failures"])
        self._told[name] = dict(told)
