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


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Aligned columns, never wrapped or cut; text from mail is escaped. Of a long table only a part is held."""
    widths = list(map(len, header))
    cells = [list(header)]
    for row in rows:
        cells.append([safe(str("" if cell is None else cell), 10_000) for cell in row])
        if len(cells) >= ROWS_ALIGNED:
            _print_cells(cells, widths)
            cells = []
    _print_cells(cells, widths)


def _print_cells(cells: Sequence[Sequence[str]], widths: list[int]) -> None:
    for index, column in enumerate(zip(*cells, strict=True)):
        widths[index] = max(widths[index], *map(len, column))
    for line in cells:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write(text.rstrip() + "\n")


def say(text: str, to: TextIO | None = None) -> None:
    """One line on stdout, or `to`, escaped."""
    (to or sys.stdout).write(safe(text, 10_000) + "\n")
