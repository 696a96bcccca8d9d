"""What commands show of campaigns: how many siblings, who, and what has become of them. Nothing here changes a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select

from worker.clock import iso
from worker.store import schema
from worker.store.tools import chunks, from_json
from worker.store.views import queries

_A, _C, _M = schema.actions.c, schema.campaigns.c, schema.members.c
_COUNTED = ("found", "out_of_reach", "benign", "searched")
_TIMES = ("began_at", "since", "frozen_at", "until", "ended_at")


def listing(conn: Connection, account_id: str, *, only_open: bool = False) -> list[dict[str, Any]]:
    """Every campaign, newest first, with its siblings counted by the state of their actions."""
    query = _campaigns(account_id).order_by(_C.began_at.desc(), _C.action_id.desc())
    if only_open:
        query = query.where(_C.ended_at.is_(None))
    rows = conn.execute(query).mappings().all()
    counts = _counts(conn, [row["action_id"] for row in rows])
    return [_shown(row, counts[row["action_id"]]) for row in rows]


def detail(conn: Connection, account_id: str, campaign_id: str) -> dict[str, Any] | None:
    """One campaign with every sibling: the message as it was seen, its action, and why it waits where it waits."""
    row = conn.execute(_campaigns(account_id).where(_C.action_id == campaign_id)).mappings().first()
    if row is None:
        return None
    shown = _shown(row, _counts(conn, [campaign_id])[campaign_id])
    return {**shown, "members": _members(conn, account_id, campaign_id)}


def _campaigns(account_id: str) -> Any:
    columns = (_A.message_id, _A.playbook, _A.params, _A.reason, _A.state)
    joined = schema.campaigns.join(schema.actions, _A.id == _C.action_id)
    return select(schema.campaigns, *columns).select_from(joined).where(_C.account_id == account_id)


def _counts(conn: Connection, ids: Sequence[str]) -> dict[str, dict[str, dict[str, int]]]:
    """By campaign: actions by state, of the frozen list and of late siblings."""
    found: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: {"states": {}, "late": {}})
    for part in chunks(ids):
        query = (
            select(_M.campaign_id, _A.state, func.count(), func.count().filter(_M.late))
            .select_from(schema.members.join(schema.actions, _A.id == _M.action_id))
            .where(_M.campaign_id.in_(part))
            .group_by(_M.campaign_id, _A.state)
        )
        for campaign, state, count, late in conn.execute(query):
            found[campaign]["states"][state] = count
            found[campaign]["late"][state] = late
    return found


def _shown(row: RowMapping, counts: dict[str, dict[str, int]]) -> dict[str, Any]:
    params = from_json(row["params"])
    return {
        "id": row["action_id"],
        "state": _state(row),
        "mode": "shadow" if row["trial"] else "live",
        "message_id": row["message_id"],
        "playbook": row["playbook"],
        "by": params.get("by"),
        "window": params.get("window"),
        "destination": row["target"],
        "reason": row["reason"],
        "plan_id": row["plan_id"],
        **{name: row[name] for name in _COUNTED},
        "late": sum(counts["late"].values()),
        "actions": counts["states"],
        "sha256": row["digest"],
        **{name: iso(row[name]) if row[name] is not None else None for name in _TIMES},
        "ended_because": row["ended_because"],
    }


def _state(row: RowMapping) -> str:
    if row["ended_at"] is not None:
        return "ended"
    return "searching" if row["frozen_at"] is None else "open"


def _members(conn: Connection, account_id: str, campaign_id: str) -> list[dict[str, Any]]:
    query = (
        select(schema.actions, _M.late, _M.asks)
        .select_from(schema.members.join(schema.actions, _A.id == _M.action_id))
        .where(_M.campaign_id == campaign_id)
        .order_by(_M.late, _A.message_from.nulls_first(), _A.id)
    )
    rows = conn.execute(query).mappings().all()
    seen = queries.evidence_of(conn, account_id, rows)
    return [_member(row, seen.get(row["id"]) or {}) for row in rows]


def _member(row: RowMapping, seen: dict[str, Any]) -> dict[str, Any]:
    seen = seen.get("message") or seen
    return {
        "message_id": row["message_id"],
        "recipients": from_json(row["recipients"]),
        "from": seen.get("from"),
        "subject": seen.get("subject"),
        "final_disposition": row["verdict"],
        "scanned_at": seen.get("scanned_at"),
        "late": bool(row["late"]),
        "action_id": row["id"],
        "plan_id": row["plan_id"],
        "state": row["state"],
        "why": row["error"] or row["asks"] or None,
    }
