from __future__ import annotations

import pytest
from msgspec.structs import replace

from rules.unblock_cleared_sender import unblock_cleared_sender
from worker.model.events import Properties
from worker.playbooks import Detection, Submission

STOPPED = Detection(
    id="m1",
    sender="Ann@client.example",
    envelope_from="bounce@mailer.example",
    final_disposition="SPAM",
    properties=Properties(blocklisted_pattern="ann@client.example"),
)
CLEARED = Submission(submission_id="s1", outcome_disposition="NONE", message=STOPPED)


@pytest.mark.parametrize(
    "pattern", ["ann@client.example", "ANN@client.example", "client.example", "bounce@mailer.example"]
)
def test_the_block_that_stopped_it_is_taken_back(pattern: str) -> None:
    """Exactly that one, be it of the address, the domain or the envelope."""
    action = unblock_cleared_sender(
        replace(CLEARED, message=replace(STOPPED, properties=Properties(blocklisted_pattern=pattern)))
    )
    assert action is not None
    assert action.target == pattern.lower()
    assert "s1" in action.reason


@pytest.mark.parametrize("pattern", [None, "", ".*@client\\.example", "example", "other.example"])
def test_no_other_block_is_touched(pattern: str | None) -> None:
    """An expression covers more than this sender."""
    message = replace(STOPPED, properties=Properties(blocklisted_pattern=pattern))
    assert unblock_cleared_sender(replace(CLEARED, message=message)) is None


@pytest.mark.parametrize("outcome", [None, "SPAM", "MALICIOUS"])
def test_only_a_clean_judgement_counts(outcome: str | None) -> None:
    """What somebody asked for is no judgement yet."""
    assert unblock_cleared_sender(replace(CLEARED, outcome_disposition=outcome)) is None


def test_an_alarm_is_left_to_a_person() -> None:
    """Filter and analysts contradict each other on something dangerous."""
    message = replace(STOPPED, final_disposition="MALICIOUS-BEC")
    assert unblock_cleared_sender(replace(CLEARED, message=message)) is None
