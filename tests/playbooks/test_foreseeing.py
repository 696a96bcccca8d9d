from __future__ import annotations

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.playbooks.problems import Problem

NEVER = "message.subject == 'never'"


def seen_ahead(
    folder: Folder, line: str, head: str = "(message: Detection, context: Context)"
) -> list[Problem]:
    """What is told of a line on which no example comes; it stands on line 5."""
    folder.write("lists/partners.txt", "a@b.example\n")
    folder.write("lists/vips.csv", "address,name\na@b.example,Ann\n")
    body = f"    if {NEVER}:\n        {line}\n    return None\n"
    folder.playbook(head=head, body=body, declared="on=Detection, examples=[miss()]")
    report = folder.check()
    assert report.failed == 0
    return list(report.problems)


@pytest.mark.parametrize(
    "line, message",
    [
        ("return message.subjct", "reads `subjct`, which no Detection has (did you mean `subject`?)"),
        ("return message.validation.dmark", "reads `dmark`, which no Validation has (did you mean `dmarc`?)"),
        ("return context.nw", "reads `nw`, which no Context has (did you mean `now`?)"),
        ("x = message.properties; return x.nosuch", "reads `nosuch`, which no Properties has"),
        ("return [1 for one in message.to if message.nosuch]", "reads `nosuch`, which no Detection has"),
        ("message.subject = 'x'", "changes `subject`: a Detection is frozen"),
        ("return context.lists['partnrs']", "no list 'partnrs' (did you mean `partners`?)"),
        ("return context.tables['vip']", "no list with columns 'vip' (did you mean `vips`?)"),
        ("return context.tables['partners']", "no list with columns 'partners'"),
        ("return Move(message, to='Trash')", "Move(to='Trash'): unknown destination"),
        ("return [Submit(message, to='HAM')]", "Submit(to='HAM'): unknown disposition"),
        ("return Move(message, too='Inbox')", "Move() takes no `too` (did you mean `to`?)"),
    ],
)
def test_what_would_fail_where_no_example_comes_is_a_problem(folder: Folder, line: str, message: str) -> None:
    """Found in the source, with file, line, playbook and the right name."""
    (problem,) = seen_ahead(folder, line)
    assert (problem.path.name, problem.line, problem.playbook) == ("a.py", 5, "junk")
    assert message in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    "line",
    [
        "return Move(message, to=message.subject, reason=message.sender_domain)",
        "message = context; return message.nosuch",
        "return [message.nosuch for message in ()]",
        "return (lambda message: message.nosuch)(1)",
        "Move = dict; return Move(to='Trash') and None",
        "return context.lists.get('nosuch') and None",
        "return context.tables['vips'] and context.lists['vips'] and None",
        "return message.why_missing('raw') and None",
        "x = message; x = context; return x.nosuch",
        "return context.history[0].nosuch",
    ],
)
def test_what_may_be_right_is_left_alone(folder: Folder, line: str) -> None:
    """Names that mean something else there, and values that only an event brings."""
    assert seen_ahead(folder, line) == []


@pytest.mark.parametrize("head", ["(message, context)", "(message: 'Detection', context: 'Context | None')"])
def test_annotations_may_be_missing_in_quotes_or_beside_none(folder: Folder, head: str) -> None:
    """The event's type is known from `on`."""
    (problem,) = seen_ahead(folder, "return message.subjct", head)
    assert "`subjct`" in problem.message


def test_a_parameter_that_may_be_of_two_types_is_not_judged(folder: Folder) -> None:
    """One of them may well have it."""
    assert seen_ahead(folder, "return message.title", "(message: Detection | PhishReport)") == []


def test_shared_modules_are_read_too(folder: Folder) -> None:
    """A helper's annotation says what it gets; the problem is the helper's."""
    folder.write(
        "_people.py", f"{IMPORTS}def named(message: Detection) -> bool:\n    return message.sendr == 'x'\n"
    )
    folder.write(
        "a.py",
        f"{IMPORTS}from ._people import named\n{playbook_source(declared='on=Detection, examples=[hit()]')}",
    )
    (problem,) = folder.check().problems
    assert (problem.path.name, problem.line, problem.playbook) == ("_people.py", 3, "")
    assert "(did you mean `sender`?)" in problem.message


def test_an_example_that_comes_there_is_told_once(folder: Folder) -> None:
    """What happened says more than what would."""
    folder.playbook(body="    return message.subjct\n", declared="on=Detection, examples=[miss()]")
    (problem,) = folder.check().problems
    assert "raised AttributeError" in problem.message


def test_a_worker_loads_what_would_fail_somewhere(folder: Folder) -> None:
    """Only the events that come there are parked: the check is for before the roll-out."""
    folder.playbook(body=f"    return message.subjct if {NEVER} else None\n")
    assert folder.only_playbook().id == "junk"
