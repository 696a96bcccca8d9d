"""Ready actions become calls: intent first, one token, one request; then each outcome is settled under the call's id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec import structs
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from worker.ids import new_id
from worker.model.actions import Mode, State
from worker.model.calls import Call, Item, bare
from worker.model.kinds import kind_of
from worker.model.ledger import BulkLane, Claimed, Grant, Limits
from worker.model.plans import Ceilings
from worker.store import budget, flags, schema
from worker.store.calls.turns import in_turn
from worker.store.entries import completed
from worker.store.people import approvals, levels
from worker.store.plans import caps
from worker.store.prepared import Prepared, among
from worker.store.tools import from_json
from worker.store.trail.audit import Entry, append

VERIFIED_SECONDS = 60.0
ITEM_COLUMNS = [
    schema.actions.c[name]
    for name in (
        "id", "message_id", "rfc_message_id", "postfix_id", "recipients", "kind", "target", "params", "attempts",
        "is_submission", "verdict", "message_from", "message_until", "submitted_at", "approved_at", "read_backs",
        "refusals", "cause", "source", "batch", "plan_id", "call_id", "playbook",
        "playbook_version", "approval_id", "verified_at", "admitted_at",
    )
]  # fmt: skip

_NAMES = tuple(column.name for column in ITEM_COLUMNS)
_A = schema.actions.c
_READY = (
    update(schema.actions)
    .where(_A.state == State.READY)
    .values(
        state=State.SUBMITTED,
        call_id=bindparam("call"),
        submitted_at=bindparam("at"),
        lease_until=bindparam("until"),
        attempts=_A.attempts + 1,
        read_backs=0,
        due_at=None,
        error=None,
        updated_at=bindparam("at"),
    )
)
_SUBMIT_MANY = Prepared(lambda: _READY.where(among(_A.id)))
_SUBMIT_ONE = Prepared(_READY.where(_A.id == bindparam("one")))
_DUE = (
    select(*ITEM_COLUMNS)
    .where(
        _A.account_id == bindparam("account"),
        _A.state == State.READY,
        _A.due_at <= bindparam("now"),
        _A.lane == bindparam("lane"),
        _A.kind == bindparam("kind"),
        _A.verified_at >= bindparam("fresh"),
    )
    .order_by(_A.due_at, _A.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_OF_TARGET = _DUE.where(_A.target == bindparam("target"))
_CLAIMABLE = {
    (by_target, mode): Prepared(due if mode is Mode.ENFORCE else due.where(_A.approval_id.is_not(None)))
    for by_target, due in ((True, _OF_TARGET), (False, _DUE))
    for mode in (Mode.ENFORCE, Mode.APPROVE)
}


def item(row: Any) -> Item:
    """An action's row as its executor needs it."""
    return Item(
        action_id=row["id"],
        message_id=row["message_id"],
        rfc_message_id=row["rfc_message_id"],
        postfix_id=row["postfix_id"],
        recipients=tuple(from_json(row["recipients"])),
        kind=row["kind"],
        target=row["target"],
        params=from_json(row["params"]),
        attempts=row["attempts"],
        is_submission=bool(row["is_submission"]),
        verdict=row["verdict"],
        message_from=row["message_from"],
        message_until=row["message_until"],
        submitted_at=row["submitted_at"],
        approved_at=row["approved_at"],
        read_backs=row["read_backs"],
        refusals=row["refusals"],
        cause=row["cause"],
        source=row["source"],
        playbook=row["playbook"],
        playbook_version=row["playbook_version"],
    )


def lanes(conn: Connection, account_id: str, now: float, ceiling: Mode) -> list[BulkLane]:
    """Lanes with work that is due and allowed, the longest waiting first."""
    if ceiling is Mode.SHADOW or flags.paused(conn, account_id):
        return []
    a = schema.actions
    query = (
        select(a.c.lane, a.c.kind, a.c.target, func.count(), func.min(a.c.due_at))
        .where(*_due(account_id, now, ceiling))
        .group_by(a.c.lane, a.c.kind, a.c.target)
        .order_by(a.c.lane, a.c.kind, a.c.target)
    )
    found: dict[tuple[str, str], BulkLane] = {}
    for name, kind, aim, waiting, oldest in conn.execute(query):
        target = aim if kind_of(kind).by_target else ""
        lane = found.get((name, target))
        if lane is not None:
            waiting, oldest = waiting + lane.waiting, min(oldest, lane.oldest)  # noqa: PLW2901 - of both
        found[name, target] = BulkLane(name, kind, target, waiting, oldest)
    return sorted(found.values(), key=lambda lane: lane.oldest)


def _due(account_id: str, now: float, ceiling: Mode) -> list[ColumnElement[bool]]:
    a = schema.actions
    conditions = [a.c.account_id == account_id, a.c.state == State.READY, a.c.due_at <= now]
    if ceiling is Mode.APPROVE:
        conditions.append(a.c.approval_id.is_not(None))
    return conditions


def _of(lane: BulkLane) -> list[ColumnElement[bool]]:
    """A row belongs to a lane by what it says of itself too: its call sends the lane's kind and target."""
    a = schema.actions
    own = [a.c.lane == lane.name, a.c.kind == lane.kind]
    return [*own, a.c.target == lane.target] if kind_of(lane.kind).by_target else own


