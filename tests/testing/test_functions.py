from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rules.junk_bulk_to_shared import junk_bulk_to_shared
from rules.junk_reported_attachment import junk_reported_attachment
from worker.model.events import Detection
from worker.playbooks import Context, Move, PastAction, playbook
from worker.playbooks.deciding import PlaybookFailure
from worker.testing import decide, detection, report, submission

BULK = {"final_disposition": "BULK", "delivery_status": ["delivered"]}


def test_an_event_needs_only_the_fields_that_matter() -> None:
    """Under the names by which playbooks read them; all others have the values that examples have."""
    message = detection(sender="a@b.example", validation={"dmarc": "fail"})
    assert (message.sender_domain, message.validation.dmarc) == ("b.example", "fail")
    assert report(message={"subject": "x"}).message == detection(subject="x")
    assert report(message=None).message is None
    assert submission(type="Team").type == "Team"


def test_a_misspelt_field_is_told_with_the_right_one() -> None:
    """And with the name of the function that was called."""
    with pytest.raises(ValueError, match=r"unknown field `subjct` of Detection \(did you mean `subject`"):
        detection(subjct="x")
    with pytest.raises(ValueError, match=r"wrong value in report\(id='x'\)"):
        report(id="x")


def test_a_decision_is_the_workers_own() -> None:
    """The decorated function is asked as the worker would, with the lists that lie beside it."""
    shared = detection(client_recipients=["info@corp.example"], **BULK)
    assert decide(junk_bulk_to_shared, detection(**BULK)) == ()
    assert [one.target for one in decide(junk_bulk_to_shared, shared)] == ["JunkEmail"]
    assert decide(junk_bulk_to_shared, shared, lists={"shared-mailboxes": []}) == ()


def test_what_it_needs_is_given_as_a_field_or_there_and_empty() -> None:
    """And nothing that it does not declare can be read, whatever the event was given."""
    suspect = {"final_disposition": "SUSPICIOUS", "delivery_status": ["delivered"]}
    judged = {"disposition": "SUSPICIOUS"}
    with_program = report(message={**suspect, "attachments": [{"name": "a.exe"}]}, **judged)
    assert len(decide(junk_reported_attachment, with_program)) == 1
    assert decide(junk_reported_attachment, report(message=suspect, **judged)) == ()

    @playbook(on=Detection)
    def curious(message: Detection) -> Move | None:
        return Move(message, to="JunkEmail") if message.attachments else None

    with pytest.raises(PlaybookFailure, match="reads `attachments`, which it does not declare"):
        decide(curious, detection(attachments=[{"name": "a.exe"}]))


def test_time_and_history_are_the_tests_own() -> None:
    """So that what a playbook makes of them can be tested too."""
    past = PastAction("move", "JunkEmail", "succeeded", "junk", datetime(2026, 1, 1, tzinfo=UTC))
    seen: list[Context] = []

    @playbook(on=Detection)
    def watching(message: Detection, context: Context) -> None:
        del message
        seen.append(context)

    now = datetime(2026, 2, 1, tzinfo=UTC)
    vips = {"vips": {"Ann@Corp.Example"}}
    decide(watching, detection(), now=now, lists=vips, history=[past], sender_history=[past, past])
    (context,) = seen
    assert (context.now, context.history, context.sender_history) == (now, (past,), (past, past))
    assert dict(context.lists) == {"vips": frozenset({"ann@corp.example"})}
    decide(
        watching, detection(), lists=vips, tables={"vips": [{"address": "Ann@Corp.Example", "name": "Ann"}]}
    )
    assert seen[1].tables["vips"][0]["name"] == "Ann"


def test_what_is_wrong_with_the_playbook_is_told() -> None:
    """No playbook, a wrong declaration, another type of event, an exception with the author's file and line."""

    @playbook(on=Detection, mode="enforced")
    def wrong(message: Detection) -> None: ...

    @playbook(on=Detection)
    def raising(message: Detection) -> None:
        raise LookupError(message.id)

    with pytest.raises(ValueError, match="is not decorated"):
        decide(lambda _: None, detection())
    with pytest.raises(ValueError, match="no such mode"):
        decide(wrong, detection())
    with pytest.raises(TypeError, match="raising decides on a Detection, not on a PhishReport"):
        decide(raising, report())
    line = raising.__code__.co_firstlineno + 2
    with pytest.raises(PlaybookFailure, match=f"LookupError at {Path(__file__)}:{line}"):
        decide(raising, detection())
