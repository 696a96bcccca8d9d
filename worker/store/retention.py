"""What has grown old goes, a batch at a time: short transactions, and no index that others would have to pay for.

A pass walks the tables in the order of their keys; its place is kept in the database, so that short runs and restarts
go on with it. Nothing goes that still keeps the worker from acting twice: actions that succeeded or were rejected stay
(without recipients, reason and what else holds people's names or text), as do unfinished ones with all that belongs to
them, and an event is forgotten only where no window can show it again. The audit log is not touched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Subquery, Table, delete, exists, func, select, true, update

from worker.model.actions import State
from worker.model.kinds import REMOVE, kind_of
from worker.model.ledger import Keep, Pruned
from worker.store import flags, schema
from worker.store.tools import chunks, evidence_id, from_json, to_json

RETENTION = "retention"
EVERY = 6 * 3600.0
"""Seconds between two passes."""
VENDOR_SECONDS = 31 * 86400.0
"""The vendor lists the last 30 days unless asked otherwise: no seen-key is younger when it goes."""
GONE = (State.SHADOWED, State.SKIPPED, State.EXPIRED, State.FAILED, State.DEAD)
"""Finished for good, and no bar to a new decision."""
BARRING = (State.SUCCEEDED, State.REJECTED)
"""Finished for good, and what keeps the same from being done again."""
UNFINISHED = (State.OPEN, State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN)


class Horizon(NamedTuple):
    """What is older goes: `seen` for the seen-set, `details` for everything else."""

    details: float
    seen: float


class Protected(NamedTuple):
    """What belongs to old actions that are not finished, or are sweeps whose campaigns are open."""

    actions: frozenset[str]
    plans: frozenset[str]
    approvals: frozenset[str]
    evidence: frozenset[bytes]


class Batch(NamedTuple):
    """What the walk is at: one account's rows behind a key."""

    account_id: str
    after: Any
    horizon: Horizon
    protected: Protected
    most: int


Walked = tuple[int, Any]
"""Rows that went, and the key to go on behind; None at the table's end."""


def step(conn: Connection, account_id: str, now: float, keep: Keep, most: int) -> Pruned:
    """Removes the next batch. `done`: the pass is over, or the last one is not long ago."""
    place = flags.get(conn, account_id, RETENTION)
    if place is None and _is_young(conn, account_id, now - keep.seconds):
        place = {"finished_at": now}
        flags.set_value(conn, account_id, RETENTION, place, now)
    place = place or {}
    if "finished_at" in place:
        if 0 <= now - place["finished_at"] < EVERY:
            return Pruned("", 0, done=True)
        place = {}
    index = place.get("table", 0)
    table, walk = WALKS[index]
    horizon = _horizon(conn, now, keep)
    batch = Batch(account_id, place.get("after"), horizon, _protected(conn, account_id, horizon), most)
    removed, after = walk(conn, batch)
    if after is None:
        index += 1
    done = index == len(WALKS)
    following = {"finished_at": now} if done else {"table": index, "after": after}
    flags.set_value(conn, account_id, RETENTION, following, now)
    return Pruned(table.name, removed, done)


def _is_young(conn: Connection, account_id: str, horizon: float) -> bool:
    """Before the first pass: whether nothing can be old yet, since no poll is. All else came with one or after it."""
    c = schema.polls.c
    mine = c.account_id == account_id
    polled, old = conn.execute(
        select(exists().where(mine), exists().where(mine, c.opened_at < horizon))
    ).one()
    return bool(polled and not old)


def _horizon(conn: Connection, now: float, keep: Keep) -> Horizon:
    c = schema.cursors.c
    # One that is not polled any more stands still, and would keep everything for good.
    polled = c.source.in_(keep.sources) if keep.sources else true()
    read_to = conn.execute(select(func.min(c.watermark)).where(polled)).scalar_one()
    seen = min(now - max(keep.seconds, VENDOR_SECONDS), (read_to or 0.0) - keep.reach)
    return Horizon(now - keep.seconds, seen)


def _protected(conn: Connection, account_id: str, horizon: Horizon) -> Protected:
    a = schema.actions.c
    c = schema.campaigns.c
    # A sweep is done when its list is frozen; late siblings are caught, by its words and votes, until its window is over.
    sweeping = a.id.in_(select(c.action_id).where(c.account_id == account_id, c.ended_at.is_(None)))
    query = select(a.id, a.plan_id, a.approval_id, a.source, a.event_key, a.event_revision).where(
        a.account_id == account_id, a.state.in_(UNFINISHED) | sweeping, a.created_at < horizon.details
    )
    rows = conn.execute(query).all()
    return Protected(
        frozenset(row.id for row in rows),
        frozenset(row.plan_id for row in rows),
        frozenset(row.approval_id for row in rows if row.approval_id),
        frozenset(evidence_id(account_id, row.source, row.event_key, row.event_revision) for row in rows),
    )


