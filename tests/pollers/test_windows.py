from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from worker.model.ledger import Cursor
from worker.model.plans import Poll
from worker.pollers.windows import (
    FIRST,
    REGULAR,
    SLICED_FROM,
    SLICES,
    SWEEP,
    SWEEP_EVERY,
    SWEEP_REACH,
    Reach,
    advance,
    begin,
    next_poll,
    resumed,
    slices,
)

REACH = Reach(lookback=86400.0, overlap=900.0)
HOUR, DAY = 3600.0, 86400.0
LONG_AGO = NOW - 30 * DAY


def cursor(watermark: float = NOW - 30, floor: float = LONG_AGO, swept_at: float = NOW - 60) -> Cursor:
    """A source that is read up to half a minute ago."""
    return Cursor(watermark, floor, swept_at)


def window(known: Cursor, now: float = NOW, reach: Reach = REACH) -> Poll:
    """The next window."""
    return next_poll("detections", known, now, reach)


def test_the_first_poll_reaches_back_as_far_as_the_operator_says() -> None:
    """And sets the floor below which no window ever goes."""
    poll = window(begin(NOW, REACH))
    assert (poll.kind, poll.start, poll.end) == (FIRST, NOW - DAY, NOW)
    assert advance(begin(NOW, REACH), poll) == Cursor(watermark=NOW, floor=NOW - DAY, swept_at=NOW)


def test_a_source_that_could_not_be_read_at_first_begins_where_it_was_to_begin() -> None:
    """However long it failed, the worker stopped meanwhile or not."""
    unread = begin(NOW, REACH)
    poll = window(unread, now=NOW + 3 * DAY)
    assert (poll.kind, poll.start, poll.end) == (FIRST, NOW - DAY, NOW + 3 * DAY)


def test_a_window_reaches_over_the_overlap_into_the_last_one() -> None:
    """Rows appear late: what the last window may have missed is read again."""
    poll = window(cursor(watermark=NOW - 30))
    assert (poll.kind, poll.start, poll.end) == (REGULAR, NOW - 930, NOW)


def test_after_a_long_stop_nothing_is_left_out() -> None:
    """The window begins at the watermark, however old."""
    poll = window(cursor(watermark=NOW - 3 * DAY, swept_at=NOW - 60))
    assert poll.start == NOW - 3 * DAY - 900


def test_no_window_goes_below_the_floor() -> None:
    """The operator limited the reach at the first start; the overlap and the sweep obey."""
    floor = NOW - 500
    assert window(cursor(floor=floor)).start == floor
    assert window(cursor(floor=floor, swept_at=NOW - 2 * HOUR)).start == floor


@pytest.mark.parametrize(
    "since, kind", [(SWEEP_EVERY - 1, REGULAR), (SWEEP_EVERY, SWEEP), (10 * HOUR, SWEEP)]
)
def test_every_hour_a_sweep_covers_a_day(since: float, kind: str) -> None:
    """It finds late rows and changed verdicts."""
    poll = window(cursor(swept_at=NOW - since))
    assert poll.kind == kind
    if kind == SWEEP:
        assert poll.start == cursor().watermark - SWEEP_REACH


def test_the_first_sweep_comes_an_hour_after_the_first_poll() -> None:
    """Which has just covered the same stretch."""
    known = advance(begin(NOW, REACH), window(begin(NOW, REACH)))
    assert window(known, NOW + HOUR - 1).kind == REGULAR
    assert window(known, NOW + HOUR).kind == SWEEP


def test_a_sweep_covers_a_long_stop_too() -> None:
    """Late rows of the time before it came while nobody polled: it reaches a day behind the last poll."""
    poll = window(cursor(watermark=NOW - 3 * DAY, swept_at=NOW - 3 * DAY))
    assert (poll.kind, poll.start) == (SWEEP, NOW - 3 * DAY - SWEEP_REACH)


def test_only_a_sweep_puts_off_the_next_one() -> None:
    """Regular windows leave its date alone, and the floor stays for ever."""
    known = cursor(swept_at=NOW - 10)
    assert advance(known, Poll("p", "detections", REGULAR, NOW - 900, NOW)) == Cursor(NOW, LONG_AGO, NOW - 10)
    assert advance(known, Poll("p", "detections", SWEEP, NOW - DAY, NOW)) == Cursor(NOW, LONG_AGO, NOW)


def test_the_watermark_never_goes_back() -> None:
    """Not by an old poll that was cut off, nor by a clock that was set back."""
    known = cursor(watermark=NOW)
    assert advance(known, Poll("p", "detections", REGULAR, NOW - 1800, NOW - 900)).watermark == NOW


