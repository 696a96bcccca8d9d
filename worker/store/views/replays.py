"""Recorded decisions with the evidence that they were made on, as it is stored now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection, select

from worker.model.replay import PastDecision, Replayed, Wanted
from worker.store import enrichments, schema
from worker.store.tools import CHUNK, evidence_id, from_json
from worker.store.trail.audit import records

_KINDS = ("decided", "sibling", "parked")


def past_decisions(conn: Connection, account_id: str) -> Iterator[PastDecision]:
    """Every decision that the log holds, oldest first, streamed."""
    groups = _grouped(records(conn, account_id, kind="decided"))
    while part := list(islice(groups, CHUNK)):
        yield from _with_evidence(conn, account_id, part)


def _grouped(rows: Iterable[dict[str, Any]]) -> Iterator[PastDecision]:
    """What was decided on one event at one time stands together in the log."""
    read = ((row, from_json(row["body"])) for row in rows)
    for event, group in groupby(read, _event):
        mine = list(group)
        wanted = tuple(_wanted(row, body) for row, body in mine)
        body = mine[0][1]
        yield PastDecision(
            *event,
            context=body.get("context"),
            wanted=wanted,
            enrichment_sha256=body.get("enrichment_sha256"),
        )


def _event(pair: tuple[dict[str, Any], dict[str, Any]]) -> tuple[str, str, str, str | None, str, str]:
    row, body = pair
    event = body["source"], body["event"], body["revision"]
    return (*event, row["message_id"], row["at"], body["evidence_sha256"])


def _wanted(row: dict[str, Any], body: dict[str, Any]) -> Wanted:
    versions = {playbook: version for playbook, version, _ in body["playbooks"]}
    return Wanted(row["seq"], row["action_id"], body["kind"], body["params"], body["reason"], versions)


def _with_evidence(
    conn: Connection, account_id: str, decisions: Sequence[PastDecision]
) -> Iterator[PastDecision]:
    e = schema.evidence.c
    ids = [evidence_id(account_id, one.source, one.key, one.revision) for one in decisions]
    query = select(e.id, e.body).where(e.id.in_(set(ids)))
    bodies = {row.id: row.body for row in conn.execute(query)}
    for one, stored_as in zip(decisions, ids, strict=True):
        body = bodies.get(stored_as)
        if body is None:
            yield replace(one, spoiled=Replayed.EVIDENCE_GONE)
            continue
        digest = sha256(body.encode()).hexdigest()
        if digest == one.digest:
            yield _enriched(conn, account_id, replace(one, body=body))
        else:
            again = _was_seen(conn, one, digest)
            yield replace(one, spoiled=Replayed.SEEN_AGAIN if again else Replayed.EVIDENCE_CHANGED)


def _enriched(conn: Connection, account_id: str, one: PastDecision) -> PastDecision:
    """With what was fetched for it: one at a time, because it may be large."""
    if one.enrichment_sha256 is None:
        return one
    try:
        body = enrichments.read(conn, account_id, one.enrichment_sha256)
    except enrichments.ChangedError:
        return replace(one, spoiled=Replayed.EVIDENCE_CHANGED)
    return replace(one, spoiled=Replayed.EVIDENCE_GONE) if body is None else replace(one, enrichment=body)


def _was_seen(conn: Connection, one: PastDecision, digest: str) -> bool:
    """Whether the log has the event decided on, or parked, with this evidence: then it was seen so at another time."""
    t = schema.audit.c
    # By the message alone: with the account too, SQLite would read all of its records.
    query = select(t.body).where(t.message_id == one.message_id, t.kind.in_(_KINDS))
    identity = (one.source, one.key, one.revision, digest)
    return any(
        (body["source"], body["event"], body["revision"], body["evidence_sha256"]) == identity
        for body in map(from_json, conn.scalars(query))
    )
