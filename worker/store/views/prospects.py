"""What the ledger knows of a message, and what would become of an action that were wanted now. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from worker.model.admission import Candidate, Rulings, rule
from worker.model.caps import Usage
from worker.model.kinds import APART
from worker.model.plans import Ceilings
from worker.store import enrichments, schema
from worker.store.plans import subjects
from worker.store.plans.caps import used_up
from worker.store.plans.closing import standing
from worker.store.tools import event_id, evidence_id, from_json
from worker.store.trail.audit import records


class Kept(NamedTuple):
    """An event as it is kept, with what the latest decision on it saw besides."""

    source: str
    body: str
    stored_at: float
    decided_at: str = ""
    """Empty where nobody decided on it."""
    context: Mapping[str, Any] | None = None
    enrichment: str = ""


def kept(conn: Connection, account_id: str, source: str, given: str) -> Kept | None:
    """The event of a source that bears this id, or that is about the message of this id; None where none is kept."""
    told = _told(conn, account_id, source, given)
    key = (told["event"], told["revision"]) if told else _current(conn, account_id, source, given)
    if key is None:
        return None
    e = schema.evidence.c
    query = select(e.body, e.stored_at).where(e.id == evidence_id(account_id, source, *key))
    row = conn.execute(query).first()
    if row is None:
        return None
    if not told:
        return Kept(source, row.body, row.stored_at)
    return Kept(
        source, row.body, row.stored_at, told["at"], told.get("context"), _rested(conn, account_id, told)
    )


def foreseen(
    conn: Connection, account_id: str, candidates: Sequence[Candidate], ceilings: Ceilings, now: float
) -> tuple[Rulings, Usage]:
    """What a poll's closing would make of these actions, and what the caps have counted so far."""
    daily = ceilings.per_day is not None or any(vote.per_day for one in candidates for vote in one.votes)
    used = used_up(conn, account_id, now, daily=daily)
    if any(one.kind in APART for one in candidates):
        used = used._replace(apart=used_up(conn, account_id, now, daily=daily, apart=True))
    existing = standing(conn, account_id, candidates, subjects.with_subject(candidates))
    return rule(candidates, existing, used, ceilings), used


def _told(conn: Connection, account_id: str, source: str, given: str) -> dict[str, Any] | None:
    """The latest record of a decision on the event, or of its being parked."""
    found = None
    for kind in ("parked", "decided"):
        for row in records(conn, account_id, message_id=given, kind=kind):
            body = from_json(row["body"])
            if body["source"] == source and (found is None or row["seq"] > found["seq"]):
                found = {**body, "seq": row["seq"], "at": row["at"]}
    return found


def _current(conn: Connection, account_id: str, source: str, key: str) -> tuple[str, str] | None:
    e = schema.events.c
    revision = conn.scalars(select(e.revision).where(e.id == event_id(account_id, source, key))).one_or_none()
    return None if revision is None else (key, revision)


def _rested(conn: Connection, account_id: str, told: Mapping[str, Any]) -> str:
    digest = told.get("enrichment_sha256")
    try:
        return (enrichments.read(conn, account_id, digest) if digest else None) or ""
    except enrichments.ChangedError:
        return ""
