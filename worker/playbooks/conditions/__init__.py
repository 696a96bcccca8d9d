"""Conditions for `when=[...]`: named, pure predicates that `worker explain` can show and an index can find."""

from __future__ import annotations

from worker.playbooks.conditions.base import Condition, all_of, any_of, not_
from worker.playbooks.conditions.content import attachment, subject_contains, subject_matches
from worker.playbooks.conditions.lookalike import looks_like
from worker.playbooks.conditions.names import Person, borrowed_name, impersonated, lookalike_domain
from worker.playbooks.conditions.past import past_actions
from worker.playbooks.conditions.people import (
    any_recipient_in,
    every_recipient_in,
    recipient,
    recipient_domain,
    recipients,
    sender,
    sender_domain,
    sender_in,
)
from worker.playbooks.conditions.times import business_hours, older_than, younger_than
from worker.playbooks.conditions.verdicts import (
    delivered,
    disposition,
    dkim,
    dmarc,
    moved,
    outcome,
    quarantined,
    report_disposition,
    spf,
    threat_category,
    user_report,
)

__all__ = [
    "Condition",
    "Person",
    "all_of",
    "any_of",
    "any_recipient_in",
    "attachment",
    "borrowed_name",
    "business_hours",
    "delivered",
    "disposition",
    "dkim",
    "dmarc",
    "every_recipient_in",
    "impersonated",
    "lookalike_domain",
    "looks_like",
    "moved",
    "not_",
    "older_than",
    "outcome",
    "past_actions",
    "quarantined",
    "recipient",
    "recipient_domain",
    "recipients",
    "report_disposition",
    "sender",
    "sender_domain",
    "sender_in",
    "spf",
    "subject_contains",
    "subject_matches",
    "threat_category",
    "user_report",
    "younger_than",
]
