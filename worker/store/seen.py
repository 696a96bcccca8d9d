"""The seen-set: every event that was ever shown, by a digest of its name, with its current revision.

SQLite takes a page's digests as one JSON text: row by row, its driver would let go of the interpreter as often as there
are rows, and wait as often to get it back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select

from worker.model.plans import Sighting
from worker.store import schema
from worker.store.prepared import Prepared, among, insert_rows, put
from worker.store.tools import event_id

_E = schema.events.c
_COLUMNS = ("id", "revision", "occurred_at", "seen_at")
_LISTED = func.json_each(bindparam("listed")).table_valued("value").c.value
_LOOK = Prepared(lambda: select(_E.id, _E.revision, _E.seen_at).where(among(_E.id)))
_LOOK_AT_ONCE = Prepared(
    lambda: select(_E.id, _E.revision, _E.seen_at).where(_E.id.in_(select(func.unhex(_LISTED))))
)
_ADD_AT_ONCE = Prepared(
    lambda: insert(schema.events).from_select(
        _COLUMNS,
        select(
            func.unhex(func.json_extract(_LISTED, "$[0]")),
            func.json_extract(_LISTED, "$[1]"),
            func.json_extract(_LISTED, "$[2]"),
            bindparam("at"),
        ),
    )
)


def known(conn: Connection, account_id: str, sightings: Sequence[Sighting]) -> dict[str, tuple[str, float]]:
    """Revision and time of the last sight, by the keys of those that were seen before."""
    keys = {event_id(account_id, one.source, one.key): one.key for one in sightings}
    if conn.dialect.name == "sqlite":
        found = [_LOOK_AT_ONCE(conn, listed=_json([one.hex() for one in sorted(keys)]))]
    else:
        found = _LOOK.among(conn, list(keys))
    return {keys[row.id]: (row.revision, row.seen_at) for rows in found for row in rows}


def current(
    conn: Connection, account_id: str, events: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, float]]:
    """The same of a few events, by their sources and keys."""
    keys = {event_id(account_id, *one): one for one in events}
    found = _LOOK.among(conn, list(keys))
    return {keys[row.id]: (row.revision, row.seen_at) for rows in found for row in rows}


def add(conn: Connection, account_id: str, at: float, sightings: Sequence[Sighting]) -> None:
    """These were seen at this time; a changed one gives way to its new revision."""
    if not sightings:
        return
    # In the order of the tree: of a page that comes in any order, each leaf would be fetched again and again.
    named = sorted(
        ((event_id(account_id, one.source, one.key), one.revision, one.occurred_at) for one in sightings),
        key=itemgetter(0),
    )
    if any(one.changed for one in sightings):
        put(conn, schema.events, _rows(named, at))
    elif conn.dialect.name == "sqlite":
        _ADD_AT_ONCE(conn, listed=_json([(one.hex(), *others) for one, *others in named]), at=at)
    else:
        insert_rows(conn, schema.events, _rows(named, at))


def _rows(named: Sequence[tuple[Any, ...]], at: float) -> list[dict[str, Any]]:
    return [dict(zip(_COLUMNS, (*one, at), strict=True)) for one in named]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
