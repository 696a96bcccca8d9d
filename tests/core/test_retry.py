from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ManualClock
from worker.errors import BadAnswer, RateLimited, Refused, Transient, Unauthorized
from worker.ids import new_id
from worker.retry import (
    ACTION_WAIT,
    PAGE_TRIES,
    PAGE_WAIT,
    SOURCE_WAIT,
    action_delay,
    read_page,
    source_delay,
)


class Page:
    """A page that fails as often as the test says."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.told: list[BaseException] = []
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "page"

    async def read(self, clock: ManualClock) -> str:
        return await read_page(self, clock.sleep, self.told.append)


async def test_a_page_that_comes_is_asked_for_once(clock: ManualClock) -> None:
    """No wait, nothing told."""
    page = Page()
    assert await page.read(clock) == "page"
    assert (page.tries, page.told, clock.slept) == (1, [], [])


@pytest.mark.parametrize(
    "error", [Transient("down"), BadAnswer("not JSON"), RateLimited("slow", retry_after=1.0)]
)
async def test_what_may_pass_is_tried_again(clock: ManualClock, error: Exception) -> None:
    """And each failure is told."""
    page = Page(error, error)
    assert await page.read(clock) == "page"
    assert (page.tries, page.told) == (3, [error, error])


@pytest.mark.parametrize("error", [Refused("bad"), Unauthorized("who"), ZeroDivisionError()])
async def test_what_will_not_pass_is_raised_at_once(clock: ManualClock, error: Exception) -> None:
    """The same request would be refused again."""
    page = Page(error)
    with pytest.raises(type(error)):
        await page.read(clock)
    assert (page.tries, clock.slept) == (1, [])


async def test_after_five_tries_the_last_error_is_raised(clock: ManualClock) -> None:
    """With at most two seconds between them."""
    errors = [Transient(str(n)) for n in range(9)]
    page = Page(*errors)
    with pytest.raises(Transient, match=str(PAGE_TRIES - 1)):
        await page.read(clock)
    assert page.tries == PAGE_TRIES
    assert len(clock.slept) == PAGE_TRIES - 1
    assert max(clock.slept) <= PAGE_WAIT


@given(st.integers(-1, 10_000))
def test_an_action_waits_never_long_and_never_not_at_all(attempt: int) -> None:
    """Random, growing, bounded, whatever the number of attempts."""
    assert 0 < action_delay(attempt) <= ACTION_WAIT


@given(st.integers(0, 10_000), st.floats(0.01, 3600))
def test_a_source_waits_at_most_its_interval_or_ten_seconds(failures: int, interval: float) -> None:
    """The longer of the two."""
    assert 0 < source_delay(failures, interval) <= max(interval, SOURCE_WAIT)


def test_the_first_waits_are_short() -> None:
    """Most failures pass at once."""
    assert max(action_delay(1) for _ in range(100)) <= 0.5


@given(st.floats(1e9, 4e9), st.floats(0.001, 1e6), st.integers(0, 2**35 - 1), st.integers(0, 2**35 - 1))
def test_ids_sort_by_time(now: float, later: float, one: int, other: int) -> None:
    """Sixteen characters that can be read over the telephone."""
    first = new_id(lambda: now, lambda _: one)
    second = new_id(lambda: now + later + 0.001, lambda _: other)
    assert len(first) == 16
    assert first < second
    assert set(first) <= set("0123456789abcdefghjkmnpqrstvwxyz")
