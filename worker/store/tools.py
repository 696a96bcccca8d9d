"""Small helpers that every store module shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from importlib import import_module
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine, Table, insert

__all__ = [
    "CHUNK",
    "Connection",
    "Engine",
    "canonical",
    "chunks",
    "event_id",
    "evidence_id",
    "from_json",
    "insert_rows",
    "put",
    "put_new",
    "to_json",
]

T = TypeVar("T")

_inserts: dict[tuple[str, tuple[str, ...], str], tuple[str, itemgetter[Any]]] = {}

CHUNK = 500
"""Identifiers in one IN list."""

canonical = msgspec.json.Encoder(order="deterministic").encode


def event_id(account_id: str, source: str, key: str) -> bytes:
    """What the seen-set knows an event by, whatever its revision."""
    return _digest(account_id, source, key)


def evidence_id(account_id: str, source: str, key: str, revision: str) -> bytes:
    """What one revision of an event is stored under."""
    return _digest(account_id, source, key, revision)


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()


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


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts many rows of the same columns; the statement is compiled once and the driver gets bare tuples."""
    if not rows:
        return
    columns = tuple(rows[0])
    key = (table.name, columns, conn.dialect.driver)
    if key not in _inserts:
        compiled = insert(table).compile(dialect=conn.dialect, column_keys=list(columns))
        _inserts[key] = str(compiled), itemgetter(*(compiled.positiontup or ()))
    sql, row_of = _inserts[key]
    conn.exec_driver_sql(sql, [row_of(row) for row in rows])


def _insert(conn: Connection, table: Table) -> Any:
    # Only the dialect in use is loaded: the other one takes a tenth of a second.
    return import_module(f"sqlalchemy.dialects.{conn.dialect.name}").insert(table)
