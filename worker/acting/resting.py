"""Which kinds of read-back rest, because the vendor lets nobody ask: each rest is twice as long as the one before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.clock import Clock
from worker.errors import RateLimited, Transient, Unauthorized, Unreachable
from worker.model.calls import Item

FIRST_REST, LONGEST_REST = 10.0, 300.0
EVERY = ""
"""Without a connection no kind can be asked about."""


@dataclass(frozen=True, slots=True)
class _Rest:
    failures: int
    until: float
    token: str = field(repr=False)


class Rests:
    """Remembers by kind: a token may be good for the settings and not for the mail."""

    def __init__(self, clock: Clock, token: Callable[[], str]) -> None:
        self._clock = clock
        self._token = token
        self._rests: dict[str, _Rest] = {}

    def note(self, kind: str, error: Exception) -> None:
        """The vendor could not be asked; those asked together count once.

        After a 429 the budget waits already, and a time-out may be about the one message that was asked about.
        """
        if not isinstance(error, Unauthorized | Unreachable):
            return
        where = kind if isinstance(error, Unauthorized) else EVERY
        if self._rests_now(where):
            return
        failures = self._rests[where].failures + 1 if where in self._rests else 1
        seconds = min(FIRST_REST * 2.0 ** min(failures - 1, 10), LONGEST_REST)
        self._rests[where] = _Rest(failures, self._clock.monotonic() + seconds, self._token())

    def note_answer(self, kind: str) -> None:
        """The vendor lets us ask about this kind."""
        self._rests.pop(kind, None)
        self._rests.pop(EVERY, None)

    def resting(self) -> set[str]:
        """Kinds that are not asked about now, or `EVERY`. Another token is tried at once."""
        return {kind for kind in self._rests if self._rests_now(kind)}

    def allowed(self, items: Sequence[Item]) -> list[Item]:
        """Those that may be asked about now; after a rest one of its kind goes first, alone."""
        resting, tried = self.resting(), set[str]()
        chosen: list[Item] = []
        for item in () if EVERY in resting else items:
            on_trial = {item.kind, EVERY} & self._rests.keys()
            if item.kind in resting or on_trial & tried:
                continue
            tried |= on_trial
            chosen.append(item)
        return chosen

    def _rests_now(self, kind: str) -> bool:
        rest = self._rests.get(kind)
        if rest is None:
            return False
        return self._clock.monotonic() < rest.until and rest.token == self._token()


def silent(error: Exception) -> bool:
    """Whether the vendor could not be asked at all: that says nothing of any one action."""
    if isinstance(error, RateLimited | Unauthorized):
        return True
    return isinstance(error, Transient) and error.status is None
