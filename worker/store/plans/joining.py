"""Wishes meet what is in the ledger already: the same wish joins it, a contradicting one holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, true, update

from worker.model.actions import State
from worker.model.admission import Ruling
from worker.model.kinds import kind_of
from worker.model.plans import DETECTIONS
from worker.model.sweeps import window_seconds
from worker.store import schema
from worker.store.tools import chunks, from_json
from worker.store.trail.audit import Entry, append

_TOLD = [
    schema.actions.c[name]
    for name in (
        "id", "plan_id", "message_id", "playbook", "playbook_version", "kind", "target", "state", "reason",
    )
]  # fmt: skip


def join(
    conn: Connection,
    account_id: str,
    now: float,
    actions: dict[str, dict[str, Any]],
    joining: Sequence[Ruling],
) -> None:
    """The votes go to the action that stands for theirs; one action, every playbook recorded."""
    if not joining:
        return
    a, d = schema.actions, schema.decisions
    pairs = [{"own": one.action_id, "joined": one.joins} for one in joining]
    conn.execute(
        update(d).where(d.c.action_id == bindparam("own")).values(action_id=bindparam("joined")), pairs
    )
    conn.execute(delete(a).where(a.c.id == bindparam("own")), pairs)
    for one in joining:
        row = actions[one.action_id]
        # What is not done yet hangs on one event: on the message's own, whose verdict may change any time, or on that of
        # whoever lets it go. If that event changes, the others are decided for themselves (`superseding.supersede`).
        stands = row["source"] == DETECTIONS or one.state is State.READY
        conn.execute(
            update(a)
            .where(a.c.id == one.joins, a.c.state.not_in([State.SUCCEEDED, State.REJECTED]))
            .where(true() if stands else a.c.source != DETECTIONS)
            .values({name: row[name] for name in ("source", "event_key", "event_revision", "verdict")})
        )
        if one.state is State.READY:
            _let_go(conn, one, row, now)
    _prolong(conn, now, [one.joins for one in joining if kind_of(actions[one.action_id]["kind"]).finds])
    append(
        conn,
        account_id,
        now,
        [
            Entry(
                "joined",
                {
                    "decided_as": one.action_id,
                    "playbook": actions[one.action_id]["playbook"],
                    "lets_go": one.state is State.READY,
                },
                actions[one.action_id]["plan_id"],
                one.joins,
                message_id=actions[one.action_id]["message_id"],
            )
            for one in joining
        ],
    )


def _prolong(conn: Connection, now: float, sweeps: Sequence[str]) -> None:
    """The campaigns of these sweeps are confirmed once more: late siblings are caught for a whole window from now on."""
    a, c = schema.actions.c, schema.campaigns.c
    # Of what is over, and of what was rejected, the parameters may be gone.
    opened = select(a.id, a.params).join(schema.campaigns, c.action_id == a.id).where(c.ended_at.is_(None))
    for part in chunks(sweeps):
        for row in conn.execute(opened.where(a.id.in_(part))).all():
            until = now + window_seconds(from_json(row.params)["window"])
            conn.execute(
                update(schema.campaigns).where(c.action_id == row.id, c.until < until).values(until=until)
            )


def _let_go(conn: Connection, ruling: Ruling, row: dict[str, Any], now: float) -> None:
    """What waited for a person goes out as the enforcing playbook's, which is within its caps."""
    a = schema.actions
    owner = {name: row[name] for name in ("plan_id", "playbook", "playbook_version", "reason")}
    conn.execute(
        update(a)
        .where(a.c.id == ruling.joins, a.c.state == State.HELD)
        .values(
            state=State.READY,
            mode=ruling.mode,
            error=None,
            held_until=None,
            due_at=now,
            admitted_at=now,
            updated_at=now,
            **owner,
        )
    )


def hold(
    conn: Connection, account_id: str, now: float, seconds: float, whom: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Holds unsent actions that a wish contradicts, each with its reason, for so many seconds; returns them."""
    a = schema.actions
    held: list[dict[str, Any]] = []
    for action_id, why in whom.items():
        rows = conn.execute(
            update(a)
            .where(a.c.id == action_id, a.c.state.in_([State.READY, State.HELD]))
            .values(
                state=State.HELD,
                error=why,
                due_at=None,
                admitted_at=None,
                approved_at=None,
                approval_id=None,
                held_until=now + seconds,
                updated_at=now,
            )
            .returning(*_TOLD)
        )
        held += [{**row, "why": why} for row in rows.mappings()]
    entries = [
        Entry(
            "held",
            {"state": row["state"], "why": row["why"]},
            row["plan_id"],
            row["id"],
            None,
            row["message_id"],
        )
        for row in held
    ]
    append(conn, account_id, now, entries)
    return held
