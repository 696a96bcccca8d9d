"""Small helpers that every store module shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Table

__all__ = ["CHUNK", "Connection", "Engine", "canonical", "chunks", "from_json", "put", "put_new", "to_json"]

T = TypeVar("T")

CHUNK = 500
"""Identifiers in one IN list."""

canonical = msgspec.json.Encoder(order="deterministic").encode


def to_json(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return canonical(value).decode()


def from_json(text: str) -> Any:
    """The value of a JSON text that this program wrote."""
    return msgspec.json.decode(text)


def chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """The values in lists of at most CHUNK."""
    items = list(values)
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def put_new(conn: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows whose primary key is not there yet."""
    if rows:
        conn.execute(_insert(conn, table).on_conflict_do_nothing(), rows)


def put(conn: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts the rows, replacing those with the same primary key."""
    if not rows:
        return
    statement = _insert(conn, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def _insert(conn: Connection, table: Table) -> Any:
    # Only the dialect in use is loaded: the other one takes a tenth of a second.
    return import_module(f"sqlalchemy.dialects.{conn.dialect.name}").insert(table)
