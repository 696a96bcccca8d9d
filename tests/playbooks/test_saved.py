from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tests.builders import detection, report
from worker.model.enrichment import Details
from worker.model.events import Event, Submission
from worker.model.known import Enrichment
from worker.playbooks.saved import MAX_LINE, Saved, SavedError, read, read_line, write

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAST = {"kind": "move", "target": "Inbox", "state": "succeeded", "playbook": "a", "at": NOW.isoformat()}
CONTEXT = {"now": NOW.isoformat(), "lists": "0" * 12, "history": [PAST]}
EVENTS = (detection("m1"), report(7, message=detection("m2")), Submission(submission_id="s1"))


def test_what_is_written_is_read_again() -> None:
    """Every type of event, with what was fetched for it and what the decision saw beside it."""
    enriched = Enrichment(details=Details(action="MOVE"), missing={"raw": "gone: 404"})
    saved = [Saved(event, enriched, CONTEXT) for event in EVENTS]
    again = list(read([write(one) for one in saved]))
    assert [(one.event, one.enrichment, one.context) for one in again] == saved
    assert [(one.now, one.history.message[0].at, one.sighting) for one in again] == [
        (NOW, NOW, one.sighting) for one in saved
    ]
    known = again[0].known
    assert known is not None
    assert (known.has("details"), known.has("trace")) == (True, False)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_bare_row_is_understood(event: Event) -> None:
    """What `worker actions show --json` prints as evidence, or the API as a row."""
    assert list(read([b"\n", msgspec.json.encode(event)])) == [Saved(event)]


@pytest.mark.parametrize(
    "line, what",
    [
        (b"{", "line 3: is no JSON: "),
        (b"\xff", "is no JSON: "),
        (b"[" * 100_000, "is no JSON: "),
        (b"[]", "is no JSON object"),
        (b'{"event": 1}', "`event` is no JSON object"),
        (b'{"event": {"id": "a"}, "sauce": 1}', "unknown key 'sauce' (did you mean `source`?)"),
        (b'{"event": {"id": "a"}, "source": "detection"}', "no such source 'detection' (did you mean `detections`?)"),
        (b'{"subject": "a"}', "wrong value in `event`: Object missing required field `id`"),
        (b'{"id": "a", "scanned_at": "2026-11-20T11:55:00"}', "a time without a zone"),
        (b'{"event": {"id": "a"}, "context": {"now": 1}}', "wrong value in `context`"),
        (b'{"event": {"id": "a"}, "context": [1]}', "wrong value in `context`"),
        (b'{"event": {"id": "a"}, "context": {"now": "2026-11-20"}}', "a time without a zone"),
        (b'{"event": {"id": "a"}, "enrichment": {"raw": 1}}', "wrong value in `enrichment`"),
        (b" " * MAX_LINE + b"{}", "at most 16777216 are read"),
    ],
)  # fmt: skip
def test_a_line_that_holds_no_event_is_named_with_its_remedy(line: bytes, what: str) -> None:
    """The number of the line, what is wrong with it and what to write."""
    with pytest.raises(SavedError) as caught:
        read_line(line, 3)
    assert str(caught.value).startswith("line 3: ")
    assert what in str(caught.value)
    assert ". Remedy: " in str(caught.value)
