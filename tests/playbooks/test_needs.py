"""What a playbook needs, it declares; what it does not declare, it cannot read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import detection, report
from tests.playbooks.folder import IMPORTS, Folder
from worker.model.enrichment import Details
from worker.model.events import Detection, PhishReport
from worker.model.known import Known, view
from worker.playbooks import Context, Move, hit, miss, playbook
from worker.playbooks.deciding import PlaybookFailure, WaitsError
from worker.playbooks.examples import EXAMPLE_NOW, ExampleError, event_of
from worker.playbooks.validation import playbook_of

NOW = Context(now=EXAMPLE_NOW)
EML = 'Content-Disposition: attachment; filename="a.exe"\nContent-Type: application/x\n\nMZ'


@pytest.mark.parametrize(
    "needs, message",
    [
        ('["detials"]', "no such need 'detials' (did you mean `details`?)"),
        ('"details"', "expected a list of names"),
        ("[7]", "no such need 7"),
        ('{"details"}', "expected a list of names"),
    ],
)
def test_an_unknown_need_is_refused(folder: Folder, needs: str, message: str) -> None:
    """At the decorator's line, with the names that there are."""
    folder.playbook(declared=f"on=Detection, needs={needs}")
    problem = folder.only_problem()
    assert (problem.line, message in problem.message) == (2, True)
    assert "attachments" in problem.remedy


@pytest.mark.parametrize(
    "on, body",
    [
        ("Detection", "message.trace"),
        ("PhishReport", "message.message.trace"),
        ("Submission", "message.message.trace"),
        ("Detection", "[one for one in message.trace.inbound.lines]"),
    ],
)
def test_what_is_read_and_not_declared_is_refused_unread(folder: Folder, on: str, body: str) -> None:
    """Also where no example comes there; the line is that of the reading, the remedy what to write."""
    source = f"    if message.id == 'never':\n        {body}\n    return None\n"
    folder.playbook(declared=f'on={on}, needs=["details"]', body=source)
    problem = folder.only_problem()
    assert (problem.line, problem.playbook) == (5, "junk")
    assert problem.message == "reads `trace`, which it does not declare"
    assert problem.remedy == 'add it to the decorator: needs=["details", "trace"]'


def test_what_a_helper_reads_and_nobody_declares_fails_the_example(folder: Folder) -> None:
    """Where the text of the function does not show it, the run does."""
    helper = "def late(mail):\n    return mail.trace\n\n"
    junk = "@playbook(on=Detection, examples=[hit()])\ndef junk(message):\n    late(message)\n"
    folder.write("a.py", IMPORTS + helper + junk)
    (problem,) = folder.check().problems
    assert "reads `trace`" in problem.message
    assert 'needs=["trace"]' in problem.remedy
    assert problem.line == 3


@pytest.mark.parametrize(
    "body, message",
    [
        ("    try:\n        message.raw\n    except:\n        pass\n", "catches every exception"),
        (
            "    try:\n        message.raw\n    except BaseException:\n        pass\n",
            "catches every exception",
        ),
        ("    try:\n        message.raw\n    finally:\n        return None\n", "returns from a `finally`"),
    ],
)
def test_who_swallows_every_exception_cannot_have_needs(folder: Folder, body: str, message: str) -> None:
    """The worker would never learn what to fetch; without needs it remains a warning."""
    folder.playbook(declared='on=Detection, needs=["raw"]', body=body)
    assert message in folder.only_problem().message
    folder.playbook(body=body.replace("message.raw", "message.id"))
    assert folder.only_playbook().needs == frozenset()


@playbook(on=Detection, needs=["details", "raw"])
def careful(message: Detection) -> Move | None:
    """Looks at what is cheap first."""
    if not message.is_delivered or message.details is None:
        return None
    return Move(message, to="JunkEmail") if message.raw and message.raw.attachments else None