def _events(conn: Connection, batch: Batch) -> Walked:
    """By far the most rows, and hardly ever an old one: only those are fetched."""
    t = schema.events.c
    part = _part((t.id, t.seen_at, t.occurred_at), _bytes(batch.after), batch.most).subquery()
    horizon = batch.horizon.seen
    aged = (part.c.seen_at < horizon, func.coalesce(part.c.occurred_at, 0.0) < horizon)
    old = conn.scalars(select(part.c.id).where(*aged)).all()
    end = _end(conn, part, batch)
    _remove(conn, schema.events, old)
    return len(old), _text(end)


def _evidence(conn: Connection, batch: Batch) -> Walked:
    t = schema.evidence.c
    part = _part((t.id, t.account_id, t.stored_at), _bytes(batch.after), batch.most).subquery()
    mine = (part.c.account_id == batch.account_id, part.c.stored_at < batch.horizon.details)
    old = set(conn.scalars(select(part.c.id).where(*mine))) - batch.protected.evidence
    for some in chunks(old):
        # Events that wait for a mended playbook are decided from it.
        waiting = select(schema.parked.c.evidence_id).where(schema.parked.c.evidence_id.in_(some))
        old -= set(conn.scalars(waiting))
    end = _end(conn, part, batch)
    _remove(conn, schema.evidence, old)
    return len(old), _text(end)


def _enrichments(conn: Connection, batch: Batch) -> Walked:
    t = schema.enrichments.c
    rows = _next(conn, (t.id, t.account_id, t.stored_at), _bytes(batch.after), batch.most)
    old = [row.id for row in _outlived(rows, batch, "stored_at")]
    _remove(conn, schema.enrichments, old)
    return len(old), _text(_last(rows, batch))


def _decisions(conn: Connection, batch: Batch) -> Walked:
    t = schema.decisions.c
    columns = (t.id, t.account_id, t.action_id, t.decided_at)
    rows = _next(conn, columns, batch.after, batch.most)
    outlived = _outlived(rows, batch, "decided_at")
    old = [row.id for row in outlived if row.action_id not in batch.protected.actions]
    _remove(conn, schema.decisions, old)
    return len(old), _until_young(rows, batch, "decided_at")


def _actions(conn: Connection, batch: Batch) -> Walked:
    t = schema.actions.c
    columns = (
        t.id, t.account_id, t.state, t.kind, t.created_at, t.updated_at, t.recipients, t.sender, t.reason, t.params,
    )  # fmt: skip
    rows = _next(conn, columns, batch.after, batch.most)
    mine = [row for row in _outlived(rows, batch, "updated_at") if row.id not in batch.protected.actions]
    old = [row.id for row in mine if row.state in GONE]
    _remove(conn, schema.actions, old)
    full = [
        row.id
        for row in mine
        if row.state in BARRING and (row.recipients != "[]" or row.reason or row.sender is not None)
    ]
    for part in chunks(full):
        conn.execute(
            update(schema.actions).where(t.id.in_(part)).values(recipients="[]", reason="", sender=None)
        )
    private = [
        row.id for row in mine if row.state in BARRING and kind_of(row.kind).private and row.params != "{}"
    ]
    for part in chunks(private):
        conn.execute(update(schema.actions).where(t.id.in_(part)).values(params="{}"))
    for row in mine:
        if row.state in BARRING and row.kind == REMOVE:
            _forget_comments(conn, row)
    return len(old), _until_young(rows, batch, "created_at")


def _forget_comments(conn: Connection, row: Any) -> None:
    """A removal has no more use for what its entry said of itself, which holds the playbook's reason."""
    params = from_json(row.params)
    if params["made"]["comments"]:
        params["made"]["comments"] = ""
        conn.execute(
            update(schema.actions).where(schema.actions.c.id == row.id).values(params=to_json(params))
        )


def _plans(conn: Connection, batch: Batch) -> Walked:
    t = schema.plans.c
    rows = _next(conn, (t.id, t.account_id, t.closed_at), batch.after, batch.most)
    old = [row.id for row in _outlived(rows, batch, "closed_at") if row.id not in batch.protected.plans]
    _remove(conn, schema.plans, old)
    return len(old), _last(rows, batch)


