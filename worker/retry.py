"""How long to wait before trying again: the only user of tenacity, so that attempts never multiply.

The client sends once. What may be tried again is decided by the caller; this module only says when, and stops.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from worker.errors import BadAnswer, RateLimited, Transient

T = TypeVar("T")

PAGE_TRIES = 5
PAGE_WAIT = 2.0
ACTION_WAIT = 60.0
SOURCE_WAIT = 10.0
FETCH_WAIT = 3600.0
UNUSABLE_WAIT = 3600.0
_FIRST = 0.25
_FETCH_AHEAD = 2
"""Doublings that the first wait has behind it."""


async def read_page(
    fetch: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]],
    failed: Callable[[BaseException], None],
) -> T:
    """Reads one page, at most PAGE_TRIES times and at most PAGE_WAIT seconds apart; then raises the last error.

    Only what may pass by itself is tried again: Transient, BadAnswer, and a 429, whose pause the budget waits out.
    `failed` is told of each failure.
    """

    def note(state: RetryCallState) -> None:
        if state.outcome is not None and (error := state.outcome.exception()) is not None:
            failed(error)

    async def attempt() -> T:
        return await fetch()

    policy = AsyncRetrying(
        stop=stop_after_attempt(PAGE_TRIES),
        wait=wait_random_exponential(multiplier=_FIRST, max=PAGE_WAIT),
        retry=retry_if_exception_type((Transient, RateLimited, BadAnswer)),
        sleep=sleep,
        before_sleep=note,
        reraise=True,
    )
    return await policy(attempt)


def action_delay(attempt: int) -> float:
    """Seconds before an action whose call was not accepted is tried again: random, doubling, at most ACTION_WAIT."""
    return _delay(attempt, ACTION_WAIT)


def source_delay(failures: int, interval: float) -> float:
    """Seconds before a failing source is asked again: doubling, at most the interval or SOURCE_WAIT, the longer."""
    return _delay(failures, max(interval, SOURCE_WAIT))


def fetch_delay(failures: int) -> float:
    """Seconds before something that playbooks wait for is fetched again: random, doubling, at most FETCH_WAIT."""
    return _delay(failures + _FETCH_AHEAD, FETCH_WAIT)


def unusable_delay(first: float, times: int) -> float:
    """Seconds before the vendor is asked again about what it tells of in no usable way: doubling from `first`.

    At most UNUSABLE_WAIT, or `first` where that is longer.
    """
    return min(first * 2.0 ** min(times, 10), max(first, UNUSABLE_WAIT))


class GrowingWaits:
    """What fails again and again is tried after waits that double from `first` to `longest` seconds, each by its name."""

    def __init__(self, first: float, longest: float, monotonic: Callable[[], float]) -> None:
        self._first = first
        self._longest = longest
        self._monotonic = monotonic
        self._failed: dict[str, tuple[int, float]] = {}

    def is_due(self, name: str) -> bool:
        """Whether it may be tried now."""
        return name not in self._failed or self._monotonic() >= self._failed[name][1]

    def note_failure(self, name: str) -> None:
        """It has failed once more."""
        times, _ = self._failed.get(name, (0, 0.0))
        wait = min(unusable_delay(self._first, times), self._longest)
        self._failed[name] = times + 1, self._monotonic() + wait

    def forget(self, name: str) -> None:
        """It works again, or nobody tries it any more."""
        self._failed.pop(name, None)


def _delay(attempt: int, longest: float) -> float:
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = max(1, attempt)
    return max(_FIRST, float(wait_random_exponential(multiplier=2 * _FIRST, max=longest)(state)))
