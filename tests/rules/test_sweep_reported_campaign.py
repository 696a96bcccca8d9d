from __future__ import annotations

import pytest

from rules.sweep_reported_campaign import sweep_reported_campaign
from worker.playbooks import Detection, PhishReport, Sweep

MARKED = Detection(id="m1", edf_hash="9f2c41d8e07ab365", final_disposition="NONE")


def swept(disposition: str | None, message: Detection | None = MARKED) -> Sweep | None:
    """What a report of this disposition comes to."""
    return sweep_reported_campaign(PhishReport(id=7, disposition=disposition, message=message))


@pytest.mark.parametrize("disposition", ["MALICIOUS", "MALICIOUS-BEC"])
def test_what_analysts_call_malicious_is_swept_whatever_the_filter_thought(disposition: str) -> None:
    """By the fingerprint alone; the reason names the report."""
    sweep = swept(disposition)
    assert sweep is not None
    assert (sweep.by, sweep.target, sweep.window) == (("edf_hash",), "RecoverableItemsDeletions", "3d")
    assert "report 7" in sweep.reason


@pytest.mark.parametrize("disposition", [None, "NONE", "SPAM", "SUSPICIOUS"])
def test_anything_less_is_no_reason_to_look_for_more(disposition: str | None) -> None:
    """A suspicion about one message is none about a hundred others."""
    assert swept(disposition) is None


def test_without_a_fingerprint_there_is_nothing_to_go_by() -> None:
    """Nor without a message."""
    assert swept("MALICIOUS", Detection(id="m1")) is None
    assert swept("MALICIOUS", None) is None
