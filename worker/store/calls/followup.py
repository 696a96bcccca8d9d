"""What is done with actions between their plan and their call, and after an answer was lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, false, func, select, true, update

from worker.model.actions import LIVE, PARTLY, PARTLY_RELEASED, Mode, Release, State
from worker.model.calls import Item, Outcome
from worker.model.caps import DAY
from worker.model.kinds import FINDS
from worker.model.ledger import Aside, Left, Look, OurMove
from worker.model.plans import Ceilings
from worker.store import schema
from worker.store.calls.claims import ITEM_COLUMNS, item
from worker.store.calls.returning import reconsider
from worker.store.entries import completed, end_unblocked, remember
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

_LOOK = (
    update(schema.actions)
    .where(schema.actions.c.id == bindparam("action"))
    .values(
        state=bindparam("to_state"),
        error=bindparam("to_error"),
        verified_at=bindparam("to_verified"),
        due_at=func.coalesce(bindparam("to_due"), schema.actions.c.due_at),
        held_until=bindparam("to_held_until"),
        origin=func.coalesce(bindparam("to_origin"), schema.actions.c.origin),
        refusals=schema.actions.c.refusals + bindparam("unread"),
        updated_at=bindparam("at"),
    )
)


def apply_looks(
    conn: Connection, account_id: str, now: float, hold_seconds: float, looks: Sequence[Look]
) -> int:
    """Writes what the looks showed, only to actions that are still ready. Returns how many were changed."""
    a = schema.actions
    ready: set[str] = set()
    for part in chunks(look.action_id for look in looks):
        ready.update(conn.scalars(select(a.c.id).where(a.c.id.in_(part), a.c.state == State.READY)))
    looks = [look for look in looks if look.action_id in ready]
    if not looks:
        return 0
    conn.execute(_LOOK, [_look_row(look, now, hold_seconds) for look in looks])
    held = [look.action_id for look in looks if look.state is State.HELD]
    for part in chunks(held):
        # What waits for a person again uses up no hourly cap.
        conn.execute(
            update(a).where(a.c.id.in_(part)).values(admitted_at=None, approved_at=None, approval_id=None)
        )
    append(
        conn,
        account_id,
        now,
        [
            Entry(str(look.state), {"state": look.state, "why": look.why}, action_id=look.action_id)
            for look in looks
            if look.state is not State.READY
        ],
    )
    return len(looks)


def _look_row(look: Look, now: float, hold_seconds: float) -> dict[str, Any]:
    # What was read after now was read by a clock that has been set back: how old it is nobody can tell.
    dated = now if look.read_at is None else look.read_at if look.read_at <= now else None
    return {
        "action": look.action_id,
        "to_state": look.state,
        "to_error": look.why or None,
        "to_verified": dated if look.state is State.READY and look.again_in is None else None,
        "to_due": None if look.again_in is None else now + look.again_in,
        "to_held_until": now + hold_seconds if look.state is State.HELD else None,
        "to_origin": look.origin,
        "unread": int(look.unread),
        "at": now,
    }


def took_effect() -> ColumnElement[bool]:
    """Moves that moved the message, if only for some of its recipients."""
    a = schema.actions
    partly = (a.c.state == State.FAILED) & a.c.error.startswith(PARTLY)
    return (a.c.kind == "move") & ((a.c.state == State.SUCCEEDED) | partly)


def partly_released() -> ColumnElement[bool]:
    """Failed releases that reached some of the recipients."""
    a = schema.actions.c
    return (a.kind == Release.kind) & (a.state == State.FAILED) & a.error.startswith(PARTLY_RELEASED)


def our_moves(conn: Connection, account_id: str, message_id: str, now: float) -> list[OurMove]:
    """The moves of the message by the worker itself that took effect, oldest first."""
    a = schema.actions
    query = select(a.c.id, a.c.cause, a.c.target, a.c.submitted_at).where(
        a.c.account_id == account_id, a.c.message_id == message_id, took_effect()
    )
    rows = conn.execute(query.order_by(a.c.submitted_at, a.c.id))
    return [OurMove(row.id, row.cause, row.target, row.submitted_at, now - row.submitted_at) for row in rows]


def due_read_backs(
    conn: Connection, account_id: str, now: float, most: int, without: Collection[str] = ()
) -> list[Item]:
    """Unknown actions whose read-back has fallen due, oldest first, `without` these kinds."""
    a = schema.actions
    query = (
        select(*ITEM_COLUMNS)
        .where(
            a.c.account_id == account_id,
            a.c.state == State.UNKNOWN,
            a.c.due_at <= now,
            a.c.kind.not_in(sorted(without)),
        )
        .order_by(a.c.due_at, a.c.id)
        .limit(most)
    )
    return completed(conn, [item(row) for row in conn.execute(query).mappings()])


def coming_read_backs(conn: Connection, account_id: str) -> list[tuple[str, float]]:
    """Unknown actions that will be read back, and when; the others are parked for a person."""
    a = schema.actions
    query = select(a.c.id, a.c.due_at).where(
        a.c.account_id == account_id, a.c.state == State.UNKNOWN, a.c.due_at.is_not(None)
    )
    return [(row.id, row.due_at) for row in conn.execute(query)]


def parked_actions(conn: Connection, account_id: str) -> int:
    """How many unknown actions nobody reads back any more: a person has to look."""
    a = schema.actions
    query = select(func.count()).where(
        a.c.account_id == account_id, a.c.state == State.UNKNOWN, a.c.due_at.is_(None)
    )
    return conn.execute(query).scalar_one()


def settle_read_back(
    conn: Connection,
    account_id: str,
    now: float,
    outcome: Outcome,
    *,
    counted: bool,
    sent_at: float | None = None,
    hold_seconds: float = DAY,
) -> Aside | None:
    """Writes what a read-back showed; None where the action is not unknown any more. `counted` when it showed something.

    `sent_at` fences it: a slow read-back says nothing of a request that was sent after it had begun.
    What is ready again, and contradicts what was wanted meanwhile, waits `hold_seconds` for a person; it is returned.
    """
    a = schema.actions
    ready = outcome.state is State.READY
    result = conn.execute(
        update(a)
        .where(
            a.c.id == outcome.action_id,
            a.c.state == State.UNKNOWN,
            true() if sent_at is None else a.c.submitted_at == sent_at,
        )
        .values(
            state=outcome.state,
            error=outcome.error,
            due_at=None if outcome.due_in is None else now + outcome.due_in,
            read_backs=a.c.read_backs + (1 if counted else 0),
            # What was read back is no proof of the message's state now.
            verified_at=None if ready else a.c.verified_at,
            updated_at=now,
        )
    )
    if not result.rowcount:
        return None
    if outcome.made:
        remember(conn, account_id, [outcome])
    if outcome.state is State.SUCCEEDED:
        end_unblocked(conn, now, [outcome.action_id])
    body = {"state": outcome.state, "error": outcome.error, "seen": dict(outcome.detail)}
    append(conn, account_id, now, [Entry("read_back", body, action_id=outcome.action_id)])
    return reconsider(conn, account_id, now, [outcome.action_id], hold_seconds) if ready else Aside()


def lower_ceiling(conn: Connection, account_id: str, now: float, ceilings: Ceilings) -> int:
    """At start under a lower WORKER_MODE: what no person approved waits for one. Returns how many."""
    if ceilings.mode is Mode.ENFORCE:
        return 0
    a = schema.actions
    ids = list(
        conn.scalars(
            select(a.c.id).where(
                a.c.account_id == account_id,
                a.c.state == State.READY,
                a.c.approval_id.is_(None),
                # What only searches waits for nobody: what it finds does.
                a.c.kind.not_in(FINDS),
            )
        )
    )
    why = f"WORKER_MODE is {ceilings.mode} now: waits for approval"
    for part in chunks(ids):
        conn.execute(
            update(a)
            .where(a.c.id.in_(part))
            .values(
                state=State.HELD,
                error=why,
                due_at=None,
                admitted_at=None,
                held_until=now + ceilings.hold_seconds,
                updated_at=now,
            )
        )
    append(
        conn,
        account_id,
        now,
        [Entry("held", {"state": State.HELD, "why": why}, action_id=one) for one in ids],
    )
    return len(ids)


def left(conn: Connection, account_id: str, ceiling: Mode) -> Left:
    """Open work as the dispatcher and the reconciler see it."""
    a = schema.actions
    ready = [a.c.account_id == account_id, a.c.state == State.READY, a.c.kind.not_in(FINDS)]
    if ceiling is Mode.APPROVE:
        ready.append(a.c.approval_id.is_not(None))
    elif ceiling is Mode.SHADOW:
        ready.append(false())
    kinds = conn.execute(
        select(a.c.kind, func.count(), func.min(a.c.due_at)).where(*ready).group_by(a.c.kind)
    ).all()
    unknown, read_back = conn.execute(
        select(func.count(), func.min(a.c.due_at)).where(
            a.c.account_id == account_id, a.c.state == State.UNKNOWN
        )
    ).one()
    return Left(
        sum(count for _, count, _ in kinds),
        min((due for _, _, due in kinds if due is not None), default=None),
        unknown,
        read_back,
        tuple((kind, due) for kind, _, due in kinds),
    )


def has_live_twin(conn: Connection, row: Mapping[str, Any]) -> str | None:
    """The id of another live action of the same identity, which bars this one from coming back."""
    a = schema.actions
    return conn.execute(
        select(a.c.id).where(
            a.c.account_id == row["account_id"],
            a.c.message_id == row["message_id"] if row["subject"] is None else a.c.subject == row["subject"],
            a.c.kind == row["kind"],
            a.c.target == row["target"],
            a.c.cause == row["cause"],
            a.c.state.in_(LIVE),
            a.c.id != row["id"],
        )
    ).scalar_one_or_none()
