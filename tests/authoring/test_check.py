"""`worker check` as a person and as CI see it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.cli import run_cli

ALLOWED = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "time"}, {"testcase", "system-out"}),
    "testcase": ({"classname", "name"}, {"failure"}),
    "failure": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}
"""Elements, with the attributes and children that every reader of JUnit XML knows; those here are all required."""
HEAD = "(message: Detection) -> Move | None"
SPAM = "    return Move(message, to='JunkEmail', reason='spam') if message.final_disposition == 'SPAM' else None\n"


def write(folder: Folder, examples: str, name: str = "junk") -> Path:
    """A playbook on spam with these examples; the first stands on line 3."""
    source = playbook_source(name, f"on=Detection, examples=[\n{examples}]", HEAD, SPAM)
    return folder.write(f"{name}.py", IMPORTS + source)


def test_what_is_wrong_is_told_as_pytest_does(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """File and line, what was expected, what came; then the line itself and the difference."""
    file = write(folder, "hit(final_disposition='SPAM', expect=[('move', 'Inbox')]), miss()")
    assert run_cli(["check", str(folder.path)]) == 1
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"{file}:3: [junk] hit(final_disposition='SPAM'): expected move to Inbox, got move to Junk"
    )
    assert rest == [
        "    > hit(final_disposition='SPAM', expect=[('move', 'Inbox')]), miss()])",
        "    E - move to Inbox",
        "    E + move to JunkEmail",
        "1 playbooks, 1 of 2 examples as expected, 1 problems",
    ]


def test_a_list_that_is_due_is_told_and_fails_no_build(
    folder: Folder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was in order yesterday must not fail today with nothing changed; the operator says what is too long ago."""
    write(folder, "hit(final_disposition='SPAM'), miss()")
    folder.write("lists/a.txt", f"# reviewed: {date.today() - timedelta(days=3)}\n")  # noqa: DTZ011 - days
    for days, due in (("2", 1), ("9", 0)):
        monkeypatch.setenv("WORKER_LIST_REVIEW_DAYS", days)
        assert run_cli(["check", str(folder.path), "--strict"]) == 0
        assert capsys.readouterr().out.count("review: ") == due


def test_warnings_count_only_where_they_are_to(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0, and 1 with --strict; the JSON says the same."""
    write(folder, "hit(final_disposition='SPAM')")
    assert run_cli(["check", str(folder.path)]) == 0
    told = capsys.readouterr().out
    assert "warning: " in told
    assert "has no miss example" in told
    assert told.endswith("1 playbooks, 1 of 1 examples as expected, 0 problems, 1 warnings\n")
    for arguments, code in (([], 0), (["--strict"], 1)):
        assert run_cli(["check", str(folder.path), "--json", *arguments]) == code
        report = json.loads(capsys.readouterr().out)
        assert (report["ok"], len(report["problems"]), len(report["warnings"])) == (not code, 0, 1)


def test_what_ships_has_nothing_to_be_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """Simulated mail included: no two of our own playbooks contradict each other."""
    rules = Path(__file__).parents[2] / "rules"
    assert run_cli(["check", str(rules), "--strict"]) == 0, capsys.readouterr().out


def test_junit_is_well_formed_whatever_an_author_writes(folder: Folder, tmp_path: Path) -> None:
    """A case for each example and for each other problem; the counts are those of the cases."""
    write(
        folder,
        "hit(subject='\\x1b[31m\\u202e\\ud800\\ufffe<&\"]]>'),\nmiss(final_disposition='SPAM'), miss()",
    )
    folder.write("b.py", "import os\n")
    folder.write("c.py", IMPORTS + playbook_source("c", "on=Detection, examples=[miss()]", HEAD))
    out = tmp_path / "junit.xml"
    assert run_cli(["check", str(folder.path), "--junit", str(out)]) == 1
    root = ET.fromstring(out.read_bytes())  # noqa: S314 - our own
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert attributes == set(element.attrib)
        assert {child.tag for child in element} <= children
    (suite,) = root
    cases = suite.findall("testcase")
    failures = [case for case in cases if case.find("failure") is not None]
    assert (suite.get("tests"), suite.get("failures")) == (str(len(cases)), str(len(failures)))
    assert [case.get("classname") for case in failures] == ["c", "junk", "junk", "b"]
    failure = failures[1].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "junk.py:3: [junk] hit(subject=" in failure.text
    assert "- an action" in failure.text


def test_junit_counts_warnings_where_they_count(folder: Folder, tmp_path: Path) -> None:
    """Else they stand in the suite's output."""
    write(folder, "hit(final_disposition='SPAM')")
    for arguments, failures, told in (([], "0", True), (["--strict"], "1", False)):
        out = tmp_path / "junit.xml"
        run_cli(["check", str(folder.path), "--junit", str(out), *arguments])
        (suite,) = ET.fromstring(out.read_bytes())  # noqa: S314 - our own
        assert suite.get("failures") == failures
        assert (suite.find("system-out") is not None) == told


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--junit", "{folder}/nowhere/x.xml"], "--junit: "),
        (["--watch", "--json"], "--watch: is for people"),
        (["--watch", "{folder}/nowhere"], "is no folder"),
    ],
)
def test_wrong_usage_is_told(
    folder: Folder, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit code 2 and one line."""
    write(folder, "hit(final_disposition='SPAM'), miss()")
    told = [one.format(folder=folder.path) for one in arguments]
    directory = [] if told[-1].endswith("nowhere") else [str(folder.path)]
    assert run_cli(["check", *directory, *told]) == 2
    assert message in capsys.readouterr().err


def test_a_watch_checks_again_after_each_save(folder: Folder) -> None:
    """Now, after a save, and until Ctrl-C, which is how it ends."""
    file = write(folder, "hit(final_disposition='BULK'), miss()")
    command = [sys.executable, "-m", "worker", "check", "--watch", str(folder.path)]
    root = Path(__file__).parents[2]
    # A suite that runs in the background may have been told to ignore it, and its children with it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as watching:
        signal.signal(signal.SIGINT, before)
        impatience = threading.Timer(60.0, watching.kill)
        impatience.start()
        assert watching.stdout is not None
        told = iter(watching.stdout.readline, "")
        assert next(line for line in told if "examples" in line).startswith("1 playbooks, 1 of 2 examples")
        file.write_text(file.read_text().replace("BULK", "SPAM"))
        assert next(told) == "--- junk.py\n"
        assert next(told) == "1 playbooks, 2 of 2 examples as expected, 0 problems\n"
        watching.send_signal(signal.SIGINT)
        assert watching.wait() == 0
        impatience.cancel()


def test_it_loads_neither_database_nor_client(folder: Folder) -> None:
    """They would be half of its time, and authors wait for it at every save."""
    folder.playbook()
    asked = f"from worker.cli import run_cli; run_cli(['check', {str(folder.path)!r}])"
    told = "import sys; print(sorted({'aiohttp', 'alembic', 'sqlalchemy'} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", f"{asked}; {told}"], capture_output=True, check=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
