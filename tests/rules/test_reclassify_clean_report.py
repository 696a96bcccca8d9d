from __future__ import annotations

import msgspec
import pytest

from rules.reclassify_clean_report import reclassify_clean_report
from worker.playbooks import Detection, PhishReport

REPORT = PhishReport(id=7, disposition="NONE", message=Detection(id="m1", final_disposition="SPAM"))


@pytest.mark.parametrize("verdict", ["SPAM", "BULK", "SUSPICIOUS", "SPOOF"])
def test_a_wrong_verdict_is_corrected(verdict: str) -> None:
    """The reason names the report that found the message clean."""
    message = Detection(id="m1", final_disposition=verdict)
    action = reclassify_clean_report(msgspec.structs.replace(REPORT, message=message))
    assert action is not None
    assert (action.message, action.to) == (message, "NONE")
    assert "7" in action.reason


@pytest.mark.parametrize("verdict", [None, "NONE"])
def test_a_right_verdict_needs_no_request(verdict: str | None) -> None:
    """Each reclassify is a submission that somebody at the vendor handles."""
    message = Detection(id="m1", final_disposition=verdict)
    assert reclassify_clean_report(msgspec.structs.replace(REPORT, message=message)) is None


@pytest.mark.parametrize("verdict", ["MALICIOUS", "MALICIOUS-BEC"])
def test_an_alarm_is_left_to_a_person(verdict: str) -> None:
    """Analysts and filter contradict each other on something dangerous."""
    message = Detection(id="m1", final_disposition=verdict)
    assert reclassify_clean_report(msgspec.structs.replace(REPORT, message=message)) is None


@pytest.mark.parametrize("disposition", [None, "SPAM", "MALICIOUS", "UNKNOWN"])
def test_only_a_clean_judgement_counts(disposition: str | None) -> None:
    """A report that nobody judged yet says nothing."""
    assert reclassify_clean_report(msgspec.structs.replace(REPORT, disposition=disposition)) is None


def test_a_report_without_message_is_left_to_people() -> None:
    """There is nothing to act on."""
    assert reclassify_clean_report(msgspec.structs.replace(REPORT, message=None)) is None
