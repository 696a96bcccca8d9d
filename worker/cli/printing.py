"""Plain output and JSON, for every command: text from mail never moves a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TextIO

import typer

from worker.ops.text import safe

ROWS_ALIGNED = 1000
"""Rows of a table that are aligned together."""
LONGEST, GLANCE = 10_000, 300
"""Characters of a line, and of one value in it, that a terminal shows; whatever else reads them gets all."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def print_json(value: Any) -> None:
    """One JSON value, ASCII only, so that no text from mail can move a terminal."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=False) + "\n")


def print_json_array(rows: Iterable[Any]) -> None:
    """A JSON array, written as its rows come."""
    sys.stdout.write("[")
    separator = "\n"
    for row in rows:
        sys.stdout.write(separator + json.dumps(row))
        separator = ",\n"
    sys.stdout.write("\n]\n" if separator == ",\n" else "]\n")


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Aligned columns, never wrapped; text from mail is escaped. Of a long table only a part is held. How many rows."""
    count = 0
    widths = list(map(len, header))
    cells = [list(header)]
    limit = LONGEST if sys.stdout.isatty() else None
    for row in rows:
        count += 1
        cells.append([safe(str("" if cell is None else cell), limit) for cell in row])
        if len(cells) >= ROWS_ALIGNED:
            _print_cells(cells, widths)
            cells = []
    _print_cells(cells, widths)
    return count


def _print_cells(cells: Sequence[Sequence[str]], widths: list[int]) -> None:
    for index, column in enumerate(zip(*cells, strict=True)):
        widths[index] = max(widths[index], *map(len, column))
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(text.rstrip() + "\n")


def say(text: str, to: TextIO | None = None) -> None:
    """One line on stdout, or `to`, escaped."""
    stream = to or sys.stdout
    stream.write(safe(text, LONGEST if stream.isatty() else None) + "\n")


def glance(text: str) -> str:
    """As much of one value as a person at a terminal looks at; `--json` has all of it."""
    if len(text) <= GLANCE or not sys.stdout.isatty():
        return text
    return f"{text[:GLANCE]}... ({len(text)} characters; --json shows all)"
