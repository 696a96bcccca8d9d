from __future__ import annotations

import msgspec
import pytest

from rules.remove_delivered_malicious import remove_delivered_malicious
from rules.remove_phishguard_malicious import remove_phishguard_malicious
from worker.playbooks import Detection, PhishReport

MESSAGE = Detection(id="m1", final_disposition="MALICIOUS", delivery_status=("delivered",))
REPORT = PhishReport(id=7, disposition="MALICIOUS", message=MESSAGE)


def test_it_agrees_with_the_playbook_on_verdicts() -> None:
    """Both want the same folder, so that one action serves both and nothing is held as a contradiction."""
    mine, other = remove_phishguard_malicious(REPORT), remove_delivered_malicious(MESSAGE)
    assert mine is not None
    assert other is not None
    assert (mine.kind, mine.target) == (other.kind, other.target)


@pytest.mark.parametrize("verdict", [None, "NONE", "SPAM"])
def test_the_analysts_outweigh_the_filter(verdict: str | None) -> None:
    """What the filter let pass is the very case; the reason names the report."""
    message = msgspec.structs.replace(MESSAGE, final_disposition=verdict)
    action = remove_phishguard_malicious(msgspec.structs.replace(REPORT, message=message))
    assert action is not None
    assert action.message is message
    assert "7" in action.reason


@pytest.mark.parametrize("disposition", [None, "NONE", "SPAM", "SUSPICIOUS", "SPOOF"])
def test_no_other_judgement_counts(disposition: str | None) -> None:
    """Only a judgement of malicious takes mail away."""
    assert remove_phishguard_malicious(msgspec.structs.replace(REPORT, disposition=disposition)) is None


@pytest.mark.parametrize("status", [(), ("quarantined",), ("moved",)])
def test_only_mail_that_lies_in_a_mailbox_is_moved(status: tuple[str, ...]) -> None:
    """What never arrived, or what somebody moved already, is left alone."""
    message = msgspec.structs.replace(MESSAGE, delivery_status=status)
    assert remove_phishguard_malicious(msgspec.structs.replace(REPORT, message=message)) is None


def test_a_report_without_message_is_left_to_people() -> None:
    """There is nothing to act on."""
    assert remove_phishguard_malicious(msgspec.structs.replace(REPORT, message=None)) is None
