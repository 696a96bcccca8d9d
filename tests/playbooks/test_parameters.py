"""Parameters: declared by authors, set by operators in params.toml, and never a guess."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

from tests.playbooks.folder import IMPORTS, Folder
from worker.model.events import Detection
from worker.playbooks import Context, Move, Params, playbook
from worker.playbooks.examples import EXAMPLE_NOW
from worker.testing import decide, detection

MODEL = """class Limits(Params):
    days: int = Field(default=30, ge=1, le=90)
    words: tuple[str, ...] = ("toner",)
    hosts: frozenset[str] = frozenset()
"""
BODY = """    wanted = (message.subject or "") in params.words
    return Move(message, to="JunkEmail", reason=str(params.days)) if wanted else None
"""
EXAMPLES = 'examples=[hit(subject="toner"), miss()]'
NOW = Context(now=EXAMPLE_NOW)
TONER = detection(subject="toner")


class Limits(Params):
    """Where to."""

    to: str = "JunkEmail"


@playbook(on=Detection, params=Limits)
def junk(message: Detection, params: Limits) -> Move | None:
    """Moves everything."""
    return Move(message, to=params.to)


def write(
    folder: Folder,
    toml: str | bytes | None = None,
    *,
    file: str = "junk.py",
    name: str = "junk",
    model: str = MODEL,
    declared: str = "params=Limits",
    head: str = "(message: Detection, params: Limits) -> Move | None",
) -> Path:
    """A playbook with parameters, and what params.toml says of it."""
    source = f"{IMPORTS}{model}@playbook(on=Detection, {declared}, {EXAMPLES})\ndef {name}{head}:\n{BODY}"
    if toml is not None:
        folder.write("params.toml", toml)
    return folder.write(file, source)


def reason(folder: Folder) -> str:
    """What the only playbook gives as its reason for a message on toner: its `days`."""
    (action,) = folder.only_playbook().decide(TONER, NOW)
    return action.reason


def test_without_a_file_the_defaults_are_in_force(folder: Folder) -> None:
    """And the function stays a plain one, whose code can be read."""
    write(folder)
    assert reason(folder) == "30"
    assert isinstance(folder.only_playbook().function, FunctionType)


@pytest.mark.parametrize(
    "head",
    [
        "(message, params)",
        "(message, context, params)",
        "(message, *, params)",
        "(message, context, *, params: Limits)",
        "(message, params: Limits = Limits(days=3))",
    ],
)
def test_the_values_of_the_file_reach_the_function(folder: Folder, head: str) -> None:
    """As its last parameter, beside a context or not, also by its name alone."""
    write(folder, "[junk]\ndays = 7\n", head=head)
    assert reason(folder) == "7"
    assert folder.only_playbook().takes_context == ("context" in head)


def test_changed_values_are_a_changed_version(folder: Folder) -> None:
    """What was parked is decided again; a comment, the order of a set and a default spelt out are no change."""
    write(folder)
    before = folder.only_playbook().version
    for toml, same in (
        ("# nothing\n", True),
        ("[junk]\ndays = 30\n", True),
        ("[junk]\ndays = 31\n", False),
        ('[junk]\nhosts = ["a"]\n', False),
    ):
        folder.write("params.toml", toml)
        assert (folder.only_playbook().version == before) is same, toml
    versions = set()
    for hosts in ('["a", "b", "c"]', '["c", "a", "b"]'):
        folder.write("params.toml", f"[junk]\nhosts = {hosts}\n")
        versions.add(folder.only_playbook().version)
    assert len(versions) == 1


@pytest.mark.parametrize(
    "toml, line, what, remedy",
    [
        ("\n[junk]\n\ndays = 0\n", 4, "`days` is 0: input should be greater than or equal to 1", "default is 30"),
        ('[junk]\ndays = "7"\n', 2, "`days` is '7': input should be a valid integer", "default is 30"),
        ("[junk]\ndays = true\n", 2, "`days` is True: input should be a valid integer", "default is 30"),
        ("[junk]\ndays = 7\ndayz = 7\n", 3, "no parameter `dayz` (did you mean `days`?)", "days, words, hosts"),
        ('[junk]\nwords = [\n  "a",\n  7,\n]\n', 2, "`words.1` is 7: input should be a valid string", "('toner',)"),
        ("x = 1\njunk = 7\n", 2, "`junk` is no table", "[junk]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    folder: Folder, toml: str, line: int, what: str, remedy: str
) -> None:
    """File, line, playbook, what was expected and what to do."""
    write(folder, toml)
    problem = next(one for one in folder.load().problems if one.playbook)
    assert (problem.path, problem.line, problem.playbook) == (folder.path / "params.toml", line, "junk")
    assert what in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    "toml, line, what",
    [
        ("[junk]\ndays = 0\n", 2, "`days` is 0"),
        ("[junk]\ndays =\n", 2, "is not TOML: Invalid value"),
        ("[junk]\ndays = '''\n", 3, "is not TOML: Expected"),
        (b"[junk]\n# \xff\n", 2, "is not UTF-8"),
        ("x = " + "[" * 100_000, 1, "is not TOML: nested too deeply"),
        ("# y\n[jnk]\ndays = 7\n", 2, "no playbook 'jnk' is loaded (did you mean `junk`?)"),
    ],
)
def test_nobody_runs_on_defaults_that_were_overruled(
    folder: Folder, toml: str | bytes, line: int, what: str
) -> None:
    """Whoever's values cannot be had waits, with the file's events; all others run."""
    write(folder, toml)
    write(folder, name="other", file="other.py", model="", declared="id='other'", head="(message)")
    catalogue = folder.load()
    (problem,) = catalogue.problems
    assert [one.id for one in catalogue.playbooks] == ["other"]
    assert (problem.path.name, problem.line) == ("params.toml", line)
    assert what in str(problem)
    assert problem.stopped == ("junk.py",)


def test_a_link_into_nothing_is_no_missing_file(folder: Folder) -> None:
    """A volume that is not mounted must not bring the defaults back."""
    write(folder)
    (folder.path / "params.toml").symlink_to(folder.path / "gone")
    assert "cannot be read" in folder.only_problem().message


def test_a_table_of_a_playbook_without_parameters_is_told(folder: Folder) -> None:
    """It would say in vain what somebody relies on; the playbook itself runs."""
    folder.playbook()
    folder.write("params.toml", "[junk]\ndays = 7\n")
    catalogue = folder.load()
    assert [one.id for one in catalogue.playbooks] == ["junk"]
    (problem,) = catalogue.problems
    assert (problem.line, problem.message, problem.stopped) == (1, "the playbook has no parameters", ())


@pytest.mark.parametrize(
    "parts, what",
    [
        ({"head": "(message)"}, "declares params=Limits, but takes no `params` as its last parameter"),
        ({"head": "(message, params, context)"}, "takes message, params, context; expected one event"),
        ({"declared": "owner='me'"}, "takes `params`, but its decorator declares none"),
        ({"head": "(message, params: int)"}, "`params` is annotated int but gets a Limits"),
        ({"declared": "params=int"}, "expected a class of your own that extends Params"),
        ({"model": "class Limits(Params):\n    days: int\n"}, "parameter `days` has no default"),
        ({"model": "class Limits(Params):\n    days: list = []\n"}, "parameter `days` is a list, which can be changed"),
        ({"model": "class Limits(Params):\n    days: int = Field(default=0, ge=1)\n"}, "the default of `days` is 0"),
    ],
)  # fmt: skip
def test_what_an_author_gets_wrong_is_one_problem(folder: Folder, parts: dict[str, str], what: str) -> None:
    """In the playbook's own file."""
    file = write(folder, **parts)
    problem = folder.only_problem()
    assert (problem.path, problem.playbook) == (file, "junk")
    assert what in problem.message


