"""The tamper-evident log: a chain of SHA-256 hashes per account, written in the transaction that it records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, false, insert, or_, select, update

from worker.clock import iso
from worker.store import schema
from worker.store.prepared import Prepared, insert_rows

GENESIS = "0" * 64
_FIELDS = (
    "account_id",
    "seq",
    "at",
    "kind",
    "plan_id",
    "action_id",
    "call_id",
    "message_id",
    "body",
    "prev_hash",
)
_HEAD = Prepared(
    select(schema.audit_head.c.seq, schema.audit_head.c.hash)
    .where(schema.audit_head.c.account_id == bindparam("account"))
    .with_for_update()
)
_MOVE_HEAD = Prepared(
    update(schema.audit_head)
    .where(schema.audit_head.c.account_id == bindparam("account"))
    .values(seq=bindparam("to_seq"), hash=bindparam("to_hash"))
)
_canonical = msgspec.json.Encoder(order="deterministic").encode


class Entry(NamedTuple):
    """One thing that happened. `body` is any JSON value; the ids make it findable."""

    kind: str
    body: dict[str, Any]
    plan_id: str | None = None
    action_id: str | None = None
    call_id: str | None = None
    message_id: str | None = None


def append(conn: Connection, account_id: str, now: float, entries: Sequence[Entry]) -> None:
    """Adds the entries to the account's chain; the caller's transaction makes them durable with what they record."""
    if not entries:
        return
    head = last(conn, account_id)
    seq, previous = (head.seq, head.hash) if head else (0, GENESIS)
    at = iso(now)
    rows = []
    for entry in entries:
        seq += 1
        row = {
            "account_id": account_id,
            "seq": seq,
            "at": at,
            "kind": entry.kind,
            "plan_id": entry.plan_id,
            "action_id": entry.action_id,
            "call_id": entry.call_id,
            "message_id": entry.message_id,
            "body": _canonical(entry.body).decode(),
            "prev_hash": previous,
        }
        previous = row["hash"] = record_hash(row)
        rows.append(row)
    insert_rows(conn, schema.audit, rows)
    if head:
        _MOVE_HEAD(conn, account=account_id, to_seq=seq, to_hash=previous)
    else:
        conn.execute(insert(schema.audit_head).values(account_id=account_id, seq=seq, hash=previous))


def last(conn: Connection, account_id: str) -> Any:
    """Number and hash of the account's last record, as `seq` and `hash`; None before the first."""
    return _HEAD(conn, account=account_id).first()


def record_hash(row: dict[str, Any]) -> str:
    """SHA-256 in hex over the canonical JSON of every other column of the record."""
    return hashlib.sha256(_canonical([row[name] for name in _FIELDS])).hexdigest()


def concerning(action_ids: Sequence[str]) -> ColumnElement[bool]:
    """Records about these actions: their own, and those of calls that they shared with others."""
    t = schema.audit
    named = (t.c.body.contains(f'"{one}"', autoescape=True) for one in action_ids)
    return t.c.action_id.in_(action_ids) | (t.c.call_id.is_not(None) & or_(false(), *named))


def records(
    conn: Connection,
    account_id: str,
    *also: ColumnElement[bool],
    last: int | None = None,
    **equal: str | None,
) -> Iterator[dict[str, Any]]:
    """The account's records in order, streamed; `equal` narrows by action_id, message_id, plan_id, call_id, kind.

    `last` keeps only that many, the newest.
    """
    mine = select(schema.audit).where(schema.audit.c.account_id == account_id, *also)
    query = mine.order_by(schema.audit.c.seq)
    for name, value in equal.items():
        if value is not None:
            query = query.where(schema.audit.c[name] == value)
    if last is not None:
        newest = query.order_by(None).order_by(schema.audit.c.seq.desc()).limit(last).subquery()
        query = select(newest).order_by(newest.c.seq)
    with conn.execute(query.execution_options(yield_per=1000)) as found:
        for row in found.mappings():
            yield dict(row)


def heads(conn: Connection) -> list[tuple[str, int, str]]:
    """Every account with the number of its last record and its hash."""
    h = schema.audit_head.c
    return [tuple(row) for row in conn.execute(select(h.account_id, h.seq, h.hash).order_by(h.account_id))]


def entries_for(kind: str, rows: Iterable[dict[str, Any]], **body: Any) -> list[Entry]:
    """One entry per action row, all of one kind; each body gets the action's state and reason."""
    return [
        Entry(
            kind,
            {"state": row["state"], "reason": row["reason"], **body},
            plan_id=row["plan_id"],
            action_id=row["id"],
            message_id=row["message_id"],
        )
        for row in rows
    ]
