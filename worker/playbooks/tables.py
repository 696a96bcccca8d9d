"""What the text of a list says: `.txt`, `.csv` or `.yaml`, each row with its line. Reads no files.

Only what is certain is taken: of a list with one bad row nothing is used.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

LIST_LIMIT = 100_000
"""The most entries of one list: more is a data feed, and each load would hold it in memory twice."""
CELLS_LIMIT = 500_000
"""The most values of a table, over all its rows."""
FAULTS_LIMIT = 10
"""How many bad rows of one list are told; a file of another format has as many as it has lines."""
SPLIT = "split it, or keep only what playbooks need"
_REVIEWED = re.compile(r"[ \t]*#[ \t]*reviewed:(.*)", re.IGNORECASE)

Row = Mapping[str, str]
"""A row of a table by the names of its columns, read-only."""


class BadRow(NamedTuple):
    """One thing to mend in a list; line 0 is all of it."""

    line: int
    what: str
    remedy: str


class BadListError(ValueError):
    """A list that cannot be used."""

    def __init__(self, rows: Sequence[BadRow]) -> None:
        super().__init__("; ".join(one.what for one in rows))
        self.rows = tuple(rows)


@dataclass(frozen=True, slots=True)
class Listed:
    """One list: its entries, lower-cased, with the line that each stands on first."""

    entries: Mapping[str, int]
    rows: tuple[Row, ...] | None = None
    """All columns, as they were written; None where the list has one alone."""
    reviewed: date | None = None
    """When somebody last looked through it."""
    line: int = 0
    """Where it says so."""


def read(suffix: str, text: str) -> Listed:
    """What the text of a file with this suffix says; BadListError names all that is wrong with it."""
    reviewed, line = _review(text)
    header, rows = READERS[suffix](text)
    entries: dict[str, int] = {}
    for number, cells in rows:
        entries.setdefault(cells[0].lower(), number)
    for most, count, of in (
        (LIST_LIMIT, len(entries), "entries"),
        (CELLS_LIMIT, len(rows) * len(header), "values"),
    ):
        if count > most:
            raise BadListError([BadRow(0, f"the list has more than {most} {of}", SPLIT)])
    table = None
    if header:
        table = tuple(MappingProxyType(dict(zip(header, cells, strict=True))) for _, cells in rows)
    return Listed(MappingProxyType(entries), table, reviewed, line)


_Rows = tuple[Sequence[str], list[tuple[int, Sequence[str]]]]
"""The names of the columns, none where there is one column without a name; and each row with its line."""


def _lines(text: str) -> _Rows:
    lines = (f" {line}".partition(" #")[0].strip() for line in text.replace("\t", " ").splitlines())
    return (), [(number, (line,)) for number, line in enumerate(lines, 1) if line]


def _csv(text: str) -> _Rows:
    # A comment becomes an empty line, so that lines keep their numbers.
    lines = ("\n" if line.lstrip().startswith("#") else line for line in text.splitlines(keepends=True))
    reader = csv.reader(lines, strict=True, skipinitialspace=True)
    faults: list[BadRow] = []
    header: list[str] = []
    rows: list[tuple[int, Sequence[str]]] = []
    before = 0
    try:
        for raw in reader:
            first, before = before + 1, reader.line_num
            cells = [cell.strip() for cell in raw]
            if cells in ([], [""]):
                continue
            fault = _bad_cells(cells, header, one_line=first == before)
            if fault:
                faults.append(BadRow(first, *fault))
            elif header:
                rows.append((first, cells))
            else:
                header = cells
            if not header or len(faults) == FAULTS_LIMIT or len(rows) > CELLS_LIMIT:
                break
    except csv.Error as error:
        faults.append(
            BadRow(before + 1, f"is not CSV: {error}", "quote a cell that holds a comma or a quote")
        )
    if not faults and not header:
        faults.append(BadRow(1, "has no header", "name the columns in the first row, such as `address,name`"))
    if faults:
        raise BadListError(faults)
    return header, rows


def _bad_cells(cells: Sequence[str], header: Sequence[str], *, one_line: bool) -> tuple[str, str] | None:
    """What is wrong with a row, or with the header where none is known yet."""
    if not one_line:
        return "a cell goes over several lines", "keep each row on one line; a quote may be missing its end"
    if not header:
        return _bad_header(cells)
    if len(cells) != len(header):
        what = f"has {len(cells)} columns, its header {len(header)}"
        return what, "write one value for each column; quote a value that holds a comma"
    return None if cells[0] else ("its first column is empty", f"write the {header[0]}, or remove the row")


def _bad_header(cells: Sequence[str]) -> tuple[str, str] | None:
    if len(cells) == 1 and (";" in cells[0] or "\t" in cells[0]):
        return "its columns are not separated by commas", "save the list with `,` between the columns"
    if not all(cells) or len(set(cells)) < len(cells):
        return (
            "the header leaves a column without a name of its own",
            "name each column, each differently",
        )
    if any("@" in cell or "." in cell for cell in cells):
        return (
            "the first row is an entry, not a header",
            "name the columns in the first row: `address,name`",
        )
    return None


def _yaml(text: str) -> _Rows:
    from worker.model.strictyaml import YamlError, plain_rows  # noqa: PLC0415 - for those who have such a list

    try:
        items = plain_rows(text, CELLS_LIMIT)
    except YamlError as error:
        raise BadListError(
            [BadRow(error.line, error.what, error.remedy or "write `- ` and a text a line")]
        ) from None
    header = tuple(items[0][1]) if items and isinstance(items[0][1], dict) else ()
    faults: list[BadRow] = []
    rows: list[tuple[int, Sequence[str]]] = []
    for line, item in items:
        names = tuple(item) if isinstance(item, dict) else ()
        if set(names) != set(header):
            what = f"has {', '.join(names) or 'no names'}, the first entry {', '.join(header) or 'no names'}"
            faults.append(BadRow(line, what, "give all entries the same names, or none"))
            continue
        cells = [item[name].strip() for name in header] if isinstance(item, dict) else [item.strip()]
        if cells[0]:
            rows.append((line, cells))
        else:
            faults.append(BadRow(line, "is empty", "write what it names, or remove it"))
    if faults:
        raise BadListError(faults[:FAULTS_LIMIT])
    return header, rows


READERS: Mapping[str, Callable[[str], _Rows]] = MappingProxyType(
    {".txt": _lines, ".csv": _csv, ".yaml": _yaml}
)


def _review(text: str) -> tuple[date | None, int]:
    """The latest `# reviewed: DATE` on a line of its own, and its line."""
    found = list(_reviews(text))
    return max(found) if found else (None, 0)


def _reviews(text: str) -> Iterator[tuple[date, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        if "#" not in line or not (said := _REVIEWED.fullmatch(line)):
            continue
        try:
            yield date.fromisoformat(said[1].strip()), number
        except ValueError:
            remedy = "write the day of the review as in `# reviewed: 2026-10-01`"
            raise BadListError([BadRow(number, "names no day as that of its review", remedy)]) from None
