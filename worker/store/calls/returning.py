"""What was sent without effect is ready again: whatever was decided meanwhile saw it under way, and left it alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from worker.model.actions import UNSENT, State
from worker.model.admission import Candidate, Existing, clashes
from worker.model.ledger import Aside
from worker.store import schema
from worker.store.plans.joining import hold
from worker.store.plans.superseding import supersede_sent
from worker.store.tools import chunks
from worker.store.trail.audit import append, entries_for

_A = schema.actions.c


def reconsider(
    conn: Connection, account_id: str, now: float, ids: Sequence[str], hold_seconds: float
) -> Aside:
    """Drops those of the actions whose event has changed meanwhile, and holds those that a new wish contradicts.

    Such a wish may have been carried out already; what stood before they were sent was weighed then.
    When they were looked at is left as it is: it is as true as before they were sent, for as long.
    """
    if not ids:
        return Aside()
    superseded = supersede_sent(conn, account_id, now, ids)
    append(conn, account_id, now, entries_for("superseded", superseded))
    back: list[Any] = []
    for part in chunks(ids):
        back += _read(conn, _A.id.in_(part), _A.state == State.READY)
    named = {row.subject for row in back} - {None}
    messages = {row.message_id for row in back if row.subject is None}
    sent = {row.about: row.submitted_at or 0.0 for row in back}
    others: list[Any] = []
    for column, these, own in ((_A.message_id, messages, _A.subject.is_(None)), (_A.subject, named, None)):
        for part in chunks(sorted(these)):
            alike = [column.in_(part)] if own is None else [column.in_(part), own]
            others += _read(
                conn, _A.account_id == account_id, _A.state.in_([*UNSENT, State.SUCCEEDED]), *alike
            )
    mine = {row.id for row in back}
    whom = clashes(
        [Candidate(row.id, row.about, row.kind, row.target, (), row.cause) for row in back],
        [
            Existing(row.id, row.about, row.kind, row.target, State(row.state), row.cause)
            for row in others
            if row.id not in mine and (row.state != State.SUCCEEDED or row.created_at >= sent[row.about])
        ],
    )
    return Aside(superseded, hold(conn, account_id, now, hold_seconds, whom))


def _read(conn: Connection, *which: ColumnElement[bool]) -> Sequence[Any]:
    about = func.coalesce(_A.subject, _A.message_id).label("about")
    columns = (_A.id, about, _A.message_id, _A.subject, _A.kind, _A.target, _A.cause, _A.state)
    return conn.execute(select(*columns, _A.submitted_at, _A.created_at).where(*which)).all()
