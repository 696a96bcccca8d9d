from __future__ import annotations

from typing import Any

import pytest

from rules.junk_reported_attachment import DANGEROUS, junk_reported_attachment
from worker.playbooks import Context, PhishReport
from worker.playbooks.deciding import WaitsError
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.validation import playbook_of
from worker.testing import decide, report

SUSPECT = {"final_disposition": "SUSPICIOUS", "delivery_status": ["delivered"]}


def reported(disposition: str = "SUSPICIOUS", **fields: Any) -> PhishReport:
    """A report about a delivered message that the filter calls suspicious."""
    return report(id=7, disposition=disposition, message=SUSPECT | fields)


def decided(*attachments: dict[str, Any]) -> list[tuple[str, str]]:
    """What it wants, with these attachments."""
    actions = decide(junk_reported_attachment, reported(attachments=attachments))
    return [(action.target, action.reason) for action in actions]


@pytest.mark.parametrize("extension", sorted(DANGEROUS))
def test_dangerous_files_are_moved(extension: str) -> None:
    """Whatever the case of the name, and whatever stands before the last dot; the reason names the kind of file."""
    files = {"name": "fine.pdf"}, {"name": f"Invoice.pdf.{extension.upper()} "}
    assert decided(*files) == [("JunkEmail", f"PhishGuard report 7: {extension} file")]


def test_an_archive_that_nobody_can_look_into_is_moved() -> None:
    """A password in the text of the mail is how scanners are kept out."""
    assert decided({"name": "a.zip", "encrypted": True}) != []
    assert decided({"name": "a.zip", "encrypted": False}) == []
    assert decided({}) == []


@pytest.mark.parametrize(
    "event",
    [
        reported("NONE"),
        reported("MALICIOUS"),
        reported(final_disposition="MALICIOUS-BEC"),
        reported(delivery_status=["quarantined"]),
        reported(post_delivery_operations=["MOVE"]),
        report(disposition="SUSPICIOUS", message=None),
    ],
)
def test_nothing_is_fetched_for_what_it_leaves_alone(event: PhishReport) -> None:
    """It looks at the row first, and asks for attachments only where they decide."""
    playbook, context = playbook_of(junk_reported_attachment), Context(now=EXAMPLE_NOW)
    assert playbook.decide(event, context) == ()
    with pytest.raises(WaitsError):
        playbook.decide(reported(), context)
