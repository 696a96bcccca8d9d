"""The events that the store keeps, in the order in which they were seen, streamed: at any time a part is in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from worker.model.actions import State
from worker.model.plans import DETECTIONS
from worker.store import enrichments, schema
from worker.store.prepared import IN_LIST, Prepared, among
from worker.store.tools import chunks, from_json, to_json

_E, _T = schema.evidence.c, schema.audit.c
_COLUMNS = (_E.source, _E.key, _E.revision, _E.body, _E.stored_at)
_ORDER = Prepared(
    select(_E.id)
    .where(
        _E.account_id == bindparam("account"),
        _E.stored_at >= bindparam("since"),
        _E.stored_at < bindparam("until"),
    )
    .order_by(_E.stored_at, _E.id)
)
_READ = Prepared(lambda: select(*_COLUMNS).where(among(_E.id)).order_by(_E.stored_at, _E.id))


class PastEvent(NamedTuple):
    """One event as it was recorded, and when (seconds since the epoch)."""

    source: str
    key: str
    revision: str
    body: str
    stored_at: float
    enrichment: str = ""
    """What was fetched for the decision, as it is stored; empty where nothing was, or it is kept no more."""
    context: str = ""
    """What the decision saw beside the event, as JSON."""


def count(conn: Connection, account_id: str, since: float, until: float) -> int:
    """How many there are."""
    within = (_E.account_id == account_id, _E.stored_at >= since, _E.stored_at < until)
    return int(conn.execute(select(func.count()).where(*within)).scalar_one())


def past_events(
    conn: Connection, account_id: str, since: float, until: float, *, decisions: bool
) -> Iterator[PastEvent]:
    """Those that were seen in [since, until), oldest first; `decisions`: with what was decided on beside each.

    Only the order is sorted, some forty bytes an event; the events themselves are read part by part.
    """
    ordered = _ORDER(conn, account=account_id, since=since, until=until)
    while part := ordered.fetchmany(IN_LIST):
        rows: list[Any] = [row for some in _READ.among(conn, [one[0] for one in part]) for row in some.all()]
        found = [PastEvent(source, key, revision, body, at) for source, key, revision, body, at in rows]
        yield from _with_decisions(conn, account_id, found) if decisions else found


def past_event(conn: Connection, account_id: str, named: str) -> list[PastEvent]:
    """Everything that is kept of one event, or about one message: by the event's key or the message's id."""
    keys = {named}
    for row in conn.execute(select(_T.account_id, _T.body).where(_T.message_id == named)):
        body = from_json(row.body) if row.account_id == account_id else {}
        keys |= {body["event"]} if "event" in body else set()
    query = select(*_COLUMNS).where(_E.account_id == account_id, _E.key.in_(sorted(keys)))
    found = [PastEvent(*row) for row in conn.execute(query.order_by(_E.stored_at))]
    return list(_with_decisions(conn, account_id, found))


def own_deeds(
    conn: Connection, account_id: str, message_ids: Collection[str]
) -> dict[str, list[tuple[str, str]]]:
    """Kind and target of what the worker itself has done to these messages, or may have."""
    a = schema.actions.c
    done = (State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED, State.FAILED, State.DEAD)
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for part in chunks(message_ids):
        query = select(a.message_id, a.kind, a.target).where(
            a.account_id == account_id, a.message_id.in_(part), a.state.in_(done), a.submitted_at.is_not(None)
        )
        for message_id, kind, target in conn.execute(query):
            found[message_id].append((kind, target))
    return found


def _with_decisions(conn: Connection, account_id: str, found: Sequence[PastEvent]) -> Iterator[PastEvent]:
    """With what was fetched and seen for the latest decision on each that the log has."""
    told: dict[tuple[str, str, str], dict[str, Any]] = {}
    for part in chunks({message for one in found if (message := _message_of(one))}):
        # By the message alone: with the account too, SQLite would read all of its records.
        query = select(_T.account_id, _T.body).where(_T.message_id.in_(part), _T.kind == "decided")
        for row in conn.execute(query.order_by(_T.seq)):
            if row.account_id == account_id:
                body = from_json(row.body)
                told[body["source"], body["event"], body["revision"]] = body
    for one in found:
        body = told.get((one.source, one.key, one.revision), {})
        yield one._replace(
            enrichment=_enrichment(conn, account_id, body.get("enrichment_sha256")),
            context=to_json(body["context"]) if body.get("context") else "",
        )


def _message_of(one: PastEvent) -> str:
    """Reports and submissions are recorded under their messages, which they hold."""
    if one.source == DETECTIONS:
        return one.key
    return str((from_json(one.body).get("message") or {}).get("id", ""))


def _enrichment(conn: Connection, account_id: str, digest: str | None) -> str:
    if digest is None:
        return ""
    try:
        return enrichments.read(conn, account_id, digest) or ""
    except enrichments.ChangedError:
        return ""
