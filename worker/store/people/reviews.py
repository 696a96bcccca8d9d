"""What a person decides: approve, reject, retry. Each is recorded with who and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select, update

from worker.model.actions import PARTLY, PARTLY_RELEASED, REJECTED_IN_DOUBT, State
from worker.model.kinds import contradicts, irreversible
from worker.model.sweeps import Sweep
from worker.store import schema
from worker.store.calls.followup import has_live_twin
from worker.store.people import approvals
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

DAY = 86400.0
Row = dict[str, Any]


class Verdict(NamedTuple):
    """What became of one id that a person named; `ok` False with the reason."""

    action_id: str
    ok: bool
    message: str


class Review(NamedTuple):
    """What became of everything that a person named, and the approval that came of it, if any."""

    verdicts: list[Verdict]
    approval: approvals.Approval | None = None


def approve(
    conn: Connection, account_id: str, ids: Sequence[str], by: str, now: float, seconds: float = DAY
) -> Review:
    """Held actions become ready: caps are lifted for exactly these. Approving one rejects what contradicts it.

    All of them are one approval, bound to each as it is now, which ends after so many seconds.
    """
    named = list(dict.fromkeys(ids))
    rows = _rows(conn, account_id, named)
    losers = _contradicted(conn, account_id, [row for row in rows.values() if not _refusal(row, now)])
    verdicts: list[Verdict] = []
    chosen: list[Row] = []
    rejected: dict[str, str] = {}
    for one in named:
        why = f"{rejected[one]} was approved instead" if one in rejected else _refusal(rows.get(one), now)
        if why:
            verdicts.append(Verdict(one, False, why))
            continue
        beaten = [loser for loser in losers[one] if loser["id"] not in rejected]
        rejected |= {loser["id"]: one for loser in beaten}
        message = _beat(conn, beaten, by, now, f"{one} was approved instead")
        if for_good := irreversible(rows[one]["kind"], rows[one]["target"]):
            message += f"; it cannot be undone: {for_good}"
        verdicts.append(Verdict(one, True, f"approved{message}"))
        chosen.append(rows[one])
    return Review(verdicts, _let_go(conn, account_id, chosen, "approved", by, now, seconds))


def held_of_plan(conn: Connection, account_id: str, plan_id: str, *, benign: bool = False) -> list[str]:
    """The held actions of a plan, oldest first; `benign` also those that a person has to name."""
    a = schema.actions
    query = select(a.c.id).where(
        a.c.account_id == account_id, a.c.plan_id == plan_id, a.c.state == State.HELD
    )
    held = list(conn.scalars(query.order_by(a.c.id)))
    named = {} if benign else named_of_plan(conn, account_id, plan_id)
    return [one for one in held if one not in named]


def named_of_plan(conn: Connection, account_id: str, plan_id: str) -> dict[str, str]:
    """The held actions of a plan that a person has to name to let them go, and why."""
    a, m = schema.actions, schema.members
    query = (
        select(m.c.action_id, m.c.asks)
        .select_from(m.join(a, a.c.id == m.c.action_id))
        .where(a.c.account_id == account_id, a.c.plan_id == plan_id, a.c.state == State.HELD, m.c.asks != "")
    )
    return {row.action_id: row.asks for row in conn.execute(query)}


def reject(conn: Connection, account_id: str, ids: Sequence[str], by: str, now: float) -> Review:
    """Held, ready or unknown actions are dropped for good; the same wish will not come back."""

    def refusal(row: Row) -> str:
        if row["state"] in (State.HELD, State.READY, State.UNKNOWN):
            return ""
        return f"is {row['state']}, only held, ready and unknown actions can be rejected"

    verdicts, chosen = _judge(conn, account_id, ids, refusal, "rejected")
    doubtful = [row for row in chosen if row["state"] == State.UNKNOWN]
    others = [row for row in chosen if row["state"] != State.UNKNOWN]
    for rows, error in ((others, "rejected by a person"), (doubtful, REJECTED_IN_DOUBT)):
        _change(conn, rows, "rejected", by, now, state=State.REJECTED, due_at=None, error=error)
    return Review(verdicts)


def retry(
    conn: Connection,
    account_id: str,
    ids: Sequence[str],
    by: str,
    now: float,
    *,
    checked: bool,
    seconds: float = DAY,
) -> Review:
    """Failed and dead actions are tried again; unknown ones only where a person has checked their effect.

    What worked for some recipients is not: a look would take it for done, and forget what it did.

    Who says so approves exactly these, as they are now, and rejects what contradicts them.
    """
    going: dict[str, list[Row]] = {}

    def refusal(row: Row) -> str:
        beside = going.setdefault(_about(row), [])
        why = _not_again(row, checked=checked) or _in_the_way(conn, row, beside)
        if not why:
            beside.append(row)
        return why

    verdicts, chosen = _judge(conn, account_id, ids, refusal, "will be tried again")
    rejected: set[str] = set()
    also: dict[str, str] = {}
    for one, losers in _contradicted(conn, account_id, chosen).items():
        beaten = [loser for loser in losers if loser["id"] not in rejected]
        rejected.update(loser["id"] for loser in beaten)
        also[one] = _beat(conn, beaten, by, now, f"{one} was tried again instead")
    verdicts = [told._replace(message=told.message + also.get(told.action_id, "")) for told in verdicts]
    again = {"attempts": 0, "read_backs": 0}
    return Review(verdicts, _let_go(conn, account_id, chosen, "retried", by, now, seconds, **again))


def _not_again(row: Row, *, checked: bool) -> str:
    """Why an action cannot be tried again, whatever else there is; empty where it can."""
    error = row["error"] or ""
    if row["state"] not in (State.FAILED, State.DEAD, State.UNKNOWN):
        return f"is {row['state']}, only failed, dead and unknown actions can be retried"
    if row["state"] == State.UNKNOWN and not checked:
        return (
            "is unknown: it may have taken effect; look at the message in the dashboard, then add --i-checked"
        )
    if row["kind"] == Sweep.kind and not row["subject"]:
        return f"its search was given up and does not begin again ({error}): {_SIBLINGS_BY_HAND}"
    if error.startswith(PARTLY):
        return f"has moved the message for some recipients: {_BY_HAND}, or `worker undo {row['id']}`"
    if error.startswith(PARTLY_RELEASED):
        return f"has delivered the message to some recipients, who would get it twice: {_BY_HAND}"
    return ""


def _in_the_way(conn: Connection, row: Row, beside: Sequence[Row]) -> str:
    """Which action stands for the same already, or is tried again and means the opposite; empty where none does."""
    identity = row["kind"], row["target"], row["cause"]
    same = [one["id"] for one in beside if (one["kind"], one["target"], one["cause"]) == identity]
    if twin := has_live_twin(conn, row) or next(iter(same), ""):
        return f"{twin} already stands for the same action"
    against = next((one["id"] for one in beside if _contradict(row, one)), "")
    return f"contradicts {against}, which is named before it" if against else ""


def _beat(conn: Connection, losers: Sequence[Row], by: str, now: float, why: str) -> str:
    """Rejects what contradicts an action that a person lets go; returns what to tell of it."""
    _change(conn, losers, "rejected", by, now, state=State.REJECTED, due_at=None, error=why)
    return "".join(f"; rejects {loser['id']}, which contradicts it" for loser in losers)


def _judge(
    conn: Connection, account_id: str, ids: Sequence[str], refusal: Callable[[Row], str], done: str
) -> tuple[list[Verdict], list[Row]]:
    """A verdict on each id, and the rows of those that were not refused."""
    named = list(dict.fromkeys(ids))
    rows = _rows(conn, account_id, named)
    refusals = {one: refusal(rows[one]) if one in rows else _MISSING for one in named}
    verdicts = [Verdict(one, not why, why or done) for one, why in refusals.items()]
    return verdicts, [rows[one] for one, why in refusals.items() if not why]


def _rows(conn: Connection, account_id: str, ids: Sequence[str]) -> dict[str, Row]:
    a = schema.actions
    found: dict[str, Row] = {}
    for part in chunks(ids):
        query = select(a).where(a.c.account_id == account_id, a.c.id.in_(part), a.c.state != State.OPEN)
        found.update((row["id"], dict(row)) for row in conn.execute(query).mappings())
    return found


def _refusal(row: Row | None, now: float) -> str:
    """Why a person cannot approve it; empty where they can."""
    if row is None:
        return _MISSING
    if row["state"] != State.HELD:
        return f"is {row['state']}, only held actions can be approved"
    if row["held_until"] is not None and row["held_until"] <= now:
        return "its time for approval is over"
    return ""


def _contradicted(conn: Connection, account_id: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Unsent actions that contradict each of the rows, by the row's id."""
    a = schema.actions
    found: dict[str, list[Row]] = {}
    others: dict[str, list[Row]] = {}
    unsent = select(a).where(a.c.account_id == account_id, a.c.state.in_([State.HELD, State.READY]))
    for column in (a.c.message_id, a.c.subject):
        for part in chunks(sorted({row[column.name] for row in rows} - {None})):
            for other in conn.execute(unsent.where(column.in_(part)).order_by(a.c.id)).mappings():
                others.setdefault(_about(other), []).append(dict(other))
    for row in rows:
        found[row["id"]] = [
            other
            for other in others.get(_about(row), ())
            if other["id"] != row["id"] and _contradict(row, other)
        ]
    return found


