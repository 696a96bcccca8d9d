from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.playbooks.folder import IMPORTS, Folder, playbook_source
from worker.playbooks.loader import load


@pytest.mark.parametrize(
    "statement, use",
    [
        ("from ._shared import WORD", "WORD"),
        ("from . import _shared", "_shared.WORD"),
        ("from ._shared import *", "WORD"),
        ("from rules._shared import WORD", "WORD"),
        ("from rules import _shared as mine", "mine.WORD"),
        ("import rules._shared", "rules._shared.WORD"),
        ("import rules._shared as mine", "mine.WORD"),
        ("from _shared import WORD", "WORD"),
        ("from _shared import *", "WORD"),
        ("import _shared", "_shared.WORD"),
        ("import _shared as mine", "mine.WORD"),
    ],
)
def test_playbooks_may_share_modules_of_their_folder(folder: Folder, statement: str, use: str) -> None:
    """A relative import, one under the folder's name and one as from Python's path mean the same module."""
    folder.write("_shared.py", "WORD = 'invoice'")
    folder.write("a.py", f"{IMPORTS}{statement}\nOWN = {use}\n{playbook_source()}")
    before = folder.only_playbook()
    assert before.function.__globals__["OWN"] == "invoice"
    folder.write("_shared.py", "WORD = 'invoice' * 2")
    assert folder.only_playbook().version != before.version


@pytest.mark.parametrize("statement", ["from rules._shared import WORD", "from mine._shared import WORD"])
def test_a_folder_of_another_name_is_a_rules_folder_too(folder: Folder, statement: str) -> None:
    """A playbook that was written in rules/ loads wherever it is mounted."""
    folder.write("_shared.py", "WORD = 'invoice'")
    folder.write("a.py", f"{IMPORTS}{statement}\nOWN = WORD\n{playbook_source()}")
    found = load(folder.path.rename(folder.path.with_name("mine")))
    assert found.problems == ()
    assert found.playbooks[0].function.__globals__["OWN"] == "invoice"


def test_what_is_no_module_of_the_folder_is_refused_under_any_name(folder: Folder) -> None:
    """A name with an underscore alone opens no door."""
    folder.write("_shared.py", "WORD = 'invoice'")
    for statement in (
        "import _socket",
        "from _socket import socket",
        "import _shared.other",
        "from _posixsubprocess import fork_exec",
    ):
        folder.write("a.py", f"{IMPORTS}{statement}\n{playbook_source()}")
        assert "imports" in folder.only_problem().message, statement


def test_a_shared_module_runs_once_for_all_files(folder: Folder) -> None:
    """Two playbooks see the same module object."""
    folder.write("_shared.py", "MARK = object()")
    for name in ("a", "b"):
        folder.write(f"{name}.py", f"{IMPORTS}from ._shared import MARK\n{playbook_source(name=name)}")
    one, other = folder.load().playbooks
    assert one.function.__globals__["MARK"] is other.function.__globals__["MARK"]


def test_each_load_starts_afresh(folder: Folder) -> None:
    """A changed file of the same length and age is seen, and the earlier catalogue keeps what it loaded."""
    shared = folder.write("_shared.py", "WORD = 'one'")
    folder.write("a.py", f"{IMPORTS}from ._shared import WORD\n{playbook_source()}")
    before = folder.only_playbook()
    shared.write_text("WORD = 'two'")
    after = folder.only_playbook()
    assert before.function.__globals__["WORD"] == "one"
    assert after.function.__globals__["WORD"] == "two"


def test_a_load_leaves_nothing_behind(folder: Folder) -> None:
    """Neither sys.modules nor the folder knows of it afterwards, also where a file was bad."""
    before = set(sys.modules)
    folder.write("_shared.py", "WORD = 1")
    folder.write("a.py", f"{IMPORTS}from rules._shared import WORD\n{playbook_source()}")
    folder.write("b.py", "1 / 0")
    folder.load()
    assert {name for name in set(sys.modules) - before if "rules" in name} == set()
    assert sorted(file.name for file in folder.path.iterdir()) == ["_shared.py", "a.py", "b.py"]


