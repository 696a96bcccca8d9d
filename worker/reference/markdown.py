"""Tables and code spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a bar inside a cell would end it and is escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def code(value: object) -> str:
    """A code span."""
    return f"`{value}`"


def listed(values: Iterable[object]) -> str:
    """Code spans with commas between."""
    return ", ".join(map(code, values))


def literal(value: Any) -> str:
    """A value as the project writes it in Python."""
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, datetime):
        value = value.isoformat()
    return f'"{value}"' if type(value) is str else repr(value)