def test_a_playbook_waits_where_it_reads_and_only_there() -> None:
    """Its own code says for which messages something has to be fetched, and what."""
    one = playbook_of(careful)
    assert one.decide(detection(delivery_status=()), NOW) == ()
    for known, waits in ((Known(), "details"), (Known({"details": Details()}), "raw")):
        with pytest.raises(WaitsError) as caught:
            one.decide(view(detection(), known, one.needs), NOW)
        assert caught.value.need == waits
    assert one.decide(view(detection(), Known({"details": None}), one.needs), NOW) == ()


def test_what_was_fetched_for_others_cannot_be_read() -> None:
    """Or a decision would depend on which other playbooks there are."""
    known = Known({"details": Details(), "trace": None})
    seen = view(report(message=detection()), known, frozenset({"details"}))
    assert isinstance(seen, PhishReport)
    assert seen.message is not None
    assert seen.message.details == Details()

    @playbook(on=PhishReport, needs=["details"])
    def curious(report: PhishReport) -> None:
        getattr(report.message, "trace", None)

    with pytest.raises(PlaybookFailure, match="reads `trace`"):
        playbook_of(curious).decide(seen, NOW)


ALL = ("details", "action_log", "trace", "raw", "attachments")


@pytest.mark.parametrize(
    "given, names",
    [
        ({"raw": EML}, ["a.exe"]),
        ({"raw": EML.encode()}, ["a.exe"]),
        ({"raw": {"attachments": [{"name": "b.exe"}]}}, ["b.exe"]),
        ({"attachments": [{"name": "c.exe"}], "raw": EML}, ["c.exe"]),
        ({"details": {"attachments": [{"name": "d.exe"}]}}, ["d.exe"]),
        ({"details": {"attachments": [{"name": "d.exe"}]}, "raw": EML}, ["a.exe"]),
        ({}, []),
    ],
)
def test_an_example_gives_what_would_be_fetched(given: dict[str, Any], names: list[str]) -> None:
    """A message as text goes through the worker's own reader; attachments follow from it as they do in earnest."""
    seen = event_of(hit(**given), Detection, ALL)
    about = event_of(hit(message=given), PhishReport, ALL)
    assert isinstance(about, PhishReport)
    for message in (seen, about.message):
        assert isinstance(message, Detection)
        assert [one.name for one in message.attachments or ()] == names
        assert (message.trace is not None, message.action_log) == (True, ())


def test_an_example_can_refuse() -> None:
    """None is what the vendor refuses, with a reason that the author may choose."""
    one = event_of(miss(details=None, missing={"raw": "gone"}), Detection, ALL)
    assert isinstance(one, Detection)
    assert (one.details, one.raw, one.attachments) == (None, None, None)
    assert one.why_missing("details").startswith("refused:")
    assert (one.why_missing("raw"), one.why_missing("trace")) == ("gone", "")


@pytest.mark.parametrize(
    "given, message",
    [
        ({"trace": {}}, "`trace` is not among the playbook's needs"),
        ({"missing": {"trace": "gone"}}, "`trace` is not among the playbook's needs"),
        ({"missing": "gone"}, "expected needs with reasons"),
        ({"details": {"actoin": "x"}}, "unknown field `details.actoin` of Details (did you mean `action`?)"),
        ({"details": {"links": [{"url": "x"}]}}, "unknown field `details.links.url` of Link"),
        ({"details": {"links": [{"href": 7}]}}, "wrong value in `details`"),
        ({"raw": 7}, "wrong value in `raw`"),
    ],
)
def test_an_example_that_gives_no_such_thing_is_told_so(given: dict[str, Any], message: str) -> None:
    """A slip would make an example that proves nothing."""
    for example, on in ((hit(**given), Detection), (hit(message=given), PhishReport)):
        with pytest.raises(ExampleError) as caught:
            event_of(example, on, ("details", "raw"))
        assert message in caught.value.args[0]
        assert caught.value.args[1]
