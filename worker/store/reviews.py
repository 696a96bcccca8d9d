"""What a person decides: approve, reject, retry. Each is recorded with who and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from worker.model.actions import State, contradicts
from worker.store import schema
from worker.store.audit import Entry, append
from worker.store.followup import has_live_twin


class Verdict(NamedTuple):
    """What became of one id that a person named; `ok` False with the reason."""

    action_id: str
    ok: bool
    message: str


def approve(conn: Connection, account_id: str, ids: list[str], by: str, now: float) -> list[Verdict]:
    """Held actions become ready: caps are lifted for exactly these. Approving one rejects what contradicts it."""
    return [_approve(conn, account_id, one, by, now) for one in ids]


def reject(conn: Connection, account_id: str, ids: list[str], by: str, now: float) -> list[Verdict]:
    """Held, ready or unknown actions are dropped for good; the same wish will not come back."""
    return [_reject(conn, account_id, one, by, now, "rejected by a person") for one in ids]


def retry(
    conn: Connection, account_id: str, ids: list[str], by: str, now: float, *, checked: bool
) -> list[Verdict]:
    """Failed and dead actions are tried again; unknown ones only where a person has checked their effect."""
    return [_retry(conn, account_id, one, by, now, checked=checked) for one in ids]


def _row(conn: Connection, account_id: str, action_id: str) -> dict[str, Any] | None:
    a = schema.actions
    row = conn.execute(
        select(a).where(a.c.account_id == account_id, a.c.id == action_id, a.c.state != State.OPEN)
    ).mappings()
    found = row.first()
    return dict(found) if found else None


def _change(conn: Connection, row: dict[str, Any], kind: str, by: str, now: float, **values: Any) -> None:
    a = schema.actions
    conn.execute(update(a).where(a.c.id == row["id"]).values(updated_at=now, **values))
    body = {"by": by, "was": row["state"], "state": values["state"], "why": values.get("error")}
    append(
        conn,
        row["account_id"],
        now,
        [Entry(kind, body, row["plan_id"], row["id"], message_id=row["message_id"])],
    )


def _approve(conn: Connection, account_id: str, action_id: str, by: str, now: float) -> Verdict:
    row = _row(conn, account_id, action_id)
    if row is None:
        return _missing(action_id)
    if row["state"] != State.HELD:
        return Verdict(action_id, False, f"is {row['state']}, only held actions can be approved")
    if row["held_until"] is not None and row["held_until"] <= now:
        return Verdict(action_id, False, "its time for approval is over")
    for other in _contradicting(conn, row):
        _change(
            conn,
            other,
            "rejected",
            by,
            now,
            state=State.REJECTED,
            due_at=None,
            error=f"{action_id} was approved instead",
        )
    _change(
        conn,
        row,
        "approved",
        by,
        now,
        state=State.READY,
        error=None,
        due_at=now,
        admitted_at=now,
        approved_at=now,
        approved_by=by,
        held_until=None,
        verified_at=None,
    )
    return Verdict(action_id, True, "approved")


def _contradicting(conn: Connection, row: dict[str, Any]) -> list[dict[str, Any]]:
    a = schema.actions
    others = conn.execute(
        select(a).where(
            a.c.account_id == row["account_id"],
            a.c.message_id == row["message_id"],
            a.c.id != row["id"],
            a.c.state.in_([State.HELD, State.READY]),
        )
    ).mappings()
    return [dict(o) for o in others if contradicts(row["kind"], row["target"], o["kind"], o["target"])]


def _reject(conn: Connection, account_id: str, action_id: str, by: str, now: float, why: str) -> Verdict:
    row = _row(conn, account_id, action_id)
    if row is None:
        return _missing(action_id)
    if row["state"] not in (State.HELD, State.READY, State.UNKNOWN):
        return Verdict(
            action_id, False, f"is {row['state']}, only held, ready and unknown actions can be rejected"
        )
    _change(conn, row, "rejected", by, now, state=State.REJECTED, due_at=None, error=why)
    return Verdict(action_id, True, "rejected")


def _retry(
    conn: Connection, account_id: str, action_id: str, by: str, now: float, *, checked: bool
) -> Verdict:
    row = _row(conn, account_id, action_id)
    if row is None:
        return _missing(action_id)
    allowed = (State.FAILED, State.DEAD, State.UNKNOWN)
    if row["state"] not in allowed:
        return Verdict(
            action_id, False, f"is {row['state']}, only failed, dead and unknown actions can be retried"
        )
    if row["state"] == State.UNKNOWN and not checked:
        return Verdict(
            action_id,
            False,
            "is unknown: it may have taken effect; look at the message in the dashboard, then add --i-checked",
        )
    if twin := has_live_twin(conn, row):
        return Verdict(action_id, False, f"{twin} already stands for the same action")
    _change(
        conn,
        row,
        "retried",
        by,
        now,
        state=State.READY,
        error=None,
        due_at=now,
        admitted_at=now,
        approved_at=now,
        approved_by=by,
        attempts=0,
        read_backs=0,
        verified_at=None,
    )
    return Verdict(action_id, True, "will be tried again")


def _missing(action_id: str) -> Verdict:
    return Verdict(action_id, False, "no such action; see worker actions list")
