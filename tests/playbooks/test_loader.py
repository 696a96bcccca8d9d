from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.playbooks.folder import BODY, IMPORTS, Folder, playbook_source
from worker.model.actions import Mode
from worker.model.events import Detection, PhishReport
from worker.playbooks import Caps
from worker.playbooks.loader import load


def test_a_playbook_carries_what_its_author_declared(folder: Folder) -> None:
    """Every argument of the decorator, the docstring's first line, file and line arrive."""
    declared = (
        'on=Detection, id="junk-it", mode="approve", owner="soc", caps=Caps(per_poll=3), examples=[hit()]'
    )
    file = folder.playbook(declared=declared)
    playbook = folder.only_playbook()
    assert (playbook.id, playbook.on, playbook.mode) == ("junk-it", Detection, Mode.APPROVE)
    assert (playbook.owner, playbook.caps) == ("soc", Caps(per_poll=3, per_hour=500))
    assert (playbook.title, playbook.path, playbook.line) == ("Moves it.", file, 2)
    assert len(playbook.examples) == 1
    assert not playbook.takes_context


def test_defaults_are_the_safe_ones(folder: Folder) -> None:
    """Without arguments a playbook is in shadow mode, capped, and named after its function."""
    folder.playbook(name="junk_all_spam")
    playbook = folder.only_playbook()
    assert (playbook.id, playbook.mode, playbook.caps) == ("junk-all-spam", Mode.SHADOW, Caps(100, 500))


def test_playbooks_are_sorted_by_id_and_found_by_event_type(folder: Folder) -> None:
    """The catalogue's order does not depend on file names."""
    folder.playbook("z.py", name="aaa")
    folder.playbook("a.py", name="zzz")
    folder.playbook("r.py", name="report", declared="on=PhishReport", body="    return None\n")
    catalogue = folder.load()
    assert [playbook.id for playbook in catalogue.playbooks] == ["aaa", "report", "zzz"]
    assert [playbook.id for playbook in catalogue.by_type[Detection]] == ["aaa", "zzz"]
    assert [playbook.id for playbook in catalogue.by_type[PhishReport]] == ["report"]


def test_only_the_top_level_is_loaded_and_no_hidden_or_underscored_file(folder: Folder) -> None:
    """Files whose names start with `_` or `.`, other suffixes and folders are not playbooks."""
    folder.playbook()
    for name in ("_draft.py", ".hidden.py", "notes.txt", "old/b.py"):
        folder.write(name, "raise RuntimeError")
    assert folder.only_playbook().id == "junk"


def test_a_bad_file_never_stops_the_others(folder: Folder) -> None:
    """The good playbooks load beside every kind of bad one."""
    folder.playbook("good.py")
    folder.write("bad1.py", "def (")
    folder.write("bad2.py", "raise SystemExit(3)")
    folder.write("bad3.py", b"\xff\xfe")
    folder.playbook("bad4.py", name="other", declared="on=int")
    catalogue = folder.load()
    assert [playbook.id for playbook in catalogue.playbooks] == ["junk"]
    assert [problem.path.name for problem in catalogue.problems] == [
        "bad1.py",
        "bad2.py",
        "bad3.py",
        "bad4.py",
    ]