def _contradict(row: Row, other: Row) -> bool:
    return contradicts(row["kind"], row["target"], other["kind"], other["target"])


def _about(row: Row | RowMapping) -> str:
    return row["subject"] or row["message_id"]  # type: ignore[no-any-return]


def _let_go(
    conn: Connection,
    account_id: str,
    rows: Sequence[Row],
    kind: str,
    by: str,
    now: float,
    seconds: float,
    **values: Any,
) -> approvals.Approval | None:
    """Makes the actions ready under one approval of exactly these; each is looked at before it is sent."""
    if not rows:
        return None
    approval = approvals.grant(conn, account_id, rows, by, now, seconds)
    _change(
        conn,
        rows,
        kind,
        by,
        now,
        told={"approval": approval.id, "sha256": approval.digest, "until": approval.expires_at},
        state=State.READY,
        error=None,
        due_at=now,
        admitted_at=now,
        approved_at=now,
        approved_by=by,
        approval_id=approval.id,
        held_until=None,
        verified_at=None,
        **values,
    )
    return approval


def _change(
    conn: Connection,
    rows: Sequence[Row],
    kind: str,
    by: str,
    now: float,
    told: dict[str, Any] | None = None,
    **values: Any,
) -> None:
    """Writes the same change to all rows, each with a record of its own."""
    if not rows:
        return
    a = schema.actions
    for part in chunks(row["id"] for row in rows):
        conn.execute(update(a).where(a.c.id.in_(part)).values(updated_at=now, **values))
    body = {"by": by, "state": values["state"], "why": values.get("error"), **(told or {})}
    entries = [
        Entry(kind, {**body, "was": row["state"]}, row["plan_id"], row["id"], message_id=row["message_id"])
        for row in rows
    ]
    append(conn, rows[0]["account_id"], now, entries)


_SIBLINGS_BY_HAND = "search and move these siblings by hand"
_BY_HAND = "finish the others by hand in the dashboard"
_MISSING = "no such action; see worker actions list"