def _approvals(conn: Connection, batch: Batch) -> Walked:
    t = schema.approvals.c
    rows = _next(conn, (t.id, t.account_id, t.approved_at, t.expires_at), batch.after, batch.most)
    old = [row.id for row in _outlived(rows, batch, "expires_at") if row.id not in batch.protected.approvals]
    for part in chunks(old):
        members = schema.approved_actions
        conn.execute(delete(members).where(members.c.approval_id.in_(part)))
    _remove(conn, schema.approvals, old)
    return len(old), _until_young(rows, batch, "approved_at")


def _polls(conn: Connection, batch: Batch) -> Walked:
    t = schema.polls.c
    columns = (t.id, t.account_id, t.opened_at, t.closed_at)
    rows = _next(conn, columns, batch.after, batch.most)
    old = [row.id for row in _outlived(rows, batch, "closed_at")]
    _remove(conn, schema.polls, old)
    return len(old), _until_young(rows, batch, "opened_at")


def _campaigns(conn: Connection, batch: Batch) -> Walked:
    t = schema.campaigns.c
    columns = (t.action_id.label("id"), t.account_id, t.ended_at)
    rows = _next(conn, columns, batch.after, batch.most)
    old = [row.id for row in _outlived(rows, batch, "ended_at")]
    for part in chunks(old):
        conn.execute(delete(schema.members).where(schema.members.c.campaign_id.in_(part)))
        conn.execute(delete(schema.campaigns).where(t.action_id.in_(part)))
    return len(old), _last(rows, batch)


def _quarantine(conn: Connection, batch: Batch) -> Walked:
    t = schema.quarantine.c
    old = (t.account_id == batch.account_id, t.seen_at < batch.horizon.details)
    digests = list(conn.scalars(select(t.digest).where(*old).limit(batch.most)))
    for part in chunks(digests):
        conn.execute(delete(schema.quarantine).where(*old, t.digest.in_(part)))
    return len(digests), "" if len(digests) == batch.most else None


WALKS: tuple[tuple[Table, Callable[[Connection, Batch], Walked]], ...] = (
    (schema.events, _events),
    (schema.evidence, _evidence),
    (schema.enrichments, _enrichments),
    (schema.decisions, _decisions),
    (schema.actions, _actions),
    (schema.plans, _plans),
    (schema.approvals, _approvals),
    (schema.polls, _polls),
    (schema.campaigns, _campaigns),
    (schema.quarantine, _quarantine),
)


def _next(conn: Connection, columns: Sequence[Any], after: Any, most: int) -> Sequence[Any]:
    """The next rows behind a key, in the order of the keys."""
    return conn.execute(_part(columns, after, most)).all()


def _part(columns: Sequence[Any], after: Any, most: int) -> Select[Any]:
    key = columns[0]
    query = select(*columns).order_by(key).limit(most)
    return query if after is None else query.where(key > after)


def _outlived(rows: Sequence[Any], batch: Batch, column: str) -> list[Any]:
    """The account's rows whose time in that column is further back than details are kept; none that has no time yet."""
    mine = [(row, getattr(row, column)) for row in rows if row.account_id == batch.account_id]
    return [row for row, at in mine if at is not None and at < batch.horizon.details]


def _remove(conn: Connection, table: Table, keys: Collection[Any]) -> None:
    for part in chunks(keys):
        conn.execute(delete(table).where(table.c.id.in_(part)))


def _last(rows: Sequence[Any], batch: Batch) -> Any:
    """The key to go on behind; None where the table ended."""
    return rows[-1].id if len(rows) == batch.most else None


def _end(conn: Connection, part: Subquery, batch: Batch) -> Any:
    """The same, of rows that were not fetched. To be asked before any of them went."""
    return conn.scalar(select(part.c.id).order_by(part.c.id).offset(batch.most - 1).limit(1))


def _until_young(rows: Sequence[Any], batch: Batch, column: str) -> Any:
    """As above, for keys in the order of time: behind a young row there are only younger ones."""
    young = bool(rows) and getattr(rows[-1], column) >= batch.horizon.details
    return None if young else _last(rows, batch)


def _bytes(after: str | None) -> bytes | None:
    return None if after is None else bytes.fromhex(after)


def _text(key: bytes | None) -> str | None:
    return None if key is None else key.hex()
