from __future__ import annotations

import pytest
from msgspec.structs import replace

from rules.tell_refused_submission import tell_refused_submission
from worker.playbooks import Submission

REFUSED = Submission(
    submission_id="s1",
    type="Team",
    requested_by="ann@corp.example",
    requested_disposition="NONE",
    outcome_disposition="SPAM",
    subject="Invoice 12",
)


def test_on_call_reads_what_was_asked_and_what_came_of_it() -> None:
    """Enough to decide without the dashboard."""
    told = tell_refused_submission(REFUSED)
    assert told is not None
    assert told.event == REFUSED
    for word in ("s1", "ann@corp.example", "NONE", "SPAM", "Invoice 12"):
        assert word in told.text


@pytest.mark.parametrize("outcome", ["NONE", None])
def test_what_was_granted_or_is_open_is_no_news(outcome: str | None) -> None:
    """Nobody has to do anything."""
    assert tell_refused_submission(replace(REFUSED, outcome_disposition=outcome)) is None


def test_users_are_told_by_others() -> None:
    """Most of what users report is clean."""
    assert tell_refused_submission(replace(REFUSED, type="User")) is None