@pytest.mark.parametrize(
    "source, line, message",
    [
        ("x = 1\ndef (", 2, "syntax error"),
        ("x = 1\nx = '\0'", 0, "null byte"),
        (b"# caf\xe9", 1, "is not UTF-8"),
        (b"x = 1\n# caf\xe9\n", 2, "is not UTF-8"),
        ("x = 1\ny = x / 0", 2, "raised ZeroDivisionError: division by zero while it was imported"),
        ("x = 1\nraise SystemExit(3)", 2, "raised SystemExit: 3"),
        ("class Mine(BaseException): ...\nraise Mine('no')", 2, "raised a.Mine: no"),
        ("from worker.playbooks import Caps\nCaps(per_poll=0)", 2, "Caps(per_poll=0): expected a positive"),
        ("from worker.playbooks import Caps\nCaps(per_hour=True)", 2, "Caps(per_hour=True): expected"),
        ("from worker.playbooks import playbook\n@playbook\ndef f(m): ...", 2, "playbook() takes 0"),
        ("from worker.playbooks import playbook\n@playbook(mode='x')\ndef f(m): ...", 2, "argument: 'on'"),
        ("from worker.playbooks import hit\n", 1, "holds no playbook"),
        ("from ._missing import x\n", 1, "no module _missing.py"),
        ("", 1, "holds no playbook"),
        ("if True:\n\tx = 1\n        y = 2\n", 3, "inconsistent use of tabs"),
        ("#" * 2**20 + "\n", 0, "has 1048577 bytes; at most 1048576"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_loaded_is_one_problem(
    folder: Folder, source: str | bytes, line: int, message: str
) -> None:
    """The problem names the file, the line where there is one, and what happened."""
    file = folder.write("a.py", source)
    problem = folder.only_problem()
    assert problem.path == file
    assert message in problem.message
    assert line in (0, problem.line)
    assert problem.remedy


@pytest.mark.parametrize(
    "declared, message, remedy",
    [
        ("on=int", "on=int: no such event type", "on=PhishReport or on=Submission"),
        ("on='Detection'", "on='Detection': no such event type", "on=Detection"),
        (
            "on=Detection, mode='enforced'",
            "no such mode (did you mean `enforce`?)",
            "shadow, approve, enforce",
        ),
        ("on=Detection, mode=None", "mode=None: no such mode", "shadow"),
        ("on=Detection, id='Junk It!'", "id 'Junk It!'", 'write id="junk-it"'),
        ("on=Detection, id='-junk'", "id '-junk'", 'write id="junk"'),
        ("on=Detection, id='_junk'", "id '_junk'", 'write id="junk"'),
        ("on=Detection, id='x' * 65", "at most 64 characters", "write id="),
        ("on=Detection, id=''", "id ''", 'write id="my-playbook"'),
        ("on=Detection, id=7", "id 7", 'write id="7"'),
        ("on=Detection, id='undo'", "is taken by `worker undo`", "choose another id"),
        ("on=Detection, owner=None", "owner=None: expected text", "write owner="),
        ("on=Detection, caps=100", "caps=100: expected Caps", "caps=Caps(per_poll=100"),
        ("on=Detection, examples=hit()", "expected a list of hit(...) and miss(...)", "examples=[hit("),
        ("on=Detection, examples=[hit(), {'subject': 'x'}]", "example 2 is a dict", "examples=[hit("),
        ("on=Detection)\n@playbook(on=PhishReport", "more than once", "one function for each"),
    ],
)
def test_a_wrong_declaration_is_a_problem_of_the_playbook(
    folder: Folder, declared: str, message: str, remedy: str
) -> None:
    """The problem points at the decorator, says what is wrong and what to write."""
    folder.playbook(declared=declared)
    problem = folder.only_problem()
    assert problem.line == 2
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    "head, message",
    [
        ("()", "takes nothing"),
        ("(message, context, more)", "takes message, context, more"),
        ("(*messages)", "takes *messages"),
        ("(message, **rest)", "takes message, **rest"),
        ("(message, *, context)", "expected one event and at most one more parameter named `context`"),
        ("(message, lists)", "its second parameter is `lists`"),
        ("(message: PhishReport)", "`message` is annotated PhishReport but gets a Detection"),
        ("(message, context: dict)", "`context` is annotated dict but gets a Context"),
        ("(message: 'Mesage')", "its annotations cannot be read: NameError"),
        ("(message) -> bool", "its return annotation is bool"),
        ("(message) -> Move | str", "its return annotation is worker.model.actions.Move | str"),
        ("(message) -> dict[str, Move]", "its return annotation is dict"),
        ("(message) -> list[str]", "its return annotation is list[str]"),
        ("(message) -> Generator", "its return annotation is "),
    ],
)
def test_a_wrong_signature_is_a_problem(folder: Folder, head: str, message: str) -> None:
    """What the worker could not call, or could not use, is refused before it is called."""
    folder.write("a.py", f"from collections.abc import Generator\n{IMPORTS}{playbook_source(head=head)}")
    assert message in folder.only_problem().message


@pytest.mark.parametrize(
    "head",
    [
        "(message)",
        "(message, /)",
        "(message, context)",
        "(message: Detection, context: Context) -> Move | None",
        "(message: Detection | PhishReport) -> 'Move | None'",
        "(message: object) -> None",
        "(message) -> list[Move]",
        "(message) -> list[Move | Release] | None",
        "(message) -> tuple[Move, ...]",
        "(message) -> tuple[()]",
        "(message) -> Iterable[Move]",
        "(message) -> Optional[Sequence[Reclassify]]",
    ],
)
def test_a_right_signature_is_accepted(folder: Folder, head: str) -> None:
    """Annotations are optional; sequences and unions of actions are fine."""
    typing = "from collections.abc import Iterable, Sequence\nfrom typing import Optional\n"
    folder.write("a.py", IMPORTS + typing + playbook_source(head=head))
    assert folder.only_playbook().takes_context == ("context" in head)


@pytest.mark.parametrize("head", ["async def junk(message): ...", "async def junk(message):\n    yield None"])
def test_an_async_playbook_is_refused(folder: Folder, head: str) -> None:
    """A coroutine function and an async generator both get the remedy."""
    folder.write("a.py", f"{IMPORTS}@playbook(on=Detection)\n{head}\n")
    problem = folder.only_problem()
    assert "async" in problem.message
    assert "write `def`" in problem.remedy


def test_a_generator_is_refused(folder: Folder) -> None:
    """Calling one runs nothing of it: what it does would be seen only while its actions are collected."""
    folder.playbook(body='    yield Move(message, to="JunkEmail")\n')
    problem = folder.only_problem()
    assert "is a generator" in problem.message
    assert "build a list" in problem.remedy


def test_a_decorated_class_is_refused(folder: Folder) -> None:
    """A playbook is a plain function."""
    folder.write("a.py", f"{IMPORTS}@playbook(on=Detection)\nclass Junk: ...\n")
    assert "a playbook is a plain function" in folder.only_problem().message


@pytest.mark.parametrize("wrong", ["1 / 0", "(_ for _ in ()).throw(SystemExit)", "[].pop()"])
def test_an_authors_objects_cannot_stop_the_loader(folder: Folder, wrong: str) -> None:
    """Neither a __repr__ nor a __getattr__ that raises takes other files with it, or the worker."""
    odd = f"class Odd:\n    def __repr__(self): return {wrong}\n"
    folder.write("a.py", f"{IMPORTS}{odd}{playbook_source(declared='on=Detection, mode=Odd()')}")
    odd = f"class Odd:\n    def __getattr__(self, name): return {wrong}\nodd = Odd()\n"
    folder.write("b.py", f"{IMPORTS}{odd}{playbook_source(name='second')}")
    folder.write("c.py", "x = " + "-" * 100_000 + "1\n")
    folder.playbook("d.py", name="good")
    catalogue = folder.load()
    assert [playbook.id for playbook in catalogue.playbooks] == ["good", "second"]
    messages = [problem.message for problem in catalogue.problems]
    assert "no such mode" in messages[0] or "cannot be inspected" in messages[0]
    assert "cannot be read as Python" in messages[1]


def test_of_two_equal_ids_none_is_loaded_and_each_names_the_other(folder: Folder) -> None:
    """Nobody can know which of the two is meant."""
    first = folder.playbook("a.py")
    second = folder.playbook("b.py")
    catalogue = folder.load()
    assert catalogue.playbooks == ()
    assert [(problem.path, problem.playbook) for problem in catalogue.problems] == [
        (first, "junk"),
        (second, "junk"),
    ]
    assert f"{second}:2" in catalogue.problems[0].message
    assert f"{first}:2" in catalogue.problems[1].message


def test_a_playbook_that_a_later_function_replaces_is_reported(folder: Folder) -> None:
    """Two functions of one name in one file: the first would vanish in silence."""
    folder.write("a.py", IMPORTS + playbook_source() + playbook_source(declared="on=Detection, id='second'"))
    (problem,) = folder.load().problems
    assert problem.line == 3
    assert "`junk` more than once" in problem.message


def test_one_bad_playbook_does_not_take_its_file_with_it(folder: Folder) -> None:
    """A file may hold several playbooks; each stands for itself."""
    folder.write("a.py", IMPORTS + playbook_source() + playbook_source(name="other", declared="on=int"))
    catalogue = folder.load()
    assert [playbook.id for playbook in catalogue.playbooks] == ["junk"]
    assert [problem.playbook for problem in catalogue.problems] == ["other"]


@pytest.mark.parametrize("name", ["", "rules/nowhere"])
def test_a_folder_without_playbooks_is_a_problem(tmp_path: Path, name: str) -> None:
    """An empty or missing folder would otherwise look like a worker that finds nothing to do."""
    (problem,) = load(tmp_path / name).problems
    assert problem.path == tmp_path / name
    assert "WORKER_RULES_DIR" in problem.remedy


@pytest.mark.parametrize(
    "call, remedy",
    [
        ("@playbook(on=Detection, mod='x')\ndef f(m): ...", "it takes on, id, mode, owner, caps,"),
        ("@playbook(on=Detection, mod='x')\ndef f(m): ...", "(did you mean `mode`?)"),
        ("Caps(per_pol=3)", "it takes per_poll, per_hour, per_day, share (did you mean `per_poll`?)"),
    ],
)
def test_a_misspelt_argument_is_told_with_the_right_one(folder: Folder, call: str, remedy: str) -> None:
    """Python names the wrong one only."""
    folder.write("a.py", f"{IMPORTS}{call}\n")
    problem = folder.only_problem()
    assert "got an unexpected keyword argument" in problem.message
    assert remedy in problem.remedy


def test_what_is_no_file_is_a_problem_and_is_not_waited_for(folder: Folder) -> None:
    """A link that leads nowhere or in a circle, and a pipe that nobody writes into; folders and hidden files are none."""
    folder.playbook()
    (folder.path / "circle.py").symlink_to("circle.py")
    (folder.path / "nowhere.py").symlink_to("gone.py")
    (folder.path / ".#hidden.py").symlink_to("gone.py")
    (folder.path / "package.py").mkdir()
    os.mkfifo(folder.path / "pipe.py")
    catalogue = folder.load()
    assert [(one.path.name, one.message) for one in catalogue.problems] == [
        ("circle.py", "cannot be read: Too many levels of symbolic links"),
        ("nowhere.py", "cannot be read: No such file or directory"),
        ("pipe.py", "is no file"),
    ]
    assert [one.id for one in catalogue.playbooks] == ["junk"]


def test_a_file_may_begin_with_a_byte_order_mark(folder: Folder) -> None:
    """Editors on Windows write one."""
    folder.write("a.py", b"\xef\xbb\xbf" + (IMPORTS + playbook_source()).encode())
    assert folder.only_playbook().id == "junk"


def test_lists_are_read_lower_cased_and_without_comments(folder: Folder) -> None:
    """Each .txt file is a list under its stem; comments and blank lines are not entries."""
    folder.playbook()
    folder.write(
        "lists/partners.txt", "# who\n\n  Billing@Partner.example # since 2026\r\nb#c@partner.example\n#x\n"
    )
    assert dict(folder.load().lists) == {
        "partners": frozenset({"billing@partner.example", "b#c@partner.example"}),
    }


@pytest.mark.parametrize(
    "text, message",
    [(b"\xff", "is not UTF-8"), (b"\n".join(b"%d" % n for n in range(100_001)), "more than 100000")],
)
def test_a_bad_list_is_a_problem_and_no_list(folder: Folder, text: bytes, message: str) -> None:
    """A list that cannot be trusted is not there at all: nothing is decided on half of it."""
    folder.playbook()
    folder.write("lists/partners.txt", text)
    catalogue = folder.load()
    assert message in catalogue.problems[0].message
    assert dict(catalogue.lists) == {}


def test_a_problem_is_one_line_and_safe_for_a_terminal(folder: Folder) -> None:
    """Path, line, playbook, message and remedy on one line, without control characters."""
    file = folder.playbook(body=BODY, declared="on=Detection, mode='a\\nb\\x1b[31m'")
    text = str(folder.only_problem())
    assert text.startswith(f"{file}:2: [junk] mode=")
    assert "Remedy: choose one of" in text
    assert text.isprintable()


@pytest.mark.parametrize(
    "source",
    [
        "@playbook(on=Detection)\nclass F:\n    pass\n",
        "class C:\n    def __call__(self, message):\n        pass\nf = playbook(on=Detection)(C())\n",
    ],
)
def test_what_is_no_function_is_named_with_its_line(folder: Folder, source: str) -> None:
    """That of the decorator: a class or an object has no code that would tell one."""
    folder.write("a.py", IMPORTS + source)
    told = {problem.line for problem in folder.load().problems}
    line = 2 + source[: source.index("playbook(")].count("\n")
    assert told == {line}