def test_a_clock_set_back_neither_skips_nor_stops_polling() -> None:
    """The windows go on from the new time, and a sweep looks whether anything was missed."""
    known = cursor(watermark=NOW, swept_at=NOW)
    poll = window(known, NOW - 2 * HOUR)
    assert (poll.kind, poll.end) == (SWEEP, NOW - 2 * HOUR)
    assert poll.start == NOW - 2 * HOUR - SWEEP_REACH
    assert window(advance(known, poll), NOW - 2 * HOUR + 30).kind == REGULAR


def test_a_first_poll_under_a_clock_that_ran_ahead_hides_no_later_mail() -> None:
    """Its floor lies in the future: until then nothing would be read, and it never would be."""
    unread = begin(NOW + 10 * DAY, REACH)
    ahead = advance(unread, next_poll("detections", unread, NOW + 10 * DAY, REACH))
    poll = window(ahead)
    assert (poll.start, poll.end) == (NOW - SWEEP_REACH, NOW)


def test_no_poll_lowers_the_floor() -> None:
    """A clock that runs behind for one poll would open the way to mail from before the worker was there, for good."""
    known = begin(NOW, REACH)
    behind = advance(known, window(known, NOW - 365 * DAY))
    assert behind.floor == known.floor
    assert window(behind, NOW + DAY).start >= known.floor


TIMES = st.floats(NOW - 90 * DAY, NOW + 90 * DAY)
CURSORS = st.builds(Cursor, TIMES, TIMES, TIMES)
REACHES = st.builds(Reach, st.floats(1, 40 * DAY), st.floats(1, 2 * DAY))


@given(CURSORS, TIMES, REACHES)
def test_no_window_starts_in_the_future_or_after_its_end(known: Cursor, now: float, reach: Reach) -> None:
    """Whatever the clock did; the vendor refuses both."""
    poll = window(known, now, reach)
    assert poll.start <= poll.end == now


@given(CURSORS, TIMES, REACHES)
def test_a_cursor_never_loses_ground(known: Cursor, now: float, reach: Reach) -> None:
    """After a poll the watermark is where it ended, or further."""
    poll = window(known, now, reach)
    after = advance(known, poll)
    assert after.watermark >= max(poll.end, known.watermark)


@given(st.lists(st.floats(0.1, 2 * HOUR), min_size=2, max_size=30))
def test_windows_overlap_without_a_gap(steps: list[float]) -> None:
    """However irregularly the ticks come, every moment since the floor lies in some window."""
    now, known = NOW, begin(NOW, REACH)
    polls = []
    for step in steps:
        now += step
        polls.append(window(known, now))
        known = advance(known, polls[-1])
    assert all(later.start <= earlier.end for earlier, later in pairwise(polls))
    assert min(poll.start for poll in polls) == polls[0].start


@given(TIMES, st.floats(0, 40 * DAY), st.floats(-2 * DAY, 41 * DAY))
def test_slices_cover_the_window_without_a_gap(start: float, length: float, theirs: float) -> None:
    """Neighbours overlap, nothing reaches beyond the window, and a long one is read in parallel."""
    end = start + length
    parts = slices(start, end, start + theirs)
    assert (parts[0][0], parts[-1][1]) == (start, end)
    assert all(one[1] > other[0] for one, other in pairwise(parts))
    assert all(start <= one <= other <= end for one, other in parts)
    assert len(parts) == (1 if min(length, theirs) < SLICED_FROM else SLICES)
    assert all(one <= start + theirs for one, _ in parts[1:])


@given(
    st.floats(0, 3 * DAY),
    st.floats(0, 30 * DAY),
    st.floats(0, 2 * HOUR),
    st.floats(0, DAY),
    st.sampled_from([REACH, Reach(lookback=600.0, overlap=60.0)]),
)
def test_no_request_begins_in_the_vendors_future_or_behind_the_floor(
    read: float, began: float, swept: float, behind: float, reach: Reach
) -> None:
    """Wherever the watermark stands and however long ago the source was begun; also where the poll was cut off before."""
    known = cursor(max(NOW - read, NOW - began), NOW - began, NOW - swept)
    theirs = max(NOW - behind, known.floor)
    following = next_poll("detections", known, NOW, reach, behind=behind)
    cut_off = resumed(next_poll("detections", known, NOW, reach), known, NOW, reach, behind=behind)
    for poll in (following, cut_off):
        assert poll.end == NOW
        assert all(known.floor <= start <= theirs for start, _ in slices(poll.start, poll.end, theirs))
