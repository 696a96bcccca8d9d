from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from rules.trust_announced_domain import trust_announced_domain
from worker.model.events import Validation
from worker.model.kinds import needs_approval
from worker.playbooks import Context, Detection
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW

LISTS = Lists({"announced-domains": frozenset({"partner-group.example"})})
CONTEXT = Context(now=EXAMPLE_NOW, lists=LISTS)
NEW = Detection(
    id="m1",
    sender="Ann@Partner-Group.example",
    final_disposition="SUSPICIOUS",
    validation=Validation(dmarc="pass"),
)


def _acts(**changes: Any) -> bool:
    return trust_announced_domain(replace(NEW, **changes), CONTEXT) is not None


def test_an_announced_domain_may_be_new_for_thirty_days() -> None:
    """It may not look like another one, and a person approves."""
    action = trust_announced_domain(NEW, CONTEXT)
    assert action is not None
    assert (action.pattern.text, action.lasts) == ("partner-group.example", 30)
    assert (action.recent, action.similar) == (True, False)
    assert needs_approval(action.kind, action.target)


@pytest.mark.parametrize(
    "sender",
    [None, "ann@partner.example", "ann@xpartner-group.example", "ann@partner-group.example.evil.example"],
)
def test_nothing_else_is_trusted(sender: str | None) -> None:
    """A list of exact domains."""
    assert not _acts(sender=sender)


@pytest.mark.parametrize("dmarc", [None, "fail", "none", "error"])
def test_the_domain_must_be_proven(dmarc: str | None) -> None:
    """Whoever forges it is no sign that the partner has moved."""
    assert not _acts(validation=Validation(dmarc=dmarc, spf="pass"))


@pytest.mark.parametrize("verdict", [None, "NONE", "BULK", "SPOOF", "MALICIOUS"])
def test_only_doubts_are_dispelled(verdict: str | None) -> None:
    """Mail that passes needs no trust, an alarm deserves none."""
    assert not _acts(final_disposition=verdict)
