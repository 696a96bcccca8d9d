"""The siblings of campaigns, each with the action that stands for what its campaign wants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select

from worker.model.admission import Ruling
from worker.model.plans import Poll, Wish
from worker.model.sweeps import Sibling
from worker.store import schema
from worker.store.audit import Entry
from worker.store.prepared import Prepared, put_new
from worker.store.wishes import wanted

_M = schema.members.c
_OF_POLL = Prepared(select(_M.action_id, _M.asks).where(_M.poll_id == bindparam("poll")))


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


def asking(conn: Connection, poll_id: str) -> dict[str, str]:
    """The siblings of a poll that a person has to approve one by one, and why."""
    return {row.action_id: row.asks for row in _OF_POLL(conn, poll=poll_id) if row.asks}


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
