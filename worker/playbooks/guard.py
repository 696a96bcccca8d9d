"""What keeps author code within bounds, as the pure part knows it; the process's guard is `worker.watchdog`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

DEADLINE = 1.0
"""Seconds of computing that one decision, or the import of one file, may take. Usual ones take microseconds."""
PACKAGE = "worker_rules_"
"""How the `__package__` of author code starts: by that a guard tells it from ours."""


class Overran(BaseException):
    """Raised inside author code that computes for longer than DEADLINE. No Exception: hardly anybody catches it."""


class NotRunAgainError(Exception):
    """Raised where author code would run that has ended a process, because nothing could stop it."""


class Guard(Protocol):
    """Stops author code that goes on for too long. A `hand` names what is run, the same at every start."""

    def watching(self) -> AbstractContextManager[None]:
        """Author code that runs meanwhile is held to its bounds."""
        ...

    def holding(self, hand: str) -> AbstractContextManager[None]:
        """Remembers what is run meanwhile, should it end this process.

        Raises:
            NotRunAgainError: it has ended one before.
        """
        ...


class NoGuard:
    """Stops nothing and remembers nothing."""

    def watching(self) -> AbstractContextManager[None]:
        return nullcontext()

    def holding(self, hand: str) -> AbstractContextManager[None]:
        del hand
        return nullcontext()


NO_GUARD = NoGuard()
