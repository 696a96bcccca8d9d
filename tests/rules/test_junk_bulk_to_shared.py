from __future__ import annotations

import msgspec
import pytest

from rules.junk_bulk_to_shared import junk_bulk_to_shared
from worker.playbooks import Context, Detection
from worker.playbooks.context import Lists
from worker.playbooks.examples import EXAMPLE_NOW

SHARED = frozenset({"info@corp.example", "support@corp.example"})
CONTEXT = Context(now=EXAMPLE_NOW, lists=Lists({"shared-mailboxes": SHARED}))
BULK = Detection(
    id="m1",
    final_disposition="BULK",
    client_recipients=("info@corp.example",),
    delivery_status=("delivered",),
)


@pytest.mark.parametrize(
    "recipients", [("info@corp.example",), ("INFO@corp.example", "support@corp.example")]
)
def test_bulk_mail_to_shared_mailboxes_goes_to_junk(recipients: tuple[str, ...]) -> None:
    """One or several of them, in whatever case."""
    action = junk_bulk_to_shared(msgspec.structs.replace(BULK, client_recipients=recipients), CONTEXT)
    assert action is not None
    assert action.to == "JunkEmail"


@pytest.mark.parametrize(
    "recipients",
    [(), ("ada@corp.example",), ("info@corp.example", "ada@corp.example"), ("info@other.example",)],
)
def test_a_personal_mailbox_among_the_recipients_forbids_it(recipients: tuple[str, ...]) -> None:
    """A move acts on every recipient's copy; no recipients is no permission either."""
    assert junk_bulk_to_shared(msgspec.structs.replace(BULK, client_recipients=recipients), CONTEXT) is None


@pytest.mark.parametrize("verdict", [None, "NONE", "SPAM", "MALICIOUS"])
def test_only_bulk_counts(verdict: str | None) -> None:
    """A customer's mail to support is not touched."""
    assert junk_bulk_to_shared(msgspec.structs.replace(BULK, final_disposition=verdict), CONTEXT) is None


@pytest.mark.parametrize("status", [("quarantined",), ("moved", "delivered")])
def test_only_mail_that_lies_in_the_inbox_is_moved(status: tuple[str, ...]) -> None:
    """What a colleague moved back stays there."""
    assert junk_bulk_to_shared(msgspec.structs.replace(BULK, delivery_status=status), CONTEXT) is None
