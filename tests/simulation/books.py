"""What the laws read: the ledger's own tables and its audit log."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, select

from worker.model.actions import Mode
from worker.store import schema
from worker.store.plans import closing
from worker.store.tools import from_json
from worker.store.trail import audit


def records(conn: Connection, account_id: str, kind: str, call_id: str) -> list[Any]:
    """The bodies of a call's records of one kind."""
    return [from_json(row["body"]) for row in audit.records(conn, account_id, kind=kind, call_id=call_id)]


def trail(conn: Connection, account_id: str) -> dict[str, set[str]]:
    """Call ids, or for decisions action ids, by kind of record."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in audit.records(conn, account_id):
        found[row["kind"]].add(row["action_id"] if row["kind"] == "decided" else row["call_id"])
    return found


def votes(conn: Connection, poll_id: str) -> dict[str, list[str]]:
    """The enforcing playbooks of one poll by the action that they want."""
    d = schema.decisions.c
    found: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(select(d.action_id, d.playbook, d.mode).where(d.poll_id == poll_id)):
        if row.mode == Mode.ENFORCE:
            found[row.action_id].append(row.playbook)
    return found


def seen(conn: Connection, account_id: str) -> dict[Any, str]:
    """Revisions by event; rows in quarantine by their own ids."""
    e, q = schema.events.c, schema.quarantine.c
    found: dict[Any, str] = {row.id: row.revision for row in conn.execute(select(e.id, e.revision))}
    found.update((one, "") for one in conn.scalars(select(q.row_id).where(q.account_id == account_id)))
    return found


def parked(conn: Connection, account_id: str) -> set[tuple[str, str]]:
    """Message and verdict of what waits for a playbook to be mended."""
    p = schema.parked.c
    return {(row.key, row.revision) for row in conn.execute(select(p.key, p.revision))}


def floor(conn: Connection, account_id: str, source: str) -> float | None:
    """What no poll of the source reaches back behind; None before the first was tried."""
    cursor = closing.cursor(conn, account_id, source)
    return cursor.floor if cursor else None
