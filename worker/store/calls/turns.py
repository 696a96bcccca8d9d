"""One action at a time changes where a message is: the next one waits until what became of the one before is known.

A move that went out behind another whose answer was lost would take the message from a folder that nobody knows, and
its undo would bring it back to a wrong one. The same holds for one that was looked at before the other went out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from worker.model.actions import State
from worker.model.kinds import KINDS, kind_of
from worker.store import schema
from worker.store.prepared import Prepared, among

SOON_SECONDS = 2.0
"""How long after the other's next read-back, or from now where it is under way, its turn is tried again."""
_A = schema.actions.c
_SENT = Prepared(
    lambda: select(_A.message_id, _A.id, _A.state, _A.due_at, _A.submitted_at).where(
        _A.account_id == bindparam("account"),
        among(_A.message_id),
        or_(*(_A.kind == name for name, kind in KINDS.items() if kind.displaces)),
        _A.submitted_at.is_not(None),
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
    """Those of the ready actions whose message no other of ours has moved since they were looked at, or may have moved.

    The others wait, or are looked at once more.
    """
    if not rows or not kind_of(kind).displaces:
        return list(rows)
    mine: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        mine.setdefault(row["message_id"], []).append(row)
    put_off: dict[str, dict[str, Any]] = {}
    for result in _SENT.among(conn, list(mine), account=account_id):
        for other in result:
            for row in mine[other.message_id]:
                again_at = _again_at(row, other, now)
                if other.id != row["id"] and again_at is not None:
                    why = f"waits for {other.id}, which may have moved the message"
                    put_off[row["id"]] = {"one": row["id"], "at": again_at, "why": why, "now": now}
    _PUT_OFF.many(conn, put_off.values())
    return [row for row in rows if row["id"] not in put_off]


def _again_at(row: Mapping[str, Any], other: Any, now: float) -> float | None:
    """When the row's turn is tried again because of the other; None where that is over, and was before the look.

    One that nobody reads back any more bars nothing: what the vendor shows by now counts. One that was sent later than
    now was sent before the clock was set back, and looks from before that do not stand.
    """
    if other.state == State.SUBMITTED or (other.state == State.UNKNOWN and other.due_at is not None):
        return max(now, other.due_at or now) + SOON_SECONDS
    looked_at = row["verified_at"]
    if looked_at is None:
        return None
    return now if looked_at > now or looked_at <= other.submitted_at <= now else None
