"""The siblings of campaigns, each with the action that stands for what its campaign wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from worker.model.admission import Ruling
from worker.model.plans import Poll, Wish
from worker.model.sweeps import Sibling
from worker.store import schema
from worker.store.plans.wishes import wanted
from worker.store.prepared import Prepared, put_new
from worker.store.trail.audit import Entry

_C, _M = schema.campaigns.c, schema.members.c
_OF_POLL = Prepared(
    select(_M.action_id, _M.asks, _M.late, _C.until, _C.ended_at, _C.ended_because)
    .select_from(schema.members.outerjoin(schema.campaigns, _C.action_id == _M.campaign_id))
    .where(_M.poll_id == bindparam("poll"))
)


class Members(NamedTuple):
    """The siblings of one poll that are not simply moved, by their actions, each with the reason."""

    asks: dict[str, str]
    """A person has to approve each of these."""
    called_off: dict[str, str]
    """The campaign of these late ones was ended before its time, while their poll was open."""


def member_row(row: Mapping[str, Any], poll: Poll, now: float, sibling: Sibling) -> dict[str, Any]:
    """That the action moves a sibling."""
    return {
        "campaign_id": sibling.campaign,
        "action_id": row["id"],
        "account_id": row["account_id"],
        "poll_id": poll.id,
        "late": sibling.late,
        "asks": sibling.asks,
        "added_at": now,
    }


def sibling_entry(row: Mapping[str, Any], wish: Wish, sibling: Sibling, evidence: str) -> Entry:
    """The record of what no playbook asked for of this message: which campaign wants it, and why it is one of it."""
    body = wanted(row, wish, evidence) | {
        "campaign": sibling.campaign,
        "shared": dict(sibling.shared),
        "late": sibling.late,
    }
    if sibling.asks:
        body["asks"] = sibling.asks
    return Entry("sibling", body, plan_id=row["plan_id"], action_id=row["id"], message_id=row["message_id"])


def of_poll(conn: Connection, poll_id: str) -> Members:
    """What is to be known of a poll's siblings when it is closed."""
    rows = list(_OF_POLL(conn, poll=poll_id))
    over = (row for row in rows if row.late and row.ended_at is not None and row.ended_at < row.until)
    return Members(
        {row.action_id: row.asks for row in rows if row.asks},
        {row.action_id: f"its campaign has ended: {row.ended_because}" for row in over},
    )


def actions_of(conn: Connection, campaign_id: str) -> list[str]:
    """The actions of a campaign, oldest first; not those of others that it only found there."""
    a = schema.actions.c
    own = select(_M.action_id).join(schema.actions, a.id == _M.action_id)
    mine = own.where(_M.campaign_id == campaign_id, _M.poll_id == a.poll_id)
    return list(conn.scalars(mine.order_by(_M.action_id)))


def joined(conn: Connection, poll_id: str, joins: Iterable[Ruling]) -> None:
    """Another live action stands for these now; one that a campaign knows already is no second member of it."""
    mine = {row.action_id for row in _OF_POLL(conn, poll=poll_id)}
    for one in joins if mine else ():
        if one.action_id in mine:
            of_it = select(schema.members).where(_M.action_id == one.action_id)
            rows = conn.execute(of_it).mappings().all()
            put_new(conn, schema.members, [{**row, "action_id": one.joins} for row in rows])
            conn.execute(delete(schema.members).where(_M.action_id == one.action_id))
