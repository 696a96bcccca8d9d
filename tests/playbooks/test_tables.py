from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.playbooks.folder import Folder
from worker.playbooks.loader import fingerprint
from worker.playbooks.reviewing import due
from worker.playbooks.tables import FAULTS_LIMIT, BadListError, read

CSV = '# reviewed: 2026-10-01\nAddress, name\nCEO@corp.example,"Kim, Grace"\n\n# left\ncfo@corp.example,Bo\n'
YAML = """# reviewed: 2026-10-01
- {address: CEO@corp.example, name: "Kim, Grace"}
- name: Bo
  address: cfo@corp.example
"""


@pytest.mark.parametrize("suffix, text, first", [(".csv", CSV, "Address"), (".yaml", YAML, "address")])
def test_a_table_is_the_set_of_its_first_column_and_its_rows(suffix: str, text: str, first: str) -> None:
    """Comments, blank lines, quotes and another order of names change nothing."""
    listed = read(suffix, text)
    assert set(listed.entries) == {"ceo@corp.example", "cfo@corp.example"}
    assert [dict(row) for row in listed.rows or ()] == [
        {first: "CEO@corp.example", "name": "Kim, Grace"},
        {first: "cfo@corp.example", "name": "Bo"},
    ]
    assert listed.reviewed == date(2026, 10, 1)
    with pytest.raises(TypeError):
        (listed.rows or ())[0]["name"] = "x"  # type: ignore[index]


def test_texts_in_yaml_are_entries_without_columns() -> None:
    """As the lines of a text file."""
    listed = read(".yaml", "- A@corp.example\n- 'yes'\n")
    assert (dict(listed.entries), listed.rows) == ({"a@corp.example": 1, "yes": 2}, None)


@pytest.mark.parametrize(
    "suffix, text, line, what",
    [
        (".csv", "", 1, "has no header"),
        (".csv", "a;b\n1;2\n", 1, "not separated by commas"),
        (".csv", "ceo@corp.example\n", 1, "is an entry, not a header"),
        (".csv", "a,a\n", 1, "without a name of its own"),
        (".csv", "# x\na,b\n1,2\n1,2,3\n", 4, "has 3 columns, its header 2"),
        (".csv", "a,b\n,2\n", 2, "first column is empty"),
        (".csv", 'a,b\n1,"2\n3",4\n', 2, "goes over several lines"),
        (".csv", 'a,b\n1,"2"x\n', 2, "is not CSV"),
        (".yaml", "a: b\n", 1, "is no list"),
        (".yaml", "- a\n- yes\n", 2, "is no text"),
        (".yaml", "- a\n- {b: c}\n", 2, "has b, the first entry no names"),
        (".yaml", "- {a: b}\n- {a: b, c: d}\n", 2, "has a, c, the first entry a"),
        (".yaml", "- {a: b, a: c}\n", 1, "stands twice"),
        (".yaml", "- &a b\n- *a\n", 1, "an anchor"),
        (".yaml", "- [[a]]\n", 1, "nested too deep"),
        (".yaml", "- [a\n", 2, "is not YAML"),
        (".txt", "a\n# reviewed: 2026-13-01\n", 2, "names no day"),
    ],
)
def test_a_bad_row_is_told_with_its_line(suffix: str, text: str, line: int, what: str) -> None:
    """Nothing is guessed: half of a list is no list."""
    with pytest.raises(BadListError) as caught:
        read(suffix, text)
    (row,) = caught.value.rows
    assert row.line == line
    assert what in row.what
    assert row.remedy


def test_of_a_file_of_another_format_only_some_rows_are_told() -> None:
    """A list of a hundred thousand bad rows is one mistake."""
    with pytest.raises(BadListError) as caught:
        read(".csv", "a,b\n" + "1\n" * 1000)
    assert len(caught.value.rows) == FAULTS_LIMIT


def test_two_files_of_one_name_are_no_list(folder: Folder) -> None:
    """Neither is right; each names the other."""
    folder.playbook()
    folder.write("lists/vips.txt", "a\n")
    folder.write("lists/vips.csv", "address\nb\n")
    catalogue = folder.load()
    assert [one.message for one in catalogue.problems] == [
        "its list has the name of vips.txt too",
        "its list has the name of vips.csv too",
    ]
    assert dict(catalogue.lists) == {}


def test_a_playbook_reads_columns(folder: Folder) -> None:
    """And what it saw has another digest when another column changes."""
    body = '    """Moves it."""\n    name = context.tables["vips"][0]["name"]\n    return Move(message, to=name)\n'
    folder.playbook(head="(message, context)", declared="on=Detection, examples=[hit()]", body=body)
    digests = set()
    for name in ("JunkEmail", "Inbox"):
        folder.write("lists/vips.csv", f"address,name\na@corp.example,{name}\n")
        report = folder.check()
        assert report.problems == ()
        digests.add(report.catalogue.lists.digest)
    assert len(digests) == len(("JunkEmail", "Inbox"))


def test_a_list_of_another_format_changes_the_print_of_the_folder(folder: Folder) -> None:
    """So that it is taken up while the worker runs."""
    before = fingerprint(folder.path)
    folder.write("lists/vips.yaml", "- a\n")
    assert fingerprint(folder.path) != before


def test_a_list_is_due_when_its_review_is_old_unknown_or_to_come(folder: Folder) -> None:
    """With the line that says so."""
    for name, said in {
        "a": "# reviewed: 2026-05-01\n",
        "b": "",
        "c": "#reviewed: 2027-01-01\n",
        "d": "x\n  # Reviewed:2026-05-02\n",
    }.items():
        folder.write(f"lists/{name}.txt", said)
    told = list(due(folder.load().lists, date(2026, 10, 29), 180))
    assert [(one.path.name, one.line) for one in told] == [("a.txt", 1), ("b.txt", 0), ("c.txt", 1)]
    assert ["181 days ago" in told[0].message, "to come" in told[2].message] == [True, True]


def test_a_folder_of_lists_that_cannot_be_read_is_a_problem(folder: Folder) -> None:
    """It may hold exclusions: nobody can know."""
    folder.playbook()
    Path(folder.path / "lists").write_text("no folder")
    catalogue = folder.load()
    assert [one.message for one in catalogue.unguarded] == ["cannot be read: Not a directory"]
