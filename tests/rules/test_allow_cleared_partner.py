from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from rules.allow_cleared_partner import Limits, allow_cleared_partner
from worker.model.events import Properties, Validation
from worker.model.kinds import needs_approval
from worker.playbooks import AllowSender, Context, Detection, Submission
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW
from worker.testing import decide

CONTEXT = Context(now=EXAMPLE_NOW, lists=Lists({"partners": frozenset({"billing@partner.example"})}))
WANTED = Detection(
    id="m1",
    sender="Billing@partner.example",
    final_disposition="SPAM",
    validation=Validation(dmarc="pass"),
)
CLEARED = Submission(submission_id="s1", outcome_disposition="NONE", message=WANTED)


def _acts(**changes: Any) -> bool:
    return (
        allow_cleared_partner(replace(CLEARED, message=replace(WANTED, **changes)), CONTEXT, Limits())
        is not None
    )


@pytest.mark.parametrize("verdict", ["SPAM", "BULK"])
def test_a_cleared_partner_passes_for_thirty_days(verdict: str) -> None:
    """The exact address, only with proof of its origin, never as malicious, and only after approval."""
    action = allow_cleared_partner(
        replace(CLEARED, message=replace(WANTED, final_disposition=verdict)), CONTEXT, Limits()
    )
    assert action is not None
    assert (action.target, action.lasts) == ("billing@partner.example", 30)
    assert (action.verified, action.trusted) == (True, False)
    assert needs_approval(action.kind, action.target)


@pytest.mark.parametrize("outcome", [None, "SPAM", "MALICIOUS"])
def test_the_vendor_has_to_agree(outcome: str | None) -> None:
    """That somebody asked is no reason yet."""
    assert allow_cleared_partner(replace(CLEARED, outcome_disposition=outcome), CONTEXT, Limits()) is None


@pytest.mark.parametrize("sender", [None, "ceo@partner.example", "billing@partner.example.evil.example"])
def test_no_other_sender_is_allowed(sender: str | None) -> None:
    """Not even of the same domain."""
    assert not _acts(sender=sender)


@pytest.mark.parametrize("dmarc", [None, "fail", "none", "error"])
def test_the_domain_must_be_proven(dmarc: str | None) -> None:
    """Else whoever forged the partner would be let past the filter."""
    assert not _acts(validation=Validation(dmarc=dmarc, spf="pass", dkim="pass"))


@pytest.mark.parametrize("verdict", [None, "NONE", "SUSPICIOUS", "SPOOF", "MALICIOUS"])
def test_an_alarm_is_left_to_people(verdict: str | None) -> None:
    """An allowance would not help there, or should not."""
    assert not _acts(final_disposition=verdict)


def test_what_is_allowed_already_is_not_asked_for() -> None:
    """Nobody has to approve what is there."""
    assert not _acts(properties=Properties(allowlisted_pattern="partner.example"))


def test_the_operator_says_how_long() -> None:
    """`days` of params.toml is in the place of the thirty."""
    (action,) = decide(allow_cleared_partner, CLEARED, lists=CONTEXT.lists, params=Limits(days=7))
    assert isinstance(action, AllowSender)
    assert action.lasts == 7
