"""What commands and metrics read. Nothing here changes a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, exists, func, select

from worker.clock import iso
from worker.model.actions import State
from worker.store import enrichments, flags, schema
from worker.store.calls.doubts import doubts, in_words
from worker.store.entries import overdue
from worker.store.people import approvals, undoable
from worker.store.tools import CHUNK, chunks, evidence_id, from_json
from worker.store.trail import audit


def accounts(conn: Connection) -> list[str]:
    """Every account that the database knows."""
    found: set[str] = set()
    for table in (schema.cursors, schema.audit_head, schema.settings):
        found.update(conn.scalars(select(table.c.account_id).distinct()))
    return sorted(found)


def action_json(row: Any, doubt: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One action in the shape of the public interface; `error` also says why it is held, skipped or unknown.

    Where its effect is in doubt, `error` ends with what is known of it.
    """
    return {
        "id": row["id"],
        "plan_id": row["plan_id"],
        "account_id": row["account_id"],
        "message_id": row["message_id"],
        "playbook": row["playbook"],
        "playbook_version": row["playbook_version"],
        "kind": row["kind"],
        "params": from_json(row["params"]),
        "mode": row["mode"],
        "state": row["state"],
        "reason": row["reason"],
        "attempts": row["attempts"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
        "error": f"{row['error']}; {in_words(doubt)}" if doubt else row["error"],
    }


def actions(
    conn: Connection,
    account_id: str,
    *,
    state: str | None = None,
    playbook: str | None = None,
    message_id: str | None = None,
    plan_id: str | None = None,
    limit: int | None = None,
    evidence: bool = False,
) -> Iterator[dict[str, Any]]:
    """Actions of closed plans, newest first. A playbook matches the owner and every agreeing one.

    `evidence` adds the event as it was seen, where it was kept.
    """
    a, d = schema.actions, schema.decisions
    query = (
        select(a)
        .where(a.c.account_id == account_id, a.c.state != State.OPEN)
        .order_by(a.c.created_at.desc(), a.c.id.desc())
    )
    if state is not None:
        query = query.where(a.c.state == state)
    if playbook is not None:
        query = query.where(
            a.c.id.in_(select(d.c.action_id).where(d.c.playbook == playbook)) | (a.c.playbook == playbook)
        )
    if message_id is not None:
        query = query.where(a.c.message_id == message_id)
    if plan_id is not None:
        query = query.where(a.c.plan_id == plan_id)
    if limit is not None:
        query = query.limit(limit)
    with conn.execute(query.execution_options(yield_per=CHUNK)) as found:
        for rows in found.mappings().partitions():
            seen = evidence_of(conn, account_id, rows) if evidence else {}
            known = doubts(conn, account_id, rows)
            for row in rows:
                yield action_json(row, known.get(row["id"])) | (
                    {"evidence": seen.get(row["id"])} if evidence else {}
                )


def has_wanted(conn: Connection, account_id: str, playbook: str) -> bool:
    """Whether a playbook of this id has ever wanted an action, alone or with others."""
    d, a = schema.decisions.c, schema.actions.c
    mine = (
        exists().where(a.account_id == account_id, a.playbook == playbook),
        exists().where(d.account_id == account_id, d.playbook == playbook),
    )
    return bool(conn.scalar(select(mine[0] | mine[1])))


def has_plan(conn: Connection, account_id: str, plan_id: str) -> bool:
    """Whether there was one of this id; its actions may be kept for longer than itself."""
    plan, action = (
        exists().where(one.c.account_id == account_id, name == plan_id)
        for one, name in (
            (schema.plans, schema.plans.c.id),
            (schema.actions, schema.actions.c.plan_id),
        )
    )
    return bool(conn.scalar(select(plan | action)))


def evidence_of(conn: Connection, account_id: str, rows: Sequence[Any]) -> dict[str, Any]:
    """The events behind these actions as they were seen, by the action's id."""
    e = schema.evidence
    keys = {row["id"]: _evidence_id(account_id, row) for row in rows}
    found = {
        row.id: from_json(row.body)
        for part in chunks(set(keys.values()))
        for row in conn.execute(select(e.c.id, e.c.body).where(e.c.id.in_(part)))
    }
    return {one: found[key] for one, key in keys.items() if key in found}


def _evidence_id(account_id: str, row: Any) -> bytes:
    return evidence_id(account_id, row["source"], row["event_key"], row["event_revision"])


def action_detail(conn: Connection, account_id: str, action_id: str) -> dict[str, Any] | None:
    """One action with the playbooks that wanted it, the message as it was seen, and its audit records."""
    a, d = schema.actions, schema.decisions
    row = (
        conn.execute(
            select(a).where(a.c.account_id == account_id, a.c.id == action_id, a.c.state != State.OPEN)
        )
        .mappings()
        .first()
    )
    if row is None:
        return None
    votes = conn.execute(
        select(d.c.playbook, d.c.playbook_version, d.c.mode, d.c.plan_id)
        .where(d.c.action_id == action_id)
        .order_by(d.c.id)
    ).mappings()
    times = {
        name: iso(row[name]) if row[name] else None
        for name in ("submitted_at", "due_at", "approved_at", "held_until")
    }
    doubt = doubts(conn, account_id, [row]).get(action_id)
    history = _history(conn, account_id, row)
    rested_on = next(
        (one["body"].get("enrichment_sha256") for one in history if one["kind"] == "decided"), None
    )
    return {
        **action_json(row, doubt),
        **times,
        "call_id": row["call_id"],
        "approved_by": row["approved_by"],
        "approval": approvals.describe(conn, row["approval_id"]),
        "doubt": doubt,
        **undoable.prospect(conn, account_id, row),
        "playbooks": [dict(vote) for vote in votes],
        "evidence": evidence_of(conn, account_id, [row]).get(row["id"]),
        "enrichment": enrichments.shown(conn, account_id, rested_on),
        "history": history,
    }


def about_message(conn: Connection, account_id: str, message_id: str) -> ColumnElement[bool]:
    """Audit records about a message: its own, and those of every action on it."""
    a = schema.actions
    query = select(a.c.id).where(a.c.account_id == account_id, a.c.message_id == message_id)
    return (schema.audit.c.message_id == message_id) | audit.concerning(list(conn.scalars(query)))


def _history(conn: Connection, account_id: str, row: Any) -> list[dict[str, Any]]:
    about = audit.concerning([row["id"]])
    return [
        {
            "seq": one["seq"],
            "at": one["at"],
            "kind": one["kind"],
            "call_id": one["call_id"],
            **_about(one["body"], row["id"]),
        }
        for one in audit.records(conn, account_id, about)
    ]


def _about(body: str, action_id: str) -> dict[str, Any]:
    """A record's body; of a bulk call only what concerns this action."""
    value = from_json(body)
    if "actions" in value:
        value["actions"] = [pair for pair in value["actions"] if action_id in pair] or len(value["actions"])
    if "each" in value:
        # The parameters of a call's first action are those of all only where they have them in common.
        value |= value.pop("each").get(action_id, {})
    if "outcomes" in value:
        value["outcomes"] = [one for one in value["outcomes"] if action_id in one]
    return {"body": value}


def counts(conn: Connection, account_id: str) -> dict[str, int]:
    """Actions by state; every state is named, also where it has none."""
    a = schema.actions
    query = select(a.c.state, func.count()).where(a.c.account_id == account_id).group_by(a.c.state)
    found: dict[str, int] = dict(conn.execute(query).all())
    return {str(state): found.get(state, 0) for state in State if state is not State.OPEN}


def counts_by_kind(conn: Connection, account_id: str) -> list[tuple[str, str, int]]:
    """Actions by kind and state, for the metrics."""
    a = schema.actions
    query = select(a.c.kind, a.c.state, func.count()).where(
        a.c.account_id == account_id, a.c.state != State.OPEN
    )
    return [(kind, state, count) for kind, state, count in conn.execute(query.group_by(a.c.kind, a.c.state))]


def by_playbook(conn: Connection, account_id: str) -> list[tuple[str, str, int]]:
    """Actions that each playbook wanted, by state; a shared action counts for each of its playbooks."""
    a, d = schema.actions, schema.decisions
    query = (
        select(d.c.playbook, a.c.state, func.count(func.distinct(a.c.id)))
        .select_from(d.join(a, a.c.id == d.c.action_id))
        .where(a.c.account_id == account_id, a.c.state != State.OPEN)
        .group_by(d.c.playbook, a.c.state)
        .order_by(d.c.playbook, a.c.state)
    )
    return [(playbook, state, count) for playbook, state, count in conn.execute(query)]


def sources(conn: Connection, account_id: str, now: float) -> list[dict[str, Any]]:
    """Every source with its watermark, how far it lags behind, in seconds, and why it cannot be read, if so."""
    t = schema.cursors
    query = (
        select(t.c.source, t.c.watermark, t.c.swept_at)
        .where(t.c.account_id == account_id)
        .order_by(t.c.source)
    )
    return [
        {
            "source": row.source,
            "watermark": iso(row.watermark),
            "lag_seconds": round(max(0.0, now - row.watermark), 3),
            "swept_at": iso(row.swept_at),
            **_failing(conn, account_id, row.source),
        }
        for row in conn.execute(query).all()
    ]


def _failing(conn: Connection, account_id: str, source: str) -> dict[str, str | None]:
    told = flags.get(conn, account_id, flags.FAILING + source)
    return {"failing_since": iso(told["since"]) if told else None, "error": told["error"] if told else None}


def parked(conn: Connection, account_id: str) -> list[dict[str, Any]]:
    """Events that a playbook could not decide, by playbook."""
    t = schema.parked
    query = (
        select(t.c.playbook, t.c.version, func.count(), func.max(t.c.error))
        .where(t.c.account_id == account_id)
        .group_by(t.c.playbook, t.c.version)
        .order_by(t.c.playbook, t.c.version)
    )
    return [
        {"playbook": playbook, "version": version, "events": count, "error": error}
        for playbook, version, count, error in conn.execute(query)
    ]


def allowances(conn: Connection, account_id: str, now: float) -> dict[str, Any]:
    """What is allowed for a time: how many entries stand, when the next one ends, and which should be gone."""
    e = schema.entries.c
    standing = (e.account_id == account_id, e.ended_at.is_(None), e.expires_at.is_not(None))
    count, following = conn.execute(select(func.count(), func.min(e.expires_at)).where(*standing)).one()
    return {
        "standing": count,
        "next_ends": iso(following) if following else None,
        "overdue": [
            {
                "action_id": row["action_id"],
                "kind": row["kind"],
                "target": row["target"],
                "collection": row["collection"],
                "entry_id": row["entry_id"],
                "expires_at": iso(row["expires_at"]),
                "removal_id": row["removal_id"],
                "removal_state": row["state"],
                "error": row["error"],
            }
            for row in overdue(conn, account_id, now)
        ],
    }


def totals(conn: Connection, account_id: str) -> dict[str, int]:
    """Rows of the seen-set, the quarantine and the waiting room."""
    return {
        "events": conn.execute(select(func.count()).select_from(schema.events)).scalar_one(),
        "quarantined": _count(conn, schema.quarantine, account_id),
        "waiting_reports": _count(conn, schema.waiting, account_id),
    }


def _count(conn: Connection, table: Any, account_id: str) -> int:
    return conn.execute(
        select(func.count()).select_from(table).where(table.c.account_id == account_id)
    ).scalar_one()
