from __future__ import annotations

import json

import pytest

from tests.playbooks.folder import BODY, IMPORTS, Folder
from worker.playbooks.checking import Report

SPAM_ONLY = f'    if message.final_disposition == "SPAM":\n    {BODY.splitlines()[1]}\n'


def checked(folder: Folder, example: str, body: str = SPAM_ONLY) -> Report:
    """The check of one playbook with one example, which stands on line 3."""
    folder.playbook(declared=f"on=Detection, examples=[\n{example}]", body=body)
    return folder.check()


@pytest.mark.parametrize(
    "example",
    [
        "hit(final_disposition='SPAM')",
        "miss(final_disposition='NONE')",
        "hit(final_disposition='SPAM', expect=[('move', 'JunkEmail')])",
    ],
)
def test_an_example_that_holds_is_counted(folder: Folder, example: str) -> None:
    """No problem, one example run."""
    report = checked(folder, example)
    assert report.ok
    assert (report.examples, report.failed, report.problems) == (1, 0, ())


@pytest.mark.parametrize(
    "example, message",
    [
        ("hit()", "hit(): expected an action, got nothing"),
        ("miss(final_disposition='SPAM')", "expected nothing, got move to JunkEmail"),
        ("hit(final_disposition='SPAM', expect=[('move', 'Inbox')])", "expected move to Inbox, got move to"),
        ("hit(final_disposition='SPAM', expect='move')", "is no list of pairs"),
        ("hit(final_disposition='SPAM', expect=[])", "is no list of pairs"),
        ("hit(final_dispositon='SPAM')", "(did you mean `final_disposition`?)"),
        ("miss(subject=7)", "at `$.subject`"),
    ],
)  # fmt: skip
def test_an_example_that_fails_names_its_line(folder: Folder, example: str, message: str) -> None:
    """Expected and got, at the example's own file and line."""
    report = checked(folder, example)
    (problem,) = report.problems
    assert not report.ok
    assert report.failed == 1
    assert (problem.path, problem.line, problem.playbook) == (folder.path / "a.py", 3, "junk")
    assert message in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    "body, message, remedy",
    [
        ("    return message.subjct\n", "no attribute 'subjct' (did you mean `subject`?)", "name a field"),
        (
            "    return Move(message, to='Trash')\n",
            "Move(to='Trash'): unknown destination; choose one of Inbox",
            "mend the line",
        ),
        ("    return Reclassify(message, to='HAM')\n", "Reclassify(to='HAM'): unknown disposition", "mend the line"),
        ("    return message.subject.lower()\n", "'NoneType' object has no attribute 'lower'", "guard it"),
        ("    raise ValueError('so')\n", "raised ValueError: so", "guard it"),
    ],
)  # fmt: skip
def test_an_example_that_raises_names_the_authors_line(
    folder: Folder, body: str, message: str, remedy: str
) -> None:
    """What an example reaches fails here instead of in production, with the exception's own words."""
    (problem,) = checked(folder, "hit()", body).problems
    assert problem.line == 5
    assert message in problem.message
    assert "of line 3" in problem.message
    assert remedy in problem.remedy
    assert ("guard it" in problem.remedy) == (remedy == "guard it")


def test_an_example_that_returns_the_wrong_type_is_a_problem(folder: Folder) -> None:
    """As the worker would refuse it."""
    (problem,) = checked(folder, "miss()", "    return True\n").problems
    assert "returned a bool" in problem.message


def test_examples_are_decided_at_a_fixed_time(folder: Folder) -> None:
    """A playbook that looks at the time has examples that hold every day."""
    example = "hit(scanned_at='2026-11-20T11:59:00Z'), miss(scanned_at='2026-11-20T10:00:00Z')"
    body = f"    if (context.now - message.scanned_at).seconds < 600:\n    {BODY.splitlines()[1]}\n"
    folder.playbook(head="(message, context)", declared=f"on=Detection, examples=[{example}]", body=body)
    assert folder.check().problems == ()


def test_a_playbook_without_examples_is_only_warned_about(folder: Folder) -> None:
    """Nothing shows when it acts or stays quiet; that is no error."""
    folder.playbook(head="(message: Detection) -> Move | None")
    report = folder.check()
    assert report.ok
    assert ["no hit" in warning.message for warning in report.warnings] == [True, False]
    assert ["no miss" in warning.message for warning in report.warnings] == [False, True]


@pytest.mark.parametrize(
    "head, missing",
    [
        ("(message)", "`message` and the return value"),
        ("(message: Detection)", "the return value"),
        ("(message: Detection, context) -> Move | None", "`context`"),
    ],
)
def test_what_is_not_annotated_is_warned_about(folder: Folder, head: str, missing: str) -> None:
    """A type checker passes over it, and so do editors."""
    folder.playbook(head=head)
    report = folder.check()
    assert report.ok
    (warning,) = [one for one in report.warnings if "annotated" in one.message]
    assert warning.message.startswith(f"{missing} not annotated")


@pytest.mark.parametrize(
    "example, diff",
    [
        ("hit()", ("- an action",)),
        ("miss(final_disposition='SPAM')", ("+ move to JunkEmail",)),
        (
            "hit(final_disposition='SPAM', expect=[('move', 'Inbox'), ('release', '')])",
            ("- move to Inbox", "+ move to JunkEmail", "- release"),
        ),
    ],
)
def test_what_is_missing_and_what_is_too_much_is_told(
    folder: Folder, example: str, diff: tuple[str, ...]
) -> None:
    """Line by line, as pytest does."""
    (problem,) = checked(folder, example).problems
    assert problem.diff == diff


def test_problems_of_loading_are_problems_of_the_check(folder: Folder) -> None:
    """One report for everything; what loads is still checked."""
    folder.write("b.py", "import os\n")
    report = checked(folder, "hit()")
    assert [problem.path.name for problem in report.problems] == ["b.py", "a.py"]


def test_a_report_is_json(folder: Folder) -> None:
    """What `--json` prints can be read back and holds no Python object."""
    folder.write("lists/vips.txt", "a\nb")
    folder.write("b.py", IMPORTS)
    data = json.loads(json.dumps(checked(folder, "hit()").as_json()))
    assert data["ok"] is False
    assert data["examples"] == {"run": 1, "failed": 1}
    assert data["lists"] == {"vips": 2}
    assert [playbook["id"] for playbook in data["playbooks"]] == ["junk"]
    assert {problem["playbook"] for problem in data["problems"]} == {None, "junk"}
    assert set(data["problems"][0]) == {"path", "line", "playbook", "message", "remedy", "diff"}
    (case,) = data["cases"]
    assert (case["playbook"], case["line"], case["problem"]) == ("junk", 3, data["problems"][1])
