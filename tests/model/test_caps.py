from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import vote
from worker.model.actions import Mode
from worker.model.caps import PLATFORM, Caps, Room, Usage, breach, in_force
from worker.model.plans import Ceilings, Vote

COUNT = st.integers(1, 10**9)
SHARE = st.floats(0.001, 1.0)
VOTES = st.lists(
    st.builds(
        vote,
        st.just("junk"),
        st.just(Mode.ENFORCE),
        per_poll=COUNT,
        per_hour=COUNT,
        per_day=st.none() | COUNT,
        share=st.none() | SHARE,
    ),
    min_size=1,
    max_size=3,
)
CEILINGS = st.builds(
    Ceilings,
    st.just(Mode.ENFORCE),
    COUNT,
    COUNT,
    per_day=st.none() | COUNT,
    share=st.none() | SHARE,
)


@given(VOTES, CEILINGS)
def test_the_lowest_of_playbook_operator_and_platform_is_in_force(
    votes: list[Vote], ceilings: Ceilings
) -> None:
    """No one of the three gets past the other two; what nobody has set is no cap."""
    caps = in_force(votes, ceilings)
    assert caps.per_poll == min(ceilings.per_poll, PLATFORM.per_poll, *(one.per_poll for one in votes))
    assert caps.per_hour == min(ceilings.per_hour, PLATFORM.per_hour, *(one.per_hour for one in votes))
    days = [ceilings.per_day, *(one.per_day for one in votes)]
    shares = [ceilings.share, *(one.share for one in votes)]
    assert caps.per_day == min((one for one in days if one is not None), default=None)
    assert caps.share == min((one for one in shares if one is not None), default=None)


@given(st.integers(0, 9), st.integers(1, 9), st.none() | st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_what_goes_out_late_gets_as_many_places_as_are_left(
    used: int, per_hour: int, per_day: int | None, in_all: int, today: bool
) -> None:
    """The lowest of all caps is in force, and what the day counts already takes no second place of it."""
    room = Room(Usage({"junk": used}, used, {"junk": used}, used), Ceilings(Mode.ENFORCE, per_hour=in_all))
    allowed = [vote("junk", per_hour=per_hour, per_day=per_day), vote("watches", Mode.SHADOW, per_hour=0)]
    places = 0
    while not room.take(allowed, today=today):
        places += 1
    day = per_day if per_day is not None and not today else in_all
    assert places == max(0, min(per_hour, in_all, day) - used)


@pytest.mark.parametrize(
    "share, polled, wanted, held",
    [(1 / 3, 300, 100, False), (1 / 3, 300, 101, True), (0.07, 1000, 70, False)],
)
def test_a_share_is_exact(share: float, polled: int, wanted: int, held: bool) -> None:
    """Binary fractions cost nobody an action."""
    caps = Caps(1000, 1000, None, share)
    why = breach("junk", wanted, wanted, caps, Usage({}, 0), Ceilings(Mode.ENFORCE), polled)
    assert bool(why) is held


def test_the_platform_holds_whatever_is_set() -> None:
    """A zero too many in both places."""
    caps = in_force([vote(per_poll=10**9, per_hour=10**9)], Ceilings(Mode.ENFORCE, 10**9, 10**9))
    assert (caps.per_poll, caps.per_hour) == (PLATFORM.per_poll, PLATFORM.per_hour)
