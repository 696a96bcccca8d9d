from __future__ import annotations

import pytest
from msgspec.structs import replace

from rules.release_clean_submission import release_clean_submission
from worker.playbooks import Detection, Submission

HELD = Detection(id="m1", final_disposition="SPAM", is_quarantined=True)
CLEAN = Submission(submission_id="s1", type="User", outcome_disposition="NONE", message=HELD)


@pytest.mark.parametrize("asked_by", ["User", "Team", None])
def test_what_was_judged_clean_is_released(asked_by: str | None) -> None:
    """Whoever asked; the reason names the submission."""
    action = release_clean_submission(replace(CLEAN, type=asked_by))
    assert action is not None
    assert action.message == HELD
    assert "s1" in action.reason


@pytest.mark.parametrize("outcome", [None, "SPAM", "MALICIOUS", "UNKNOWN"])
def test_only_a_clean_judgement_counts(outcome: str | None) -> None:
    """What somebody asked for is no judgement yet."""
    asked = replace(CLEAN, outcome_disposition=outcome, requested_disposition="NONE", outcome="accepted")
    assert release_clean_submission(asked) is None


def test_delivered_mail_is_left_alone() -> None:
    """There is nothing to release."""
    assert release_clean_submission(replace(CLEAN, message=replace(HELD, is_quarantined=False))) is None


@pytest.mark.parametrize("verdict", ["MALICIOUS", "MALICIOUS-BEC"])
def test_an_alarm_is_left_to_a_person(verdict: str) -> None:
    """Filter and analysts contradict each other on something dangerous."""
    assert release_clean_submission(replace(CLEAN, message=replace(HELD, final_disposition=verdict))) is None


def test_a_submission_without_message_is_left_to_people() -> None:
    """There is nothing to act on."""
    assert release_clean_submission(replace(CLEAN, message=None)) is None
