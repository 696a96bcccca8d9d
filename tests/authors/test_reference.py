"""The authors' reference is the code's own words, whole and up to date."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

import worker.playbooks
import worker.playbooks.conditions
from worker.model.events import EVENT_TYPES
from worker.model.kinds import ACTION_TYPES
from worker.playbooks.purity import PURE_MODULES
from worker.reference.docstrings import doc_of, field_docs, parse
from worker.reference.page import page

PAGE = Path(__file__).parents[2] / "docs" / "authors" / "reference.md"
SURFACE = {name: getattr(worker.playbooks, name) for name in worker.playbooks.__all__}
STRUCTS = {one for one in SURFACE.values() if isinstance(one, type) and issubclass(one, msgspec.Struct)}


def test_the_page_is_up_to_date() -> None:
    """After a change run: python -m worker.reference > docs/authors/reference.md."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_module_prints_the_page() -> None:
    """The command that the test above names does what it says."""
    done = subprocess.run([sys.executable, "-m", "worker.reference"], capture_output=True, check=True)
    assert done.stdout.decode() == page()


def test_everything_that_can_be_imported_is_on_it() -> None:
    """Every name of worker.playbooks, every field, every module of the standard library."""
    text = page()
    fields = {field for kind in STRUCTS for field in kind.__struct_fields__}
    for name in {*SURFACE, *fields, *PURE_MODULES}:
        assert f"`{name}`" in text, name
    for name in worker.playbooks.conditions.__all__:
        assert re.search(rf"^\| `{name}[`(]", text, re.MULTILINE), name


@pytest.mark.parametrize("kind", sorted({*STRUCTS, *EVENT_TYPES, *ACTION_TYPES}, key=str))
def test_every_field_says_what_it_means(kind: type[msgspec.Struct]) -> None:
    """A string stands behind each field; a new one without it fails here, by name."""
    assert {*kind.__struct_fields__} - {*field_docs(kind)} == set()
    assert doc_of(kind).title


def test_every_row_is_whole() -> None:
    """As many cells as the table's head has, none of them empty."""
    tables = re.findall(r"(?:^\|.*\|\n)+", page(), re.MULTILINE)
    assert len(tables) > 20
    for table in tables:
        rows = [re.split(r"(?<!\\)\|", row.strip())[1:-1] for row in table.splitlines()]
        assert {len(row) for row in rows} == {len(rows[0])}
        assert all(cell.strip() for row in rows for cell in row), table


def test_a_docstring_is_taken_apart() -> None:
    """Prose, arguments with meanings over several lines, exceptions."""
    doc = parse(
        "Does it.\n\nMore\nof it.\n\nArgs:\n    a: one,\n        two.\n    b: three.\n\nRaises:\n    X: why."
    )
    assert doc.paragraphs == ("Does it.", "More of it.")
    assert doc.args == {"a": "one, two.", "b": "three."}
    assert doc.raises == {"X": "why."}
