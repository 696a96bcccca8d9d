from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.builders import detection, playbook, report
from tests.playbooks.folder import Folder
from worker.model.events import Detection, PhishReport, Validation
from worker.model.known import Known, view
from worker.playbooks import Context, Move
from worker.playbooks.conditions import attachment, delivered, disposition, moved
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.explaining import Account, account

CONTEXT = Context(now=EXAMPLE_NOW)
SOURCE = """from worker.playbooks import *

@playbook(on=PhishReport)
def junk(report, context):
    message = report.message
    if message is None or message.is_malicious:
        return None
    for address in message.client_recipients:
        if message.validation.dmarc == "fail" and context.now and not context.lists:
            return Move(message, to="JunkEmail", reason="forged")
    return None
"""


def told(folder: Folder, event: Any) -> Account:
    """What comes of asking the playbook above."""
    folder.write("a.py", SOURCE)
    return account(folder.only_playbook(), event, CONTEXT)


def test_a_function_is_watched_to_its_end(folder: Folder) -> None:
    """What it read, under the author's own names, each once and in its order; and the line on which it returned."""
    message = detection(final_disposition="SPOOF", validation=Validation(dmarc="fail"))
    found = told(folder, report(message=message))
    assert dict(found.read) == {
        "report.message.is_malicious": False,
        "report.message.client_recipients": ("ann@corp.example",),
        "report.message.validation.dmarc": "fail",
        "context.now": EXAMPLE_NOW,
        "context.lists": CONTEXT.lists,
    }
    assert (found.line, [one.target for one in found.wanted], found.failure) == (10, ["JunkEmail"], "")


@pytest.mark.parametrize(
    "event, read, line",
    [
        (report(message=None), {"report.message": None}, 7),
        (report(message=detection()), {"report.message.is_malicious": True}, 7),
    ],
    ids=["no message", "malicious"],
)
def test_so_is_one_that_wants_nothing(
    folder: Folder, event: PhishReport, read: dict[str, Any], line: int
) -> None:
    """A miss is what people ask about."""
    found = told(folder, event)
    assert (dict(found.read), found.line, found.wanted) == (read, line, ())


def test_what_it_raises_is_told(folder: Folder) -> None:
    """Without the text of the exception, which may quote mail; the line is where it left."""
    folder.write("a.py", SOURCE.replace("return None\n    for", "return report.nothing\n    for"))
    found = account(folder.only_playbook(), report(message=detection()), CONTEXT)
    assert "AttributeError at" in found.failure
    assert found.line == 7


def test_every_condition_is_shown_and_the_function_is_not_called_in_vain() -> None:
    """Also those behind the first that does not hold, but nothing that would have to be fetched for it."""

    def never(message: Detection) -> None:
        raise AssertionError(message)

    when = (disposition("SPAM"), attachment("exe"), delivered() & ~moved())
    found = account(playbook(never, when=when), detection(), CONTEXT)
    assert (found.called, found.unmet) == (False, 'disposition("SPAM")')
    assert [(one.name, one.holds) for one in found.when] == [
        ('disposition("SPAM")', False),
        ('attachment("exe")', False),
        ("(delivered() & ~moved())", True),
    ]
    assert found.when[1].why == "not looked at: another condition does not hold"
    assert [(part.name, dict(part.saw)) for part in found.when[2].parts] == [
        ("delivered()", {"is_delivered": True}),
        ("~moved()", {"has_moved": False}),
    ]


def test_what_has_not_been_fetched_is_said() -> None:
    """An explanation fetches nothing."""
    event = view(detection(), Known(), frozenset({"attachments"}))
    found = account(
        playbook(lambda _: None, when=(attachment("exe"),), needs=["attachments"]), event, CONTEXT
    )
    assert found.when[0].why == "waits for attachments, which has not been fetched"


def test_it_asks_as_the_worker_asks() -> None:
    """Watched or not, a playbook wants the same; and nothing goes on watching."""

    def junk(message: Detection) -> Move | None:
        return Move(message, to="JunkEmail", reason=message.id) if message.is_delivered else None

    one, before = playbook(junk), sys.gettrace()
    for message in (detection("a"), detection("b", delivery_status=())):
        found = account(one, message, CONTEXT).wanted
        assert [(action.target, action.reason) for action in found] == [
            (action.target, action.reason) for action in one.decide(message, CONTEXT)
        ]
    assert sys.gettrace() is before
