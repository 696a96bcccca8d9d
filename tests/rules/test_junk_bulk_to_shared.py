from __future__ import annotations

from typing import Any

import pytest

from rules.junk_bulk_to_shared import junk_bulk_to_shared
from worker.testing import decide, detection

LISTS = {"shared-mailboxes": ["info@corp.example", "support@corp.example"]}
BULK = {
    "final_disposition": "BULK",
    "client_recipients": ["info@corp.example"],
    "delivery_status": ["delivered"],
}


def wanted(**changes: Any) -> list[tuple[str, str]]:
    """Kind and target of what it wants."""
    actions = decide(junk_bulk_to_shared, detection(**BULK | changes), lists=LISTS)
    return [(action.kind, action.target) for action in actions]


@pytest.mark.parametrize(
    "recipients", [("info@corp.example",), ("INFO@corp.example", "support@corp.example")]
)
def test_bulk_mail_to_shared_mailboxes_goes_to_junk(recipients: tuple[str, ...]) -> None:
    """One or several of them, in whatever case."""
    assert wanted(client_recipients=recipients) == [("move", "JunkEmail")]


@pytest.mark.parametrize(
    "recipients",
    [(), ("ada@corp.example",), ("info@corp.example", "ada@corp.example"), ("info@other.example",)],
)
def test_a_personal_mailbox_among_the_recipients_forbids_it(recipients: tuple[str, ...]) -> None:
    """A move acts on every recipient's copy; no recipients is no permission either."""
    assert wanted(client_recipients=recipients) == []


@pytest.mark.parametrize("verdict", [None, "NONE", "SPAM", "MALICIOUS"])
def test_only_bulk_counts(verdict: str | None) -> None:
    """A customer's mail to support is not touched."""
    assert wanted(final_disposition=verdict) == []


@pytest.mark.parametrize("status", [("quarantined",), ("moved", "delivered")])
def test_only_mail_that_lies_in_the_inbox_is_moved(status: tuple[str, ...]) -> None:
    """What a colleague moved back stays there."""
    assert wanted(delivery_status=status) == []
