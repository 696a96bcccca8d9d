"""A law of the simulation: it holds, or the history ends with what was broken and the facts."""

from __future__ import annotations


class BrokenLawError(AssertionError):
    """A promise was broken; the message names which, and the facts."""


def law(holds: object, promise: str, *facts: object) -> None:
    """Raises where it does not hold."""
    if not holds:
        raise BrokenLawError(f"{promise}: {', '.join(map(str, facts))}")
