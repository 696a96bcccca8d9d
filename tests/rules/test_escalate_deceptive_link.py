from __future__ import annotations

from typing import Any

import pytest

from rules.escalate_deceptive_link import escalate_deceptive_link, host
from worker.model.actions import Action
from worker.playbooks import Context, Submission
from worker.playbooks.deciding import WaitsError
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.validation import playbook_of
from worker.testing import decide, submission

LIE = {"href": "https://bank.evil.example/in", "text": "www.bank.example"}
DOUBTFUL = {"final_disposition": "SUSPICIOUS", "delivery_status": ["delivered"]}


def reported(row: dict[str, Any] | None = None, **fields: Any) -> Submission:
    """A user's report of delivered mail that the filter only doubts."""
    return submission(**{"submission_id": "s1", "type": "User", "message": DOUBTFUL | (row or {})} | fields)


def decided(*links: dict[str, str]) -> tuple[Action, ...]:
    """What it wants, with these links."""
    return decide(escalate_deceptive_link, reported({"details": {"links": links}}))


def test_a_link_that_lies_is_passed_on() -> None:
    """As an escalation of the user's own report; the reason names both sites."""
    (action,) = decided({"href": "https://bank.example/", "text": "Sign in"}, LIE)
    assert action.kind == "submit"
    assert action.params["escalated_submission_id"] == "s1"
    assert action.target == "MALICIOUS"
    assert action.reason == "a link shows bank.example and leads to bank.evil.example"


@pytest.mark.parametrize(
    "text, href",
    [
        ("https://bank.example/in", "http://BANK.example:443/other"),
        ("www.bank.example", "https://login.bank.example/"),
        ("Sign in", "https://evil.example/"),
        ("", "https://evil.example/"),
        ("https://bank.example", "mailto:ann@bank.example"),
        ("https://bank.example", ""),
    ],
)
def test_a_link_that_says_where_it_leads_is_not(text: str, href: str) -> None:
    """Nor one that shows words."""
    assert decided({"href": href, "text": text}) == ()


@pytest.mark.parametrize(
    "text", ["https://[bad", "https://", "www. bank.example", "ftp://bank.example", "bank"]
)
def test_what_is_no_site_is_none(text: str) -> None:
    """Whatever an attacker writes there is read without an error."""
    assert host(text) == ""


@pytest.mark.parametrize(
    "event",
    [
        reported(type="Team"),
        reported(outcome_disposition="NONE"),
        reported(customer_status="escalated"),
        reported(message=None),
        reported({"final_disposition": "BULK"}),
        reported({"final_disposition": "MALICIOUS"}),
        reported({"delivery_status": ["quarantined"]}),
    ],
)
def test_nothing_is_fetched_for_what_it_leaves_alone(event: Submission) -> None:
    """Details cost a request, and are asked for only where they decide."""
    playbook, context = playbook_of(escalate_deceptive_link), Context(now=EXAMPLE_NOW)
    assert playbook.decide(event, context) == ()
    with pytest.raises(WaitsError):
        playbook.decide(reported(), context)
