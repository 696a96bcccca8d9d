from __future__ import annotations

import pytest

from tests.builders import call, item
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from worker.errors import AnswerLost, BadAnswer, RateLimited, Refused, Transient, Unauthorized, VendorError
from worker.executors import executors
from worker.executors.base import BLOCK_SECONDS, POSTPONED_SECONDS, from_error, not_sent
from worker.model.actions import State
from worker.model.kinds import FINDS, KINDS

DELAY = 30.0
READY, FAILED, UNKNOWN = State.READY, State.FAILED, State.UNKNOWN


@pytest.mark.parametrize(
    "error, event, state",
    [
        (RateLimited("slow down", retry_after=7.0), "call.refused", READY),
        (RateLimited("slow down", retry_after=None), "call.refused", READY),
        (Unauthorized("who are you", status=401), "call.refused", READY),
        (Unauthorized("not you", status=403), "call.refused", READY),
        (Transient("no connection"), "call.refused", READY),
        (Refused("bad request", status=400), "call.refused", FAILED),
        (Refused("no route", status=404, codes=(7003,)), "call.refused", READY),
        (AnswerLost("reset"), "call.lost", UNKNOWN),
        (BadAnswer("not JSON", status=200), "call.lost", UNKNOWN),
        (VendorError("something new"), "call.lost", UNKNOWN),
    ],
)
def test_what_an_error_means_for_a_write(error: VendorError, event: str, state: State) -> None:
    """Ready where nothing was accepted, failed where it never will be, unknown in every other case."""
    answered = from_error(call(item("m1")), error, DELAY)
    assert (answered.event, [one.state for one in answered.outcomes]) == (event, [state])
    assert (answered.status, answered.error) == (error.status, f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    "error, seconds",
    [
        (RateLimited("", retry_after=7.0), 7.0),
        (RateLimited("", retry_after=None), BLOCK_SECONDS),
        (Unauthorized(""), 0.0),
        (AnswerLost(""), DELAY),
        (Refused(""), None),
        (Refused("", status=404, codes=(7000, 7003)), POSTPONED_SECONDS),
    ],
)
def test_when_an_action_is_looked_at_again(error: VendorError, seconds: float | None) -> None:
    """After the vendor's own time, with the next token, after the lag of the log, or never."""
    (one,) = from_error(call(item("m1")), error, DELAY).outcomes
    assert one.due_in == seconds


def test_an_unreachable_vendor_is_asked_ever_more_rarely() -> None:
    """The wait grows with the refusals in a row, up to a minute."""
    due = [
        from_error(call(item("m1", refusals=count)), Transient("no connection"), DELAY).outcomes[0].due_in
        or 0
        for count in (0, 3, 30)
        for _ in range(50)
    ]
    assert max(due[:50]) <= 1.0 < max(due[50:100]) <= 8.0 < max(due[100:]) <= 60.0
    assert min(due) > 0


def test_a_refused_bulk_call_is_split() -> None:
    """One bad id spoils it for all: the halves go on at once, and nobody is given up."""
    answered = from_error(call(*(item(f"m{n}") for n in range(5))), Refused("bad id", status=400), DELAY)
    assert answered.event == "call.split"
    assert {(one.state, one.due_in, one.batch) for one in answered.outcomes} == {(READY, 0.0, 2)}


@pytest.mark.parametrize(
    "error", [RateLimited("", retry_after=1.0), Unauthorized(""), Transient(""), AnswerLost("")]
)
def test_no_other_error_splits_a_call(error: VendorError) -> None:
    """It says nothing of any single id."""
    answered = from_error(call(item("m1"), item("m2")), error, DELAY)
    assert {one.batch for one in answered.outcomes} == {None}


def test_a_claim_that_was_not_sent_is_ready_a_little_later() -> None:
    """Nothing left the process; what keeps it from being sent must not make it spin."""
    answered = not_sent(call(item("m1"), item("m2")), "too old")
    assert (answered.event, answered.error) == ("call.not_sent", "too old")
    assert {(one.state, one.due_in) for one in answered.outcomes} == {(READY, 1.0)}


def test_every_kind_of_action_has_an_executor(tenant: FakeCloudflare, desk: Desk) -> None:
    """What a playbook may ask for can be carried out, within what the API takes in one call."""
    known = executors(tenant.client, desk.ledger, DELAY, 250)
    assert set(known) == set(KINDS) - FINDS
    assert all(1 <= one.most <= 1000 and one.parallel >= 1 for one in known.values())
