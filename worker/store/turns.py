"""One action at a time changes where a message is: the next one waits until what became of the one before is known.

A move that went out behind another whose answer was lost would take the message from a folder that nobody knows, and
its undo would bring it back to a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from worker.model.actions import State
from worker.model.kinds import KINDS, kind_of
from worker.store import schema
from worker.store.prepared import Prepared

SOON_SECONDS = 2.0
"""How long after the other's next read-back, or from now where it is under way, its turn is tried again."""
_A = schema.actions.c
_UNDER_WAY = Prepared(
    select(_A.message_id, _A.id, _A.due_at).where(
        _A.account_id == bindparam("account"),
        or_(*(_A.kind == name for name, kind in KINDS.items() if kind.displaces)),
        or_(_A.state == State.SUBMITTED, _A.state == State.UNKNOWN),
        # One that nobody reads back any more bars nothing: what the vendor shows by now counts.
        or_(_A.state == State.SUBMITTED, _A.due_at.is_not(None)),
    )
)
_PUT_OFF = Prepared(
    update(schema.actions)
    .where(_A.id == bindparam("one"), _A.state == State.READY)
    .values(due_at=bindparam("at"), verified_at=None, error=bindparam("why"), updated_at=bindparam("now"))
)


def in_turn(
    conn: Connection, account_id: str, now: float, kind: str, rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those of the ready actions whose message no other of ours is moving, or may have moved; the others wait."""
    if not rows or not kind_of(kind).displaces:
        return list(rows)
    before = {row.message_id: (row.id, row.due_at) for row in _UNDER_WAY(conn, account=account_id)}
    if not before:
        return list(rows)
    waiting = []
    for row in rows:
        if row["message_id"] in before:
            other, due = before[row["message_id"]]
            at, why = (
                max(now, due or now) + SOON_SECONDS,
                f"waits for {other}, which may have moved the message",
            )
            waiting.append({"one": row["id"], "at": at, "why": why, "now": now})
    _PUT_OFF.many(conn, waiting)
    gone = {each["one"] for each in waiting}
    return [row for row in rows if row["id"] not in gone]
