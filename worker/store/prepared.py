"""Statements that are compiled once for a dialect: building one anew costs more than most of them take to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Connection, CursorResult, Table, bindparam, insert

IN_LIST = 500
"""Values of one `among`; fewer are filled up, so that the text of the statement is always the same."""
_PLACES = tuple(f"among_{place}" for place in range(IN_LIST))
_Row = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class Prepared:
    """A statement whose values go to the driver, and whose rows come from it, as they are.

    So it is for plain columns: text, numbers, bytes. `columns` are those that an INSERT is given. A function makes
    the statement when it is first run: one with `among` takes a while.
    """

    def __init__(self, statement: Any, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, tuple[str, _Row]] = {}

    def __call__(self, conn: Connection, **values: Any) -> CursorResult[Any]:
        """Runs it with these values."""
        sql, row_of = self._for(conn)
        return conn.exec_driver_sql(sql, row_of(values))

    def many(self, conn: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Runs it once for each row; returns how many rows of the table that changed."""
        sql, row_of = self._for(conn)
        values = [row_of(row) for row in rows]
        return conn.exec_driver_sql(sql, values).rowcount if values else 0

    def among(self, conn: Connection, chosen: Sequence[Any], **values: Any) -> list[CursorResult[Any]]:
        """Runs it for all that were chosen, IN_LIST at a time; it holds the condition `among(column)`."""
        results = []
        for start in range(0, len(chosen), IN_LIST):
            part = chosen[start : start + IN_LIST]
            filled = [*part, *[part[0]] * (IN_LIST - len(part))]
            results.append(self(conn, **values, **dict(zip(_PLACES, filled, strict=True))))
        return results

    def _for(self, conn: Connection) -> tuple[str, _Row]:
        dialect = conn.dialect
        if dialect.name not in self._compiled:
            made = self._statement() if callable(self._statement) else self._statement
            compiled = made.compile(dialect=dialect, column_keys=self._columns)
            fixed = {
                name: str(bind.value) if isinstance(bind.value, str) else bind.value  # enumerations as text
                for name, bind in compiled.binds.items()
                if not bind.required and name not in (self._columns or ())
            }
            self._compiled[dialect.name] = str(compiled), _row_of(tuple(compiled.positiontup or ()), fixed)
        return self._compiled[dialect.name]


def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """The condition that the column is one of those that `Prepared.among` is given."""
    return column.in_([bindparam(place) for place in _PLACES])


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows of the same columns."""
    if rows:
        _insert(table, tuple(rows[0])).many(conn, rows)


def put_new(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows whose primary key is not there yet."""
    if rows:
        _upsert(table, tuple(rows[0]), conn.dialect.name, replaces=False).many(conn, rows)


def put(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts the rows, replacing those with the same primary key."""
    if rows:
        _upsert(table, tuple(rows[0]), conn.dialect.name, replaces=True).many(conn, rows)


@cache
def _insert(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table), columns)


@cache
def _upsert(table: Table, columns: tuple[str, ...], dialect: str, *, replaces: bool) -> Prepared:
    # Only the dialect in use is loaded: the other one takes a tenth of a second.
    statement = import_module(f"sqlalchemy.dialects.{dialect}").insert(table)
    if not replaces:
        return Prepared(statement.on_conflict_do_nothing(), columns)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in columns if name not in keys}
    return Prepared(statement.on_conflict_do_update(index_elements=keys, set_=changed), columns)


def _row_of(names: tuple[str, ...], fixed: Mapping[str, Any]) -> _Row:
    if len(names) < 2:  # noqa: PLR2004 - of one name, itemgetter makes no tuple
        return lambda values: tuple({**fixed, **values}[name] for name in names)
    pick = itemgetter(*names)
    return (lambda values: pick({**fixed, **values})) if fixed else pick