def test_string_annotations_of_dataclasses_work(folder: Folder) -> None:
    """`dataclasses` looks up its class's module by name while the file runs."""
    folder.write(
        "a.py",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        f"{IMPORTS}@dataclass(frozen=True)\nclass Limit:\n    words: int = 3\n{playbook_source()}",
    )
    assert folder.only_playbook().function.__globals__["Limit"]().words == 3


def test_a_module_that_is_refused_is_reported_once_and_named_by_its_importers(folder: Folder) -> None:
    """The cause stands where it is; the importers say whom to mend first."""
    folder.write("_shared.py", "x = 1\n1 / 0")
    for name in ("a", "b"):
        folder.write(f"{name}.py", f"{IMPORTS}from ._shared import x\n{playbook_source(name=name)}")
    problems = [(problem.path.name, problem.line, problem.message) for problem in folder.load().problems]
    assert problems == [
        ("_shared.py", 2, "raised ZeroDivisionError: division by zero while it was imported"),
        ("a.py", 2, "needs _shared.py, which was refused"),
        ("b.py", 2, "needs _shared.py, which was refused"),
    ]


def test_a_failure_in_a_shared_function_points_at_its_line(folder: Folder) -> None:
    """The innermost line of the author's code is the one to mend."""
    shared = folder.write("_shared.py", "def fail():\n    return 1 / 0\n")
    folder.write("a.py", f"{IMPORTS}from ._shared import fail\nfail()\n")
    problem = folder.only_problem()
    assert (problem.path, problem.line) == (shared, 2)


def test_a_circular_import_is_named_as_a_ring(folder: Folder) -> None:
    """Half-made modules would fail later and elsewhere."""
    folder.write("_one.py", "from . import _two\n")
    folder.write("_two.py", "from . import _one\n")
    folder.write("a.py", f"{IMPORTS}from . import _one\n{playbook_source()}")
    messages = {problem.path.name: problem.message for problem in folder.load().problems}
    assert messages["_two.py"] == "circular import: _one.py -> _two.py -> _one.py"
    assert messages["a.py"] == "needs _one.py, which was refused"


def test_an_exception_that_cannot_be_printed_is_still_a_problem(folder: Folder) -> None:
    """The loader does not trust an author's __str__."""
    folder.write("a.py", "class Odd(Exception):\n    def __str__(self): return 1 / 0\nraise Odd\n")
    assert "str() failed" in folder.only_problem().message


def _version(folder: Folder, playbook: str = "junk") -> str:
    return {one.id: one.version for one in folder.load().playbooks}[playbook]


def test_a_version_follows_the_source_and_what_it_imports(folder: Folder) -> None:
    """It changes with the file and with each module that it reaches, and with nothing else."""
    own = folder.write("a.py", f"{IMPORTS}from ._one import x\n{playbook_source()}")
    folder.write("_one.py", "from ._two import x")
    two = folder.write("_two.py", "x = 1")
    other = folder.write("_other.py", "x = 1")
    versions = [_version(folder)]
    other.write_text("x = 2")
    assert _version(folder) == versions[0]
    for file in (own, two):
        file.write_text(file.read_text() + "\n# changed")
        versions.append(_version(folder))
    assert len(set(versions)) == 3
    assert all(len(version) == 12 and int(version, 16) >= 0 for version in versions)


def test_a_module_that_another_file_loaded_first_counts_too(folder: Folder) -> None:
    """Versions follow the imports of each file, not the order of loading."""
    shared = folder.write("_shared.py", "x = 1")
    for name in ("a", "b"):
        folder.write(f"{name}.py", f"{IMPORTS}from ._shared import x\n{playbook_source(name=name)}")
    before = _version(folder, "b")
    shared.write_text("x = 2")
    assert _version(folder, "b") != before


def test_a_version_is_the_same_on_another_machine(folder: Folder, tmp_path: Path) -> None:
    """Neither the path nor the line ends of a checkout matter."""
    folder.playbook()
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder.path, copy)
    (copy / "a.py").write_bytes((copy / "a.py").read_bytes().replace(b"\n", b"\r\n"))
    assert load(copy).playbooks[0].version == _version(folder)
