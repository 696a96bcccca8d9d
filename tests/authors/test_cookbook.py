"""Every recipe of the cookbook loads and does what its examples promise, exactly as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.authors.fences import DOCS, blocks
from worker.playbooks import Caps
from worker.playbooks.checking import Report, check

PAGE = (DOCS / "cookbook.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^### (\w+\.py)\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))
LISTS = {one.attributes["file"]: one.text for one in blocks(PAGE) if "file" in one.attributes}
LONGEST = 20
"""Lines of a playbook, its decorator and examples aside."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All of them in one folder, with the lists that the page shows."""
    folder = tmp_path_factory.mktemp("cookbook")
    (folder / "lists").mkdir()
    for name, text in {**LISTS, **{name: _code(name) for name in RECIPES}}.items():
        (folder / name).write_text(text, encoding="utf-8")
    return check(folder)


def test_all_of_them_pass_together(report: Report) -> None:
    """No problem, no warning, no example that fails: a reader may take any number of them."""
    assert [*map(str, (*report.problems, *report.warnings))] == []
    assert {Path(one.path).name for one in report.catalogue.playbooks} == set(RECIPES)


def test_there_are_twenty() -> None:
    """As the page says, each under the name of its function."""
    assert len(RECIPES) == 20
    assert all(f"\ndef {name.removesuffix('.py')}(" in _code(name) for name in RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_each_is_short_and_says_what_to_know(name: str, report: Report) -> None:
    """A hit and a miss, when to use it, and the mode and caps that stand in its code."""
    (playbook,) = [one for one in report.catalogue.playbooks if Path(one.path).name == name]
    assert {example.acts for example in playbook.examples} == {True, False}
    function = ast.parse(_code(name)).body[-1]
    assert isinstance(function, ast.FunctionDef)
    assert (function.end_lineno or 0) - function.lineno < LONGEST
    use, begin = re.findall(r"^\*\*(?:Use it when|Begin with)\*\* (.+)$", RECIPES[name], re.MULTILINE)
    assert use.endswith(".")
    mode, told = re.findall(r"^`(\w+)` and `Caps\((.+?)\)`", begin)[0]
    caps = Caps(**{name: ast.literal_eval(value) for name, value in re.findall(r"(\w+)=([\d.]+)", told)})
    assert (mode, caps) == (playbook.mode, playbook.caps)


def test_every_list_is_read() -> None:
    """The page shows no list that no recipe wants."""
    for name in LISTS:
        assert f'"{Path(name).stem}"' in PAGE, name


def _code(name: str) -> str:
    (code,) = [one.text for one in blocks(RECIPES[name]) if one.language == "python"]
    return code
