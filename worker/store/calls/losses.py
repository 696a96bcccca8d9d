"""After a restore: what was done since the copy was made is known to the vendor, and no longer here.

The lost stretch begins with the last record of the copy and ends when the copy was put in place. Whatever was not
finished in the copy, and whatever is decided anew about mail of that stretch, may have been done already. So it is
looked at before it is sent, and what a look at the message does not show is read back first (`worker/acting/proof.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select, update

from worker.clock import iso
from worker.model.actions import State
from worker.model.ledger import Loss
from worker.store import flags, schema
from worker.store.calls.outcomes import recover
from worker.store.trail.audit import Entry, append

LOSS = "loss"
LONGEST = 30 * 86400.0
"""How far back the vendor tells what happened; an older loss is void."""


def current(conn: Connection, account_id: str, now: float) -> Loss | None:
    """What a restore has left in doubt, if there was one within the vendor's memory."""
    value = flags.get(conn, account_id, LOSS)
    loss = Loss(**value) if value else None
    return loss if loss and now - loss.until < LONGEST else None


def begin(
    conn: Connection,
    account_id: str,
    now: float,
    delay: float,
    why: str,
    told: Mapping[str, Any] | None = None,
) -> dict[str, int]:
    """The ledger is an older copy from now on. Returns how many unfinished actions are looked at first, by state.

    `told` goes into the audit log too.
    """
    since = max(_complete_until(conn, account_id, now), now - LONGEST)
    earlier = current(conn, account_id, now)
    if earlier is not None:
        since = min(since, earlier.since)
    flags.set_value(conn, account_id, LOSS, Loss(since, now)._asdict(), now)
    recover(conn, account_id, now, delay)
    unfinished = _look_first(conn, account_id, now, delay)
    body = {"why": why, "complete_until": iso(since), "unfinished": unfinished, **(told or {})}
    append(conn, account_id, now, [Entry("restored", body)])
    return unfinished


def redate(conn: Connection, account_id: str, step: float, now: float) -> None:
    """The clock has been set: the stretch ends as long ago as before, and begins no later than it did by either time."""
    value = flags.get(conn, account_id, LOSS)
    if not value:
        return
    loss = Loss(**value)
    since = max(min(loss.since, loss.since + step), now - LONGEST)
    flags.set_value(conn, account_id, LOSS, Loss(since, loss.until + step)._asdict(), now)


def _complete_until(conn: Connection, account_id: str, now: float) -> float:
    """When the last record was written: up to then the copy knows everything. 0 where a wrong clock has dated it.

    That the clock was set since is written down before the copy is known for one.
    """
    a = schema.audit.c
    last = conn.execute(
        select(func.max(a.at)).where(a.account_id == account_id, a.kind != "clock")
    ).scalar_one()
    at = datetime.fromisoformat(last).timestamp() if last else 0.0
    return at if at <= now else 0.0


def _look_first(conn: Connection, account_id: str, now: float, delay: float) -> dict[str, int]:
    """What the vendor's log shows only after a while falls due then; nothing counts as seen lately."""
    a = schema.actions
    due = {State.READY: now + delay, State.UNKNOWN: now + delay}
    counts = {}
    for state in (State.OPEN, State.HELD, State.READY, State.UNKNOWN):
        values: dict[str, Any] = {"verified_at": None, "read_backs": 0}
        if state in due:
            values["due_at"] = due[state]
        changed = conn.execute(
            update(a).where(a.c.account_id == account_id, a.c.state == state).values(values)
        ).rowcount
        if changed:
            counts[str(state)] = changed
    return counts
