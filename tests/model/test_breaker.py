from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model.breaker import Breaker, Turn


@pytest.fixture
def breaker() -> Breaker:
    """Opens after three failures, for 10 s, then 20, then at most 35."""
    return Breaker(3, 10.0, 35.0)


def fail(breaker: Breaker, times: int, now: float = 0.0) -> list[bool]:
    """So many failures in a row."""
    return [breaker.failed(now) for _ in range(times)]


def test_it_opens_at_its_threshold_and_says_so_once(breaker: Breaker) -> None:
    """What was still on its way then neither opens it again nor prolongs its pause."""
    assert fail(breaker, 5) == [False, False, True, False, False]
    assert breaker.turn(9.9) is Turn.NONE
    assert breaker.turn(10.0) is Turn.ONE


def test_a_failure_that_is_dear_opens_it_at_once(breaker: Breaker) -> None:
    """Nobody waits for two more of these."""
    assert breaker.failed(0.0, at_once=True)
    assert breaker.turn(9.9) is Turn.NONE
    assert not breaker.failed(1.0, at_once=True)
    assert breaker.turn(10.0) is Turn.ONE


def test_a_success_between_failures_keeps_it_closed(breaker: Breaker) -> None:
    """Only failures in a row count."""
    for _ in range(5):
        fail(breaker, 2)
        assert not breaker.succeeded()
    assert breaker.turn(0.0) is Turn.ALL


def test_one_probe_at_a_time(breaker: Breaker) -> None:
    """While it is under way nothing else may be tried; one that was forgone may follow at once."""
    fail(breaker, 3)
    breaker.probe()
    assert breaker.turn(10.0) is Turn.NONE
    breaker.forgo()
    assert breaker.turn(10.0) is Turn.ONE


def test_each_failed_probe_doubles_the_pause_up_to_a_bound(breaker: Breaker) -> None:
    """A pause that never ended would be the same as off."""
    fail(breaker, 3)
    pauses, now = [], 0.0
    for _ in range(4):
        pauses.append(breaker.until - now)
        now = breaker.until
        breaker.probe()
        assert not breaker.failed(now)
    assert pauses == [10.0, 20.0, 35.0, 35.0]


def test_a_probe_that_is_taken_closes_it_and_all_begins_anew(breaker: Breaker) -> None:
    """Three further failures are needed, and the first pause is short again."""
    fail(breaker, 3)
    breaker.probe()
    breaker.failed(10.0)
    breaker.probe()
    assert breaker.succeeded()
    assert breaker.turn(30.0) is Turn.ALL
    assert fail(breaker, 3, 30.0) == [False, False, True]
    assert breaker.until == 40.0


@given(st.lists(st.sampled_from(["fail", "succeed", "pass"]), max_size=60))
def test_whatever_happens_it_is_tried_again_within_the_longest_pause(events: list[str]) -> None:
    """Never silently off, and while it is open never more than one at a time."""
    breaker, now = Breaker(3, 10.0, 35.0), 0.0
    for event in events:
        turn = breaker.turn(now)
        assert breaker.until - now <= 35.0
        if turn is Turn.ONE:
            breaker.probe()
            assert breaker.turn(now) is Turn.NONE
        if event == "pass" or turn is Turn.NONE:
            breaker.forgo()
            now += 5.0
        elif event == "fail":
            breaker.failed(now)
        else:
            breaker.succeeded()
            assert breaker.turn(now) is Turn.ALL
