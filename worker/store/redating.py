"""The clock has been set: what is due, counted or waited for keeps its distance from now, in one transaction.

What has happened keeps the time that it was written down with.
"""

from __future__ import annotations

import math

from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, true, update

from worker.model.actions import State
from worker.model.caps import DAY, SLACK
from worker.model.ledger import TimeMark
from worker.store import flags, schema
from worker.store.calls import losses
from worker.store.trail.audit import Entry, append

CLOCK = "clock"
FLOORS_LOWERED = "floors_lowered"
"""Seconds by which clocks that were set back have taken the floors with them, for now."""
UNNOTICED = 5.0
"""Seconds between a step of the clock and the moment at which it is noticed, at most, if nothing stands still."""
_UNSENT = (State.OPEN, State.HELD, State.READY)
_ASKED = (State.SUBMITTED, State.UNKNOWN)


def mark(conn: Connection, account_id: str) -> TimeMark | None:
    """How the time was last believed; `seen` is the latest that is known of."""
    value = flags.get(conn, account_id, CLOCK)
    if not value:
        return None
    c = schema.cursors.c
    known = conn.scalars(select(c.watermark).where(c.account_id == account_id)).all()
    one = TimeMark(**value)
    return one._replace(seen=max([one.seen, *known]))


def follow(conn: Connection, account_id: str, step: float, now: TimeMark) -> None:
    """Dates everything anew by `step` seconds and remembers the mark, which has the new time."""
    if step:
        before = now.seen - step
        _actions(conn, account_id, before, step)
        _requests(conn, account_id, step)
        _approvals(conn, account_id, before, step)
        _waiting(conn, account_id, step)
        _campaigns(conn, account_id, step)
        _cursors(conn, account_id, step)
        losses.redate(conn, account_id, step, now.seen)
        append(conn, account_id, now.seen, [Entry("clock", {"step": step})])
    flags.set_value(conn, account_id, CLOCK, now._asdict(), now.seen)


def _actions(conn: Connection, account_id: str, before: float, step: float) -> None:
    a = schema.actions
    let_go = (_is_old(a.c.approved_at, before, step), _is_old(a.c.admitted_at, before, step))
    mine = update(a).where(a.c.account_id == account_id, *let_go)
    # How old a look is nobody can tell any more: it is taken again.
    conn.execute(mine.where(a.c.state.in_(_UNSENT)).values(verified_at=None))
    conn.execute(
        mine.where(a.c.state.in_(_ASKED)).values(
            submitted_at=a.c.submitted_at + step, lease_until=a.c.lease_until + step
        )
    )
    conn.execute(mine.where(a.c.due_at.is_not(None)).values(due_at=a.c.due_at + step))
    conn.execute(mine.where(a.c.state == State.HELD).values(held_until=a.c.held_until + step))
    # Last and together, because they tell what is old.
    waits, counts = a.c.state.in_(_UNSENT), a.c.admitted_at > before - DAY - SLACK
    conn.execute(
        mine.where(waits | counts).values(
            approved_at=case((waits, a.c.approved_at + step), else_=a.c.approved_at),
            admitted_at=case((counts, a.c.admitted_at + step), else_=a.c.admitted_at),
        )
    )


def _is_old(moment: ColumnElement[float], before: float, step: float) -> ColumnElement[bool]:
    """Whether it was written by the old time: a command may have gone by a clock set ahead before we noticed."""
    return func.coalesce(moment, 0.0) <= before + UNNOTICED if step > UNNOTICED else true()


def _requests(conn: Connection, account_id: str, step: float) -> None:
    b = schema.buckets
    mine = b.c.account_id == account_id
    rows = [dict(row) for row in conn.execute(select(b).where(mine)).mappings()]
    if rows:
        conn.execute(delete(b).where(mine))
        # Rounded up: no request leaves the window sooner for it.
        conn.execute(insert(b), [{**row, "second": row["second"] + math.ceil(step)} for row in rows])
    if blocked := flags.blocked_until(conn, account_id):
        flags.set_value(conn, account_id, flags.BLOCKED_UNTIL, blocked + step, blocked + step)
    if lowered := flags.get(conn, account_id, flags.CAPS_LOWERED):
        flags.set_value(conn, account_id, flags.CAPS_LOWERED, lowered + step, lowered + step)


def _approvals(conn: Connection, account_id: str, before: float, step: float) -> None:
    t = schema.approvals
    conn.execute(
        update(t)
        .where(t.c.account_id == account_id, t.c.ended_at.is_(None), _is_old(t.c.approved_at, before, step))
        .values(approved_at=t.c.approved_at + step, expires_at=t.c.expires_at + step)
    )


def _waiting(conn: Connection, account_id: str, step: float) -> None:
    p = schema.parked
    due = update(p).where(p.c.account_id == account_id, p.c.due_at.is_not(None))
    conn.execute(due.values(due_at=p.c.due_at + step))
    w = schema.waiting
    conn.execute(update(w).where(w.c.account_id == account_id).values(first_seen_at=w.c.first_seen_at + step))


def _campaigns(conn: Connection, account_id: str, step: float) -> None:
    c = schema.campaigns
    running = update(c).where(c.c.account_id == account_id, c.c.ended_at.is_(None))
    conn.execute(running.values(until=c.c.until + step))


def _cursors(conn: Connection, account_id: str, step: float) -> None:
    """The next poll sweeps a day; a watermark only ever goes back: what was read by a wrong clock is read again.

    A floor goes back with the clock, and comes back with it: no further, for nobody may be hidden from by it.
    """
    lowered: float = flags.get(conn, account_id, FLOORS_LOWERED) or 0.0
    shift = min(step, lowered)
    flags.set_value(conn, account_id, FLOORS_LOWERED, lowered - shift, 0.0)
    c = schema.cursors
    conn.execute(
        update(c)
        .where(c.c.account_id == account_id)
        .values(watermark=c.c.watermark + min(step, 0.0), floor=c.c.floor + shift, swept_at=0.0)
    )
