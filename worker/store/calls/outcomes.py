"""What became of a call is settled under its id, the fencing token; orphans of a crash are found at start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, select, update

from worker.model.actions import State
from worker.model.calls import Answered, Call, Outcome
from worker.model.caps import DAY
from worker.model.entries import UnblockSender
from worker.model.kinds import JOB, kind_of
from worker.model.ledger import Aside
from worker.store import schema
from worker.store.calls.returning import reconsider
from worker.store.entries import end_unblocked, remember
from worker.store.prepared import Prepared, among
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

_A = schema.actions.c
_OWNED = (
    update(schema.actions)
    .where(_A.call_id == bindparam("call"), _A.state == State.SUBMITTED)
    .values(
        state=bindparam("to_state"),
        error=bindparam("to_error"),
        due_at=bindparam("to_due"),
        batch=func.coalesce(bindparam("to_batch"), _A.batch),
        # What was not accepted was no attempt.
        attempts=_A.attempts - bindparam("not_accepted"),
        refusals=case((bindparam("not_accepted") == 1, _A.refusals + 1), else_=0),
        updated_at=bindparam("at"),
    )
)
_SETTLE = Prepared(_OWNED)
_SETTLE_SOME = Prepared(lambda: _OWNED.where(among(_A.id)))


def settle(
    conn: Connection,
    account_id: str,
    now: float,
    answers: Sequence[tuple[Call, Answered]],
    hold_seconds: float = DAY,
) -> tuple[list[int], Aside]:
    """Writes what became of each call's actions, only where the call still owns them; how many it owned.

    What is ready again, and contradicts what was wanted meanwhile, waits so many seconds for a person, and is returned.
    """
    owned = [write_outcomes(conn, now, answered.outcomes, call_id=call.id) for call, answered in answers]
    for call, answered in answers:
        if kind_of(call.kind).collection:
            remember(conn, account_id, answered.outcomes)
        elif call.kind == UnblockSender.kind:
            ended = [
                one.action_id for one in answered.outcomes if one.state in (State.SUCCEEDED, State.SKIPPED)
            ]
            end_unblocked(conn, now, ended)
        if answered.event == "call.split":
            _look_again(conn, [one.action_id for one in answered.outcomes if one.due_in])
    entries = [_outcome(*answer, count) for answer, count in zip(answers, owned, strict=True)]
    append(conn, account_id, now, entries)
    outcomes = (one for _, answered in answers for one in answered.outcomes)
    again = [one.action_id for one in outcomes if one.state is State.READY]
    return owned, reconsider(conn, account_id, now, again, hold_seconds)


def _look_again(conn: Connection, action_ids: Sequence[str]) -> None:
    for part in chunks(action_ids):
        conn.execute(update(schema.actions).where(_A.id.in_(part)).values(verified_at=None))


def _outcome(call: Call, answered: Answered, owned: int) -> Entry:
    body = {
        "event": answered.event,
        "status": answered.status,
        "ray": answered.ray,
        "error": answered.error,
        "owned": owned,
        "outcomes": [[one.action_id, one.state, one.error] for one in answered.outcomes],
    }
    single = call.items[0] if len(call.items) == 1 else None
    return Entry(
        "outcome",
        body,
        action_id=single.action_id if single else None,
        call_id=call.id,
        message_id=single.message_id if single else None,
    )


def write_outcomes(conn: Connection, now: float, outcomes: Sequence[Outcome], *, call_id: str) -> int:
    """Sets the states of the call's actions; those that another process has taken over stay as they are."""
    groups: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for one in outcomes:
        groups[one.state, one.error, one.due_in, one.batch].append(one.action_id)
    changed = 0
    for (state, error, due_in, batch), ids in groups.items():
        values = {
            "call": call_id,
            "to_state": str(state),
            "to_error": error,
            "to_due": None if due_in is None else now + due_in,
            "to_batch": batch,
            "not_accepted": 1 if state is State.READY else 0,
            "at": now,
        }
        if len(groups) == 1:
            # Most calls end the same way for all of their actions: then the call's id says it all.
            changed += _SETTLE(conn, **values).rowcount
        else:
            changed += sum(result.rowcount for result in _SETTLE_SOME.among(conn, ids, **values))
    return changed


def recover(conn: Connection, account_id: str, now: float, delay: float) -> list[str]:
    """At start, where only one process can act: every submitted call is orphaned, so its effect is unknown.

    It is read back `delay` seconds after its submission. Returns the ids of the actions.
    """
    a = schema.actions
    orphans = conn.execute(
        select(a.c.id, a.c.call_id, a.c.submitted_at, a.c.message_id, a.c.plan_id).where(
            # What became of a bulk job is asked of the job, whoever has begun it.
            a.c.account_id == account_id,
            a.c.state == State.SUBMITTED,
            a.c.lane.not_like(f"%:{JOB}"),
        )
    ).all()
    for part in chunks(orphans):
        conn.execute(
            update(a)
            .where(a.c.id.in_([row.id for row in part]))
            .values(
                state=State.UNKNOWN,
                error="the worker stopped before it saw the answer",
                due_at=a.c.submitted_at + delay,
                updated_at=now,
            )
        )
    calls = sorted({row.call_id for row in orphans})
    append(
        conn,
        account_id,
        now,
        [
            Entry("orphaned", {"actions": [row.id for row in orphans if row.call_id == call]}, call_id=call)
            for call in calls
        ],
    )
    return [row.id for row in orphans]
