"""How a table stands in SQLite's file, where that may differ from what a query shows. On other engines: as shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table

_SQLITE = "sqlite"


@contextmanager
def any_bytes(conn: Connection) -> Iterator[None]:
    """Within the block a text that is no UTF-8 can be read: its bytes become lone surrogates."""
    if conn.dialect.name != _SQLITE:
        yield
        return
    driver: Any = conn.connection.dbapi_connection
    before = driver.text_factory
    driver.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before


def damage(conn: Connection, table: Table) -> str | None:
    """What SQLite's own check of the table and its indexes finds first, if anything."""
    if conn.dialect.name != _SQLITE:
        return None
    first = str(conn.exec_driver_sql(f'PRAGMA integrity_check("{table.name}")').scalars().first())
    return None if first == "ok" else first


def as_filed(conn: Connection, table: Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """These columns of SQLite's rows from the table itself: a query takes from an index what that holds."""
    names = ", ".join(columns)
    rows = conn.exec_driver_sql(f"SELECT {names} FROM {table.name} NOT INDEXED")  # noqa: S608 - names of our own
    yield from map(tuple, rows)
