"""What the worker did before: to a message, and because of other mail of its sender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from worker.clock import utc
from worker.model.actions import State
from worker.model.history import HISTORY_LIMIT, SENDER_DAYS, History, PastAction
from worker.store import schema
from worker.store.prepared import Prepared, among
from worker.store.tools import chunks, sender_id

SENDER_ROWS = 1000
"""Of how many of a sender's latest actions its history is made: what a flood of one sender's mail may cost."""
_NOT_MEANT = (State.OPEN, State.SHADOWED, State.SKIPPED, State.EXPIRED)
"""Trials, what was not needed, and what came to nothing."""
_DAY = 86400.0
_A = schema.actions.c
_TOLD = (_A.message_id, _A.kind, _A.target, _A.state, _A.playbook, _A.updated_at)


def histories(
    conn: Connection, account_id: str, senders: Mapping[str, str], now: float
) -> dict[str, History]:
    """Of messages, by their ids with their senders' addresses; those without any are left out."""
    own = _of_messages(conn, account_id, list(senders))
    digests = {sender: sender_id(account_id, sender) for sender in set(senders.values()) if sender}
    rows = _of_senders(conn, list(digests.values()), now)
    if not own and not rows:
        return {}
    others = {sender: _told(rows[digest]) for sender, digest in digests.items() if digest in rows}
    found = {}
    for message_id, sender in senders.items():
        if message_id in own:
            apart = [one for one in rows.get(digests.get(sender, b""), ()) if one.message_id != message_id]
            found[message_id] = History(_told(own[message_id]), _told(apart))
        elif sender in others:
            found[message_id] = History((), others[sender])
    return found


def _told(rows: Sequence[Any]) -> tuple[PastAction, ...]:
    return tuple(
        PastAction(one.kind, one.target, one.state, one.playbook, utc(one.updated_at))
        for one in rows[:HISTORY_LIMIT]
    )


def _of_messages(conn: Connection, account_id: str, message_ids: Sequence[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for part in chunks(message_ids):
        query = (
            select(*_TOLD)
            .where(_A.account_id == account_id, _A.message_id.in_(part), _A.state.not_in(_NOT_MEANT))
            .order_by(_A.updated_at.desc(), _A.id)
        )
        for row in conn.execute(query):
            found.setdefault(row.message_id, []).append(row)
    return found


def _of_senders(conn: Connection, digests: Sequence[bytes], now: float) -> dict[bytes, list[Any]]:
    found: dict[bytes, list[Any]] = {}
    for rows in _LATEST.among(conn, digests, since=now - SENDER_DAYS * _DAY):
        for row in rows:
            found.setdefault(row.sender, []).append(row)
    for past in found.values():
        past.sort(key=lambda row: row.updated_at, reverse=True)
    return found


def _latest() -> Any:
    """One look into the index for each sender: most have nothing there. Twice as many as are told of one message."""
    known = select(_A.sender).where(among(_A.sender)).distinct().subquery("known")
    one = schema.actions.alias("one")
    newest = (
        select(one.c.id, one.c.state)
        .where(one.c.sender == known.c.sender, one.c.created_at > bindparam("since"))
        .order_by(one.c.created_at.desc())
        .limit(SENDER_ROWS)
        .correlate(known)
        .subquery("newest")
    )
    is_meant = [newest.c.state != state for state in _NOT_MEANT]
    meant = select(newest.c.id).where(*is_meant).limit(2 * HISTORY_LIMIT)
    return select(_A.sender, *_TOLD).select_from(known).join(schema.actions, _A.id.in_(meant))


_LATEST = Prepared(_latest)
