"""Events and decisions come in, page by page; nothing here is claimable until its plan is closed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, update

from worker.model.ledger import Parked
from worker.model.plans import DETECTIONS, Decided, Poll, Sighting
from worker.store import enrichments, schema, seen
from worker.store.calls import losses
from worker.store.plans.superseding import supersede
from worker.store.plans.wishes import action_row, decision_entry, failure_entries, vote_rows
from worker.store.prepared import Prepared, insert_rows, put, put_new
from worker.store.sweeps.members import member_row, sibling_entry
from worker.store.tools import evidence_id
from worker.store.trail.audit import append, entries_for
from worker.store.waiting import event_key, forget_older, stop_waiting, unpark

DEFAULT_BATCH = 1000
_COUNT = Prepared(
    update(schema.polls)
    .where(schema.polls.c.id == bindparam("poll"))
    .values(
        rows=schema.polls.c.rows + bindparam("more"),
        new_events=schema.polls.c.new_events + bindparam("fresh"),
    )
)
_encode = msgspec.json.Encoder().encode


def unseen(
    conn: Connection,
    account_id: str,
    sightings: Sequence[Sighting],
    read_at: float | None = None,
    now: float = math.inf,
) -> list[Sighting]:
    """Those whose verdict is new: never seen, or seen last under another revision (then `changed`).

    A page that was read at `read_at` and had to wait says nothing against a verdict that was read since. What was
    read after `now` was read by a clock that has been set back: it bars nothing.
    """
    known = seen.known(conn, account_id, sightings)
    fresh: dict[str, Sighting] = {}
    for sighting in sightings:
        if sighting.key not in known:
            fresh[sighting.key] = sighting
            continue
        revision, seen_at = known[sighting.key]
        if revision != sighting.revision and (read_at is None or not read_at < seen_at <= now):
            fresh[sighting.key] = replace(sighting, changed=True)
    return list(fresh.values())


def record(
    conn: Connection,
    account_id: str,
    poll: Poll,
    now: float,
    sightings: Sequence[Sighting],
    decided: Sequence[Decided],
    *,
    rows: int,
    read_at: float | None,
    keep_all: bool = False,
    batch: int = DEFAULT_BATCH,
) -> list[dict[str, Any]]:
    """Commits one page: seen-keys, evidence, decisions and the actions of the open plan, and the audit of it all.

    `sightings` are the page's unseen events, `rows` how many rows it showed, `read_at` when the vendor showed them
    (None where they are old). Returns the unsent actions that a changed verdict replaced.
    """
    open_poll(conn, account_id, poll, now, rows, len(sightings))
    replaced = supersede(conn, account_id, now, sightings)
    seen.add(conn, account_id, now if read_at is None else read_at, sightings)
    # In the order of their names, as the indexes have them: the fewer pages of these are fetched and written.
    kept = sorted((one for one in decided if one.keeps_evidence), key=lambda one: one.sighting.key)
    digests = _keep_evidence(conn, account_id, now, decided if keep_all else kept)
    enrichments.keep(conn, account_id, now, decided)
    forget_older(conn, account_id, [one for one in sightings if one.changed])
    _park(conn, account_id, now, kept)
    if poll.source != DETECTIONS:
        stop_waiting(conn, account_id, poll.source, [one.key for one in sightings])
    entries = entries_for("superseded", replaced)
    loss = losses.current(conn, account_id, now)
    actions: list[dict[str, Any]] = []
    apart: list[dict[str, Any]] = []
    votes: list[dict[str, Any]] = []
    siblings: list[dict[str, Any]] = []
    for one in kept:
        for wish in one.wishes:
            row = action_row(account_id, poll, now, one.sighting, wish, batch, read_at, loss)
            (apart if "subject" in row else actions).append(row)
            votes.extend(vote_rows(row, poll, now, wish))
            if wish.sibling is None:
                entries.append(decision_entry(row, wish, digests[one.sighting.key], one))
            else:
                siblings.append(member_row(row, poll, now, wish.sibling))
                entries.append(sibling_entry(row, wish, wish.sibling, digests[one.sighting.key]))
        entries.extend(failure_entries(one, digests[one.sighting.key]))
    for alike in (actions, apart):
        insert_rows(conn, schema.actions, alike)
    insert_rows(conn, schema.decisions, votes)
    insert_rows(conn, schema.members, siblings)
    append(conn, account_id, now, entries)
    return replaced


def open_poll(conn: Connection, account_id: str, poll: Poll, now: float, rows: int, fresh: int) -> None:
    """Opens the poll where it is not open yet, and counts what one page of it brought."""
    values = {
        "id": poll.id,
        "account_id": account_id,
        "source": poll.source,
        "kind": poll.kind,
        "window_start": poll.start,
        "window_end": poll.end,
        "opened_at": now,
        "rows": 0,
        "new_events": 0,
    }
    put_new(conn, schema.polls, [values])
    _COUNT(conn, poll=poll.id, more=rows, fresh=fresh)


def _keep_evidence(
    conn: Connection, account_id: str, now: float, decided: Sequence[Decided]
) -> dict[str, str]:
    """Stores the rows as they were seen; returns their SHA-256 by event key.

    One may be there: of an earlier sight of the same verdict, or of a sweep that found the message before the poll.
    """
    digests: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    undecided: list[dict[str, Any]] = []
    for one in decided:
        body = _encode(one.sighting.event)
        digests[one.sighting.key] = sha256(body).hexdigest()
        named = event_key(account_id, one.sighting)
        row = {"id": evidence_id(**named), **named, "body": body.decode(), "stored_at": now}
        (rows if one.keeps_evidence else undecided).append(row)
    put(conn, schema.evidence, sorted(rows, key=itemgetter("id")))
    # What an earlier decision rests on does not give way to a sight that nobody decided on.
    put_new(conn, schema.evidence, sorted(undecided, key=itemgetter("id")))
    return digests


def _park(conn: Connection, account_id: str, now: float, decided: Sequence[Decided]) -> None:
    rows = [
        event_key(account_id, one.sighting)
        | {
            "playbook": failure.playbook,
            "evidence_id": evidence_id(**event_key(account_id, one.sighting)),
            "version": failure.version,
            "error": failure.error,
            "asked": failure.asked,
            "parked_at": now,
            "due_at": None if failure.again_in is None else now + failure.again_in,
            "tries": failure.tries,
        }
        for one in decided
        for failure in one.failures
    ]
    put(conn, schema.parked, rows)


def redecide(
    conn: Connection,
    account_id: str,
    poll: Poll,
    now: float,
    rows: Sequence[Parked],
    decided: Sequence[Decided],
    batch: int,
) -> None:
    """Records the decisions on parked events that a new version of their playbook has decided again."""
    unpark(conn, account_id, rows)
    record(conn, account_id, poll, now, (), decided, rows=0, read_at=None, batch=batch)
