"""A shadow trial never swallows a later enforcement: what shadow would have done is decided again under a higher mode."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from worker.model.actions import State
from worker.model.ledger import Shadowed
from worker.model.plans import Decided, Poll
from worker.store import schema
from worker.store.plans.intake import record
from worker.store.tools import chunks, event_id, evidence_id
from worker.store.trail.audit import Entry, append

TRIAL_OVER = (
    "the trial is over: under a higher mode the event is decided anew, unless its verdict has changed since"
)
"""Why a shadowed action has come to its end."""


def shadowed(
    conn: Connection, account_id: str, source: str, playbooks: Sequence[str], since: float, most: int
) -> list[Shadowed]:
    """Actions that shadow recorded of a source for these since then, oldest first, with the event as it was seen."""
    a, d = schema.actions.c, schema.decisions.c
    query = (
        select(a.id, a.source, a.event_key, a.event_revision)
        .where(a.account_id == account_id, a.state == State.SHADOWED, a.created_at >= since, a.cause == "")
        .where(a.source == source)
        .where(a.id.in_(select(d.action_id).where(d.playbook.in_(playbooks))))
        .order_by(a.id)
        .limit(most)
    )
    rows = conn.execute(query).all()
    keys = [evidence_id(account_id, row.source, row.event_key, row.event_revision) for row in rows]
    bodies = _bodies(conn, keys)
    current = _revisions(conn, [event_id(account_id, row.source, row.event_key) for row in rows])
    voters = _voters(conn, [row.id for row in rows])
    return [
        Shadowed(
            row.id,
            row.source,
            row.event_key,
            row.event_revision,
            tuple(voters[row.id]),
            # An older verdict is history: the newer one has decisions of its own.
            bodies.get(key, "")
            if current.get(event_id(account_id, row.source, row.event_key)) == row.event_revision
            else "",
        )
        for row, key in zip(rows, keys, strict=True)
    ]


def decide_again(
    conn: Connection,
    account_id: str,
    poll: Poll,
    now: float,
    old: Sequence[Shadowed],
    decided: Sequence[Decided],
    batch: int,
) -> None:
    """Shadowed actions give way to the new decisions on their events, in an open poll."""
    a = schema.actions
    for part in chunks(row.action_id for row in old):
        conn.execute(
            update(a)
            .where(a.c.id.in_(part), a.c.state == State.SHADOWED)
            .values(state=State.SKIPPED, error=TRIAL_OVER, updated_at=now)
        )
    entries = [
        Entry("superseded", {"state": State.SKIPPED, "why": TRIAL_OVER}, action_id=row.action_id)
        for row in old
    ]
    append(conn, account_id, now, entries)
    record(conn, account_id, poll, now, (), decided, rows=0, read_at=None, batch=batch)


def _bodies(conn: Connection, ids: Sequence[bytes]) -> dict[bytes, str]:
    e = schema.evidence.c
    found: dict[bytes, str] = {}
    for part in chunks(ids):
        found.update((row.id, row.body) for row in conn.execute(select(e.id, e.body).where(e.id.in_(part))))
    return found


def _revisions(conn: Connection, ids: Sequence[bytes]) -> dict[bytes, str]:
    e = schema.events.c
    found: dict[bytes, str] = {}
    for part in chunks(ids):
        rows = conn.execute(select(e.id, e.revision).where(e.id.in_(part)))
        found.update((row.id, row.revision) for row in rows)
    return found


def _voters(conn: Connection, action_ids: Sequence[str]) -> dict[str, list[str]]:
    d = schema.decisions.c
    found: dict[str, list[str]] = defaultdict(list)
    for part in chunks(action_ids):
        for row in conn.execute(select(d.action_id, d.playbook).where(d.action_id.in_(part))):
            found[row.action_id].append(row.playbook)
    return found