def test_check_decides_examples_with_the_values_in_force(folder: Folder) -> None:
    """An override that breaks a promise of its author is told before it is taken up."""
    write(folder, '[junk]\nwords = ["ink"]\n')
    report = folder.check()
    assert [one.message for one in report.problems] == [
        "hit(subject='toner'): expected an action, got nothing"
    ]
    folder.write("params.toml", '[junk]\nwords = ["ink", "toner"]\n')
    report = folder.check()
    assert report.ok
    (told,) = report.as_json()["playbooks"]
    assert told["params"] == {"days": 30, "words": ["ink", "toner"], "hosts": []}


def test_a_test_gives_parameters_of_its_own() -> None:
    """Only of the playbook's own class."""
    assert [one.target for one in decide(junk, TONER)] == ["JunkEmail"]
    assert [one.target for one in decide(junk, TONER, params=Limits(to="Inbox"))] == ["Inbox"]
    with pytest.raises(TypeError, match="junk takes Limits, not Params"):
        decide(junk, TONER, params=Params())


def test_pydantic_costs_nobody_who_has_no_parameters(folder: Folder) -> None:
    """Loading a folder without any imports none of it."""
    folder.write(
        "junk.py",
        "from worker.playbooks import Detection, playbook\n@playbook(on=Detection)\ndef junk(m): ...\n",
    )
    program = (
        "import sys; from pathlib import Path; from worker.playbooks.loader import load\n"
        f"assert len(load(Path({str(folder.path)!r})).playbooks) == 1; sys.exit('pydantic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
