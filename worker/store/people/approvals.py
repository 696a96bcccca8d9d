"""Who let which exact actions go, and until when; checked again in the transaction that claims them.

An approval is a set of actions with a digest each and one over all of them. If one of them is altered, exchanged or
deleted afterwards, nothing more goes out under it; nor does anything once its time is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, insert, select, update

from worker.clock import iso
from worker.ids import new_id
from worker.model.actions import State
from worker.model.approvals import BOUND, action_digest, set_digest
from worker.model.kinds import needs_approval
from worker.store import schema
from worker.store.prepared import insert_rows
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

_TOLD = ("id", "plan_id", "message_id", "kind", "target", "playbook", "playbook_version", "approval_id")
"""What is told of an action that is set aside."""
LOOKED_AT_SECONDS = 60.0
"""How long a read-back without effect is as good as a look."""


class Approval(NamedTuple):
    """What a person let go; `expires_at` in seconds since the epoch."""

    id: str
    digest: str
    expires_at: float


class _Standing(NamedTuple):
    """The actions that an approval names, and why it is over, if it is."""

    members: frozenset[str]
    why: str = ""
    state: State = State.HELD


def grant(
    conn: Connection, account_id: str, rows: Sequence[Mapping[str, Any]], by: str, now: float, seconds: float
) -> Approval:
    """Records that `by` approved exactly these actions, for so many seconds. The caller changes their states."""
    digests = {row["id"]: action_digest([row[name] for name in BOUND]) for row in rows}
    approval = Approval(new_id(), set_digest(digests.values()), now + seconds)
    conn.execute(
        insert(schema.approvals).values(
            id=approval.id,
            account_id=account_id,
            digest=approval.digest,
            actions=len(digests),
            approved_by=by,
            approved_at=now,
            expires_at=approval.expires_at,
        )
    )
    members = [
        {"approval_id": approval.id, "action_id": one, "digest": digest} for one, digest in digests.items()
    ]
    insert_rows(conn, schema.approved_actions, members)
    return approval


def describe(conn: Connection, approval_id: str | None) -> dict[str, Any] | None:
    """An approval as `worker actions show` prints it."""
    row = (
        conn.execute(select(schema.approvals).where(schema.approvals.c.id == approval_id)).mappings().first()
    )
    if row is None:
        return None
    times = {
        name: iso(row[name]) if row[name] else None for name in ("approved_at", "expires_at", "ended_at")
    }
    told = {name: row[name] for name in ("id", "actions", "approved_by", "ended_because")}
    return {**told, "sha256": row["digest"], **times}


def review(
    conn: Connection,
    account_id: str,
    now: float,
    kind: str,
    target: str,
    action_ids: Sequence[str],
    hold_seconds: float,
) -> list[dict[str, Any]]:
    """Puts back those of these ready actions whose approval does not stand; returns them."""
    a = schema.actions
    rows: list[Mapping[str, Any]] = []
    for part in chunks(action_ids):
        query = select(a.c.id, a.c.approval_id).where(a.c.id.in_(part), a.c.state == State.READY)
        rows.extend(dict(row) for row in conn.execute(query).mappings())
    return sift(conn, account_id, now, kind, target, rows, hold_seconds)[1]


def sift(
    conn: Connection,
    account_id: str,
    now: float,
    kind: str,
    target: str,
    rows: Sequence[Mapping[str, Any]],
    hold_seconds: float,
) -> tuple[list[Mapping[str, Any]], list[dict[str, Any]]]:
    """Those of the rows that may go, and the actions that were put back, each with its new `state` and `why`.

    Costs nothing where no approval is involved: most actions need none.
    """
    named = {row["approval_id"] for row in rows} - {None}
    asks = needs_approval(kind, target)
    if not named and not asks:
        return list(rows), []
    back: list[dict[str, Any]] = []
    strangers: list[str] = []
    for approval_id in sorted(named):
        mine = [row["id"] for row in rows if row["approval_id"] == approval_id]
        standing = _standing(conn, account_id, approval_id, now)
        if standing.why:
            back += _end(conn, account_id, now, approval_id, standing, mine, hold_seconds)
        strangers += [one for one in mine if one not in standing.members]
    if asks:
        strangers += [row["id"] for row in rows if row["approval_id"] is None]
    why = "nobody approved it" if asks else "its approval does not name it"
    told = {row["id"] for row in back}
    if left := [one for one in strangers if one not in told]:
        these = schema.actions.c.id.in_(left)
        back += set_aside(conn, account_id, now, these, State.HELD, why, now + hold_seconds)
    gone = {row["id"] for row in back}
    return [row for row in rows if row["id"] not in gone], back


def expire(conn: Connection, account_id: str, now: float) -> list[dict[str, Any]]:
    """Actions that nobody approved in time, or that were approved but not sent in time, are expired: never done."""
    a, t = schema.actions, schema.approvals
    held = (a.c.account_id == account_id) & (a.c.state == State.HELD) & (a.c.held_until <= now)
    rows = set_aside(conn, account_id, now, held, State.EXPIRED, "nobody approved it in time")
    over = select(t.c.id).where(t.c.account_id == account_id, t.c.ended_at.is_(None), t.c.expires_at <= now)
    for approval_id in conn.scalars(over).all():
        rows += _end(conn, account_id, now, approval_id, _OVER, [], 0.0)
    return rows


_LOOK = "its approval ended before it could be sent again: looked at once more"
_SENT = "it was approved and sent, without effect, and its approval ended before it could be sent again"
_OVER = _Standing(frozenset(), "it was approved, but not sent in time", State.EXPIRED)


def _standing(conn: Connection, account_id: str, approval_id: str, now: float) -> _Standing:
    """Whether the approval still covers exactly what it was given for."""
    t = schema.approvals
    row = conn.execute(select(t).where(t.c.id == approval_id, t.c.account_id == account_id)).first()
    if row is None:
        return _Standing(frozenset(), "its approval is not on record")
    if row.expires_at <= now:
        return _OVER
    if row.ended_at is not None:
        return _Standing(frozenset(), row.ended_because or "its approval is over")
    members, why = _members(conn, approval_id, row.digest)
    return _Standing(members, f"the approval is void: {why}" if why else "")


def _members(conn: Connection, approval_id: str, digest: str) -> tuple[frozenset[str], str]:
    """The actions that an approval names, and what is no longer as it was approved."""
    a, m = schema.actions, schema.approved_actions
    query = (
        select(m.c.action_id, m.c.digest, *(a.c[name] for name in BOUND))
        .select_from(m.outerjoin(a, a.c.id == m.c.action_id))
        .where(m.c.approval_id == approval_id)
    )
    rows = conn.execute(query).all()
    members = frozenset(row[0] for row in rows)
    for action_id, approved, *bound in rows:
        if bound[0] is None:
            return members, f"its action {action_id} is gone"
        if action_digest(bound) != approved:
            return members, f"action {action_id} was altered after it"
    if set_digest(row[1] for row in rows) != digest:
        return members, "the set that it names was altered after it"
    return members, ""


def _end(
    conn: Connection,
    account_id: str,
    now: float,
    approval_id: str,
    standing: _Standing,
    also: Sequence[str],
    hold_seconds: float,
) -> list[dict[str, Any]]:
    """Ends an approval: what is ready under it, and `also` these, is put back."""
    a, t = schema.actions, schema.approvals
    ended = conn.execute(
        update(t)
        .where(t.c.id == approval_id, t.c.ended_at.is_(None))
        .values(ended_at=now, ended_because=standing.why)
    )
    if ended.rowcount and standing.state is State.HELD:
        append(conn, account_id, now, [Entry("void", {"approval": approval_id, "why": standing.why})])
    named = select(schema.approved_actions.c.action_id).where(
        schema.approved_actions.c.approval_id == approval_id
    )
    mine = (a.c.id.in_(named) & (a.c.approval_id == approval_id)) | a.c.id.in_(also)
    ready = (a.c.state == State.READY) & mine
    if standing.state is State.HELD:
        return set_aside(conn, account_id, now, ready, State.HELD, standing.why, now + hold_seconds)
    # What was sent without effect, and was to be sent again, may have had it since: nobody may believe that it was not.
    sent = ready & (a.c.attempts > 0)
    looked_at = a.c.updated_at > now - LOOKED_AT_SECONDS
    again = sent & ~looked_at
    rows = _write(conn, account_id, now, again, State.UNKNOWN, _LOOK, str(State.EXPIRED), due_at=now)
    rows += set_aside(conn, account_id, now, sent, State.EXPIRED, _SENT)
    return rows + set_aside(conn, account_id, now, ready, State.EXPIRED, standing.why)


def set_aside(
    conn: Connection,
    account_id: str,
    now: float,
    which: ColumnElement[bool],
    state: State,
    why: str,
    held_until: float | None = None,
) -> list[dict[str, Any]]:
    """Holds, expires or shadows these actions; they use up no cap any more."""
    # What has expired keeps the trace of its approval; what is held may be approved anew.
    void = {} if state is State.EXPIRED else {"approved_at": None, "approval_id": None}
    values = {"due_at": None, "admitted_at": None, "held_until": held_until, **void}
    return _write(conn, account_id, now, which, state, why, str(state), **values)


def _write(
    conn: Connection,
    account_id: str,
    now: float,
    which: ColumnElement[bool],
    state: State,
    why: str,
    kind: str,
    **values: Any,
) -> list[dict[str, Any]]:
    """Gives these actions that state and values, each with a record of this kind."""
    a = schema.actions
    told = [dict(row) for row in conn.execute(select(*(a.c[name] for name in _TOLD)).where(which)).mappings()]
    for part in chunks(row["id"] for row in told):
        conn.execute(
            update(a).where(a.c.id.in_(part)).values(state=state, error=why, updated_at=now, **values)
        )
    body = {"state": state, "why": why}
    entries = [Entry(kind, body, row["plan_id"], row["id"], message_id=row["message_id"]) for row in told]
    append(conn, account_id, now, entries)
    return [{**row, "state": state, "why": why} for row in told]
