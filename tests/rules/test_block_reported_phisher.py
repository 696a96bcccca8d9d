from __future__ import annotations

from typing import Any

import pytest

from rules.block_reported_phisher import block_reported_phisher
from worker.model.events import Validation
from worker.playbooks import Context, Detection, Notify, PhishReport
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW

CONTEXT = Context(now=EXAMPLE_NOW, lists=Lists({"partners": frozenset({"billing@partner.example"})}))
PROVEN = Validation(dmarc="pass")


def blocked(disposition: str = "MALICIOUS", **fields: Any) -> list[str]:
    """Whom it blocks; that on-call is told of each such report is asserted by the way."""
    row = {"sender": "HR@payroll.example", "validation": PROVEN, **fields}
    report = PhishReport(id=7, title="Payroll", disposition=disposition, message=Detection(id="m1", **row))
    told, *blocks = block_reported_phisher(report, CONTEXT)
    assert isinstance(told, Notify)
    assert "report 7" in told.text
    assert "Payroll" in told.text
    return [block.target for block in blocks]


@pytest.mark.parametrize("disposition", ["MALICIOUS", "MALICIOUS-BEC"])
def test_a_proven_sender_is_blocked(disposition: str) -> None:
    """By DMARC, whatever the envelope says; exactly the address that people saw."""
    assert blocked(disposition, envelope_from="bounce+4711@mailer.example") == ["hr@payroll.example"]


def test_spf_proves_the_address_of_the_envelope_alone() -> None:
    """A mailer passes SPF with its own envelope and anybody's name on the letter."""
    by_spf = Validation(spf="pass", dmarc="none")
    assert blocked(validation=by_spf, envelope_from="hr@payroll.example") == ["hr@payroll.example"]
    assert blocked(validation=by_spf, envelope_from="bounce@mailer.example") == []
    assert blocked(validation=by_spf) == []


@pytest.mark.parametrize("result", [None, "fail", "none", "neutral", "error"])
def test_a_forged_address_belongs_to_somebody_innocent(result: str | None) -> None:
    """Nothing but a pass is a proof."""
    unproven = Validation(dmarc=result, spf=result, dkim="pass")
    assert blocked(validation=unproven, envelope_from="hr@payroll.example") == []


@pytest.mark.parametrize(
    "sender", ["Billing@partner.example", '"Ann" <billing@partner.example>', None, "nobody"]
)
def test_partners_and_nobody_are_left_to_people(sender: str | None) -> None:
    """A partner with a hijacked mailbox is rung up, not blocked."""
    assert blocked(sender=sender, envelope_from=sender) == []


def test_only_malicious_reports_are_news() -> None:
    """Most of what users report is not."""
    for disposition in (None, "NONE", "SPAM", "SUSPICIOUS"):
        assert block_reported_phisher(PhishReport(id=7, disposition=disposition), CONTEXT) == []
