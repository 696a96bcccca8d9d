"""Moves that the vendor carries out as one bulk job: chosen when a list is frozen, settled by what the job tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from worker.model.actions import State
from worker.model.calls import Call
from worker.model.kinds import JOB, lane_of
from worker.model.ledger import CANCEL_TAKEN, JobOrder, OpenJob
from worker.store import schema
from worker.store.calls.claims import ITEM_COLUMNS, item
from worker.store.tools import from_json
from worker.store.trail.audit import Entry, append

_A, _C, _M = schema.actions.c, schema.campaigns.c, schema.members.c


def choose(conn: Connection, poll_id: str, size: int) -> None:
    """Those of a frozen list that nobody has to approve one by one are to go as one job, if all of them are left."""
    mine = _M.poll_id == poll_id, _M.asks == ""
    rows = conn.execute(
        select(_A.id, _A.poll_id, _A.kind, _A.target, _A.state)
        .select_from(schema.members.join(schema.actions, _A.id == _M.action_id))
        .where(*mine)
    ).all()
    # What another action stands for is not this plan's to move, and a job would move it all the same.
    if not rows or any(row.poll_id != poll_id or row.state not in (State.READY, State.HELD) for row in rows):
        return
    conn.execute(
        update(schema.actions)
        .where(_A.id.in_(select(_M.action_id).where(*mine)))
        .values(lane=lane_of(rows[0].kind, rows[0].target, JOB), batch=size)
    )


def order(conn: Connection, call: Call) -> JobOrder | None:
    """What the job of a call has to find; None where the call holds less than the list that was frozen."""
    first = call.items[0].action_id
    row = conn.execute(
        select(_M.campaign_id, _M.poll_id, _C.since, _C.read_at)
        .select_from(
            schema.members.join(schema.campaigns, _C.action_id == _M.campaign_id).join(
                schema.actions, _A.id == _M.action_id
            )
        )
        # The campaign whose list it was planned for: others it may only have joined.
        .where(_M.action_id == first, ~_M.late, _M.poll_id == _A.poll_id)
    ).first()
    if row is None:
        return None
    listed = set(conn.scalars(select(_M.action_id).where(_M.poll_id == row.poll_id, _M.asks == "")))
    if listed != {one.action_id for one in call.items}:
        return None
    params = conn.execute(select(_A.params).where(_A.id == row.campaign_id)).scalar_one()
    return JobOrder(from_json(params)["by"], row.since, row.read_at, len(listed))


def drop(conn: Connection, call_id: str, batch: int) -> None:
    """No job any more: its actions are moves by their ids, each looked at before it is sent."""
    mine = _A.call_id == call_id, _A.lane.like(f"%:{JOB}")
    row = conn.execute(select(_A.kind, _A.target).where(*mine)).first()
    if row is not None:
        values = {"lane": lane_of(row.kind, row.target), "batch": batch, "verified_at": None}
        conn.execute(update(schema.actions).where(*mine).values(**values))


def open_jobs(conn: Connection, account_id: str) -> list[OpenJob]:
    """Calls that went to the vendor, or may have, as bulk jobs."""
    query = select(_A.call_id, _A.target, _A.submitted_at, _A.recipients).where(
        _A.account_id == account_id, _A.state == State.SUBMITTED, _A.lane.like(f"%:{JOB}")
    )
    found: dict[str, OpenJob] = {}
    for call_id, target, submitted_at, recipients in conn.execute(query):
        one = found.get(call_id) or OpenJob(call_id, target, submitted_at, 0, 0)
        size = max(1, len(from_json(recipients)))
        found[call_id] = one._replace(messages=one.messages + 1, mailboxes=one.mailboxes + size)
    cancelled = _cancelled(conn, account_id, found)
    return [one._replace(cancelled=one.call_id in cancelled) for one in found.values()]


def _cancelled(conn: Connection, account_id: str, call_ids: Collection[str]) -> set[str]:
    """Those of which the audit log says that the vendor has accepted their cancel: nobody asks for that twice."""
    if not call_ids:
        return set()
    r = schema.audit.c
    query = select(r.call_id, r.body).where(
        r.account_id == account_id, r.kind == "job", r.call_id.in_(call_ids)
    )
    return {row.call_id for row in conn.execute(query) if from_json(row.body)["event"] == CANCEL_TAKEN}


def call(conn: Connection, call_id: str) -> Call:
    """The call with the items that are still its own."""
    query = select(*ITEM_COLUMNS, _A.lease_until).where(_A.call_id == call_id, _A.state == State.SUBMITTED)
    rows = conn.execute(query.order_by(_A.id)).mappings().all()
    first = rows[0]
    items = tuple(item(row) for row in rows)
    return Call(call_id, first["kind"], first["target"], items, first["submitted_at"], first["lease_until"])


def note(conn: Connection, account_id: str, now: float, call_id: str, told: Mapping[str, Any]) -> None:
    """Writes down what was done with a job, or is about to be."""
    append(conn, account_id, now, [Entry("job", dict(told), call_id=call_id)])