def unverified(
    conn: Connection, account_id: str, lane: BulkLane, now: float, ceilings: Ceilings, most: int
) -> tuple[list[Item], Mapping[str, int]]:
    """Due actions of the lane whose message was last seen too long ago to act on, or shows another's hand.

    The second is how many others wait for a cap, by its name.
    """
    a = schema.actions
    if flags.paused(conn, account_id):
        return [], {}
    query = (
        select(*ITEM_COLUMNS, a.c.origin, a.c.error)
        .where(
            *_due(account_id, now, ceilings.mode),
            *_of(lane),
            a.c.verified_at.is_(None) | (a.c.verified_at < now - VERIFIED_SECONDS),
        )
        # Neighbours in time share the lists that a look needs.
        .order_by(a.c.message_from.nulls_first(), a.c.id)
        .limit(most)
    )
    rows = [dict(row) for row in conn.execute(query).mappings()]
    turns = in_turn(conn, account_id, now, lane.kind, rows)
    going, waiting = caps.in_room(conn, account_id, now, lane.kind, turns, ceilings)
    return [structs.replace(item(row), origin=row["origin"], error=row["error"]) for row in going], waiting


def claim(
    conn: Connection,
    account_id: str,
    lane: BulkLane,
    now: float,
    limits: Limits,
    *,
    most: int,
    calls: int = 1,
) -> Claimed:
    """Claims up to `calls` calls of at most `most` messages: state, intent and budget in one transaction.

    Each call must be sent at once or settled as not sent. What would move a message behind another move of ours that is
    not settled waits, and so does what waited so long that the caps, which do not count it any more, have no room for it.
    What was approved is compared with its approval here, and put back where that does not stand any more; so is what
    came back to a playbook that was demoted meanwhile.
    """
    ceilings = limits.ceilings
    if ceilings.mode is Mode.SHADOW or flags.paused(conn, account_id):
        return Claimed([], 0.0)
    kind = kind_of(lane.kind)
    due = _CLAIMABLE[kind.by_target, ceilings.mode](
        conn,
        account=account_id,
        now=now,
        lane=lane.name,
        kind=lane.kind,
        target=lane.target,
        fresh=now - VERIFIED_SECONDS,
        most=most * calls,
    )
    found = [dict(zip(_NAMES, row, strict=True)) for row in due]
    rows, back = approvals.sift(conn, account_id, now, lane.kind, lane.target, found, ceilings.hold_seconds)
    rows, demoted = levels.sift(conn, account_id, now, rows, ceilings.hold_seconds)
    back += demoted
    rows = in_turn(conn, account_id, now, lane.kind, rows)
    rows, waiting = caps.in_room(conn, account_id, now, lane.kind, rows, ceilings)
    groups = _groups(rows, most, calls, _together if kind.names_messages else _first)
    if not groups:
        return Claimed([], 0.0, back, waiting)
    free = Grant(len(groups), 0, 0.0)
    grant = free if kind.apart else budget.take(conn, account_id, now, len(groups), limits.budget)
    claimed = [
        Call(new_id(), lane.kind, _target(rows), tuple([item(row) for row in rows]), now, now + limits.lease)
        for rows in groups[: grant.granted]
    ]
    if kind.has_subject:
        claimed = [structs.replace(call, items=tuple(completed(conn, call.items))) for call in claimed]
    _submit(conn, claimed)
    caps.count_anew(conn, account_id, now, [row for group in groups[: grant.granted] for row in group])
    append(conn, account_id, now, [_intent(call) for call in claimed])
    return Claimed(claimed, grant.wait, back, waiting)


def _groups(
    rows: Sequence[Mapping[str, Any]],
    most: int,
    calls: int,
    together: Callable[[Sequence[Mapping[str, Any]], int], list[Mapping[str, Any]]],
) -> list[list[Mapping[str, Any]]]:
    groups: list[list[Mapping[str, Any]]] = []
    while rows and len(groups) < calls:
        groups.append(together(rows, most))
        taken = {row["id"] for row in groups[-1]}
        rows = [row for row in rows if row["id"] not in taken]
    return groups


def _target(rows: Sequence[Mapping[str, Any]]) -> str:
    """What all of a call have in common; empty where each has its own."""
    first: str = rows[0]["target"]
    return first if all(row["target"] == first for row in rows) else ""


def _first(rows: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """The next ones: the answer tells them apart by something else than a message. None takes more than it may."""
    chosen: list[Mapping[str, Any]] = []
    for row in rows:
        most = min(most, row["batch"])
        if len(chosen) >= most:
            break
        chosen.append(row)
    return chosen


def _together(rows: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """Those that may share a call with the first: the answer names no investigate id, so none that it could mix up."""
    chosen: list[Mapping[str, Any]] = []
    names: set[str] = set()
    for row in rows:
        name, limit = bare(row["rfc_message_id"]), row["batch"]
        if not chosen and not name:
            return [row]
        if not name or name in names or len(chosen) >= limit:
            continue
        chosen.append(row)
        names.add(name)
        most = min(most, limit)
        if len(chosen) >= most:
            break
    return chosen


def _submit(conn: Connection, calls: Sequence[Call]) -> None:
    single = []
    for call in calls:
        owned = {"call": call.id, "at": call.submitted_at, "until": call.lease_until}
        if len(call.items) == 1:
            single.append({**owned, "one": call.items[0].action_id})
        else:
            ids = [one.action_id for one in call.items]
            _SUBMIT_MANY.among(conn, ids, **owned)
    _SUBMIT_ONE.many(conn, single)


def _intent(call: Call) -> Entry:
    body: dict[str, Any] = {
        "kind": call.kind,
        "target": call.target,
        "params": dict(call.items[0].params),
        "actions": [[one.action_id, one.message_id] for one in call.items],
    }
    if not kind_of(call.kind).by_target:
        body["each"] = {
            one.action_id: {"target": one.target, "params": dict(one.params)} for one in call.items
        }
    single = call.items[0] if len(call.items) == 1 else None
    return Entry(
        "intent",
        body,
        action_id=single.action_id if single else None,
        call_id=call.id,
        message_id=single.message_id if single else None,
    )
