"""What waits outside the flow: events without their message, rows that could not be read, parked events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, select, update

from worker.model.events import Event
from worker.model.ledger import Parked, Postponed
from worker.model.plans import SOURCES, Sighting
from worker.ports import BadRow
from worker.store import schema
from worker.store.prepared import put_new
from worker.store.tools import chunks

_encode = msgspec.json.Encoder().encode


def event_key(account_id: str, sighting: Sighting) -> dict[str, Any]:
    """The identity of an event as columns."""
    return {
        "account_id": account_id,
        "source": sighting.source,
        "key": sighting.key,
        "revision": sighting.revision,
    }


def wait_for_message(conn: Connection, account_id: str, now: float, events: Sequence[Sighting]) -> None:
    """Keeps events whose message has not been found yet; the first sight of each counts."""
    rows = [
        event_key(account_id, one) | {"body": _encode(one.event).decode(), "first_seen_at": now}
        for one in events
    ]
    put_new(conn, schema.waiting, rows)


def waiting(conn: Connection, account_id: str, source: str) -> list[tuple[Event, float]]:
    """A source's events that wait for their message, and since when."""
    t = schema.waiting.c
    query = select(t.body, t.first_seen_at).where(t.account_id == account_id, t.source == source)
    return [
        (msgspec.json.decode(row.body, type=SOURCES[source]), row.first_seen_at)
        for row in conn.execute(query.order_by(t.first_seen_at, t.key, t.revision))
    ]


def stop_waiting(conn: Connection, account_id: str, source: str, keys: Sequence[str]) -> None:
    """Their messages are there, or are not waited for any more."""
    t = schema.waiting.c
    for part in chunks(keys):
        conn.execute(
            delete(schema.waiting).where(t.account_id == account_id, t.source == source, t.key.in_(part))
        )


def quarantine(
    conn: Connection, account_id: str, source: str, now: float, rows: Sequence[BadRow]
) -> list[BadRow]:
    """Keeps rows that could not be read, once each; returns those that are new."""
    table = schema.quarantine
    if not rows:
        return []
    known = set(
        conn.scalars(
            select(table.c.digest).where(
                table.c.account_id == account_id,
                table.c.source == source,
                table.c.digest.in_([row.digest for row in rows]),
            )
        )
    )
    fresh = list({row.digest: row for row in rows if row.digest not in known}.values())
    columns = ("row_id", "reason", "digest", "raw")
    put_new(
        conn,
        table,
        [
            {"account_id": account_id, "source": source, "seen_at": now}
            | {name: getattr(row, name) for name in columns}
            for row in fresh
        ],
    )
    return fresh


def parked_for(conn: Connection, account_id: str) -> list[tuple[str, str]]:
    """The playbooks, with their versions, for which events are parked."""
    p = schema.parked
    query = select(p.c.playbook, p.c.version).where(p.c.account_id == account_id).distinct()
    return [(row.playbook, row.version) for row in conn.execute(query.order_by(p.c.playbook, p.c.version))]


def parked_events(
    conn: Connection, account_id: str, source: str, playbook: str, version: str, most: int
) -> list[Parked]:
    """Events of a source parked for one version of a playbook, with their evidence, oldest first."""
    p = schema.parked.c
    whose = (p.playbook == playbook, p.version == version, p.source == source)
    return _parked(conn, account_id, p.parked_at, most, *whose)


def unasked_events(
    conn: Connection, account_id: str, source: str, playbook: str, version: str, most: int
) -> list[Parked]:
    """Those of a source that the playbook was not asked about, newest first: they are what it meets now."""
    p = schema.parked.c
    whose = (p.playbook == playbook, p.version == version, p.source == source)
    return _parked(conn, account_id, p.parked_at.desc(), most, p.asked.is_(False), *whose)


def due_events(
    conn: Connection, account_id: str, source: str, playbooks: Sequence[str], now: float, most: int
) -> list[Parked]:
    """Those of a source for which what these playbooks wait for is to be fetched now, the longest due first."""
    p = schema.parked.c
    return _parked(
        conn, account_id, p.due_at, most, p.source == source, p.due_at <= now, p.playbook.in_(playbooks)
    )


def postpone(conn: Connection, account_id: str, now: float, waiting: Sequence[Postponed]) -> None:
    """What could not be fetched is fetched again later."""
    p = schema.parked
    named: dict[str, Any] = {
        name: bindparam(f"the_{name}") for name in ("source", "key", "revision", "playbook")
    }
    query = (
        update(p)
        .where(p.c.account_id == account_id, *(p.c[name] == bind for name, bind in named.items()))
        .values(error=bindparam("why"), due_at=bindparam("due"), tries=bindparam("count"))
    )
    rows = [
        {f"the_{name}": getattr(one.row, name) for name in named}
        | {"why": one.why, "due": now + one.again_in, "count": one.tries}
        for one in waiting
    ]
    if rows:
        conn.execute(query, rows)


def _parked(
    conn: Connection,
    account_id: str,
    order: ColumnElement[float] | ColumnElement[float | None],
    most: int,
    *conditions: ColumnElement[bool],
) -> list[Parked]:
    p, e = schema.parked, schema.evidence
    query = (
        select(p.c.source, p.c.key, p.c.revision, p.c.playbook, p.c.version, e.c.body, p.c.tries)
        .select_from(p.join(e, p.c.evidence_id == e.c.id))
        .where(p.c.account_id == account_id, *conditions)
        .order_by(order)
        .limit(most)
    )
    return [Parked(*row) for row in conn.execute(query)]


def unpark(conn: Connection, account_id: str, rows: Sequence[Parked]) -> None:
    """Forgets parked events, in the transaction that decides them again."""
    table = schema.parked
    for row in rows:
        conn.execute(
            delete(table).where(
                table.c.account_id == account_id,
                table.c.source == row.source,
                table.c.key == row.key,
                table.c.revision == row.revision,
                table.c.playbook == row.playbook,
            )
        )


def forget_older(conn: Connection, account_id: str, changed: Sequence[Sighting]) -> None:
    """What is parked under an earlier verdict is not decided any more: the new verdict is an event of its own."""
    table = schema.parked
    for one in changed:
        conn.execute(
            delete(table).where(
                table.c.account_id == account_id,
                table.c.source == one.source,
                table.c.key == one.key,
                table.c.revision != one.revision,
            )
        )
