from __future__ import annotations

from typing import Any

import pytest

from rules.junk_reported_attachment import DANGEROUS, junk_reported_attachment
from worker.model.enrichment import Attachment
from worker.model.events import Event
from worker.model.known import Known, view
from worker.playbooks import Context, Detection, PhishReport
from worker.playbooks.deciding import WaitsError
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.validation import playbook_of

PLAYBOOK = playbook_of(junk_reported_attachment)
CONTEXT = Context(now=EXAMPLE_NOW)


def report(disposition: str = "SUSPICIOUS", **fields: Any) -> PhishReport:
    """A report about a delivered message that the filter calls suspicious."""
    row: dict[str, Any] = {"final_disposition": "SUSPICIOUS", "delivery_status": ("delivered",)}
    return PhishReport(id=7, disposition=disposition, message=Detection(id="m1", **{**row, **fields}))


def decided(event: Event, *attachments: Attachment) -> list[tuple[str, str]]:
    """What it wants, with these attachments."""
    shown = view(event, Known({"attachments": attachments}), PLAYBOOK.needs)
    return [(action.target, action.reason) for action in PLAYBOOK.decide(shown, CONTEXT)]


@pytest.mark.parametrize("extension", sorted(DANGEROUS))
def test_dangerous_files_are_moved(extension: str) -> None:
    """Whatever the case of the name, and whatever stands before the last dot; the reason names the kind of file."""
    files = Attachment(name="fine.pdf"), Attachment(name=f"Invoice.pdf.{extension.upper()} ")
    assert decided(report(), *files) == [("JunkEmail", f"PhishGuard report 7: {extension} file")]


def test_an_archive_that_nobody_can_look_into_is_moved() -> None:
    """A password in the text of the mail is how scanners are kept out."""
    assert decided(report(), Attachment(name="a.zip", encrypted=True)) != []
    assert decided(report(), Attachment(name="a.zip", encrypted=False)) == []
    assert decided(report(), Attachment()) == []


@pytest.mark.parametrize(
    "event",
    [
        report("NONE"),
        report("MALICIOUS"),
        report(final_disposition="MALICIOUS-BEC"),
        report(delivery_status=("quarantined",)),
        report(post_delivery_operations=("MOVE",)),
        PhishReport(id=7, disposition="SUSPICIOUS"),
    ],
)
def test_nothing_is_fetched_for_what_it_leaves_alone(event: PhishReport) -> None:
    """It looks at the row first, and asks for attachments only where they decide."""
    assert PLAYBOOK.decide(event, CONTEXT) == ()
    with pytest.raises(WaitsError):
        PLAYBOOK.decide(report(), CONTEXT)
