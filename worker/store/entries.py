"""Entries of the tenant's settings that the worker has made: remembered by the vendor's id, and taken back in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, RowMapping, select, update

from worker.ids import new_id
from worker.model.actions import Mode, State
from worker.model.calls import Item, Outcome
from worker.model.entries import AllowSender, TrustDomain, UnblockSender
from worker.model.kinds import REMOVE, UNBATCHED, kind_of, lane_of
from worker.model.ledger import Ended, TakenBack
from worker.model.plans import Poll
from worker.model.undoing import EXPIRY
from worker.store import schema
from worker.store.people import approvals
from worker.store.plans.subjects import free
from worker.store.plans.wishes import plan_id
from worker.store.prepared import insert_rows
from worker.store.tools import chunks, from_json, to_json
from worker.store.trail.audit import Entry, append

COPIED = (
    "account_id", "source", "event_key", "event_revision", "message_id", "rfc_message_id", "postfix_id",
    "sender", "recipients", "verdict", "is_submission", "message_from", "message_until",
)  # fmt: skip
"""What the action that takes something back has in common with the one that did it."""
LATE_SECONDS = 300.0
"""How long after its date an entry may be there before that is worth a word."""
STUCK = (State.HELD, State.FAILED, State.DEAD, State.UNKNOWN)
"""Of a removal: it does not come about by itself, or nobody knows."""
_LASTING = (AllowSender.kind, TrustDomain.kind)
_A, _E = schema.actions.c, schema.entries.c


def remember(conn: Connection, account_id: str, outcomes: Iterable[Outcome]) -> None:
    """Notes the vendor's ids of what actions have made, what it says of itself, and until when it stands."""
    made = {one.action_id: (one.made, one.comments) for one in outcomes if one.made}
    for part in chunks(made):
        rows = conn.execute(select(_A.id, _A.kind, _A.params).where(_A.id.in_(part))).all()
        insert_rows(
            conn,
            schema.entries,
            [
                {
                    "action_id": row.id,
                    "account_id": account_id,
                    "collection": kind_of(row.kind).collection,
                    "entry_id": made[row.id][0],
                    "comments": made[row.id][1],
                    "expires_at": _expiry(from_json(row.params)),
                }
                for row in rows
            ],
        )


def end_unblocked(conn: Connection, now: float, action_ids: Sequence[str]) -> None:
    """What these have unblocked stands no more; those that unblock nobody are none of it."""
    for part in chunks(action_ids):
        query = select(_A.id, _A.account_id, _A.origin)
        for row in conn.execute(query.where(_A.id.in_(part), _A.kind == UnblockSender.kind)).all():
            gone = [entry["id"] for entry in from_json(row.origin or "[]")]
            conn.execute(
                update(schema.entries)
                .where(_E.account_id == row.account_id, _E.entry_id.in_(gone), _E.ended_at.is_(None))
                .values(ended_at=now, ended_because=f"unblocked by {row.id}", comments="")
            )


def completed(conn: Connection, items: Sequence[Item]) -> list[Item]:
    """The items with what the look before acting has found, and why they are wanted."""
    found: dict[str, Any] = {}
    for part in chunks(item.action_id for item in items):
        query = select(_A.id, _A.origin, _A.reason, _A.error).where(_A.id.in_(part))
        found.update((row.id, row) for row in conn.execute(query))
    return [
        replace(
            item,
            origin=found[item.action_id].origin,
            reason=found[item.action_id].reason,
            error=found[item.action_id].error,
        )
        if item.action_id in found
        else item
        for item in items
    ]


def made(
    conn: Connection, account_id: str, collection: str, entry_ids: Sequence[str]
) -> dict[str, dict[str, Any] | None]:
    """Of these entries of a collection the worker's own as they were made, by the vendor's ids.

    None for one that is over, and is there all the same: it was left to a person, and stays theirs.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for part in chunks(entry_ids):
        query = (
            select(_E.entry_id, _E.comments, _E.ended_at, _A.params)
            .join(schema.actions, _A.id == _E.action_id)
            .where(_E.account_id == account_id, _E.collection == collection, _E.entry_id.in_(part))
        )
        found.update(
            (row.entry_id, _made(row.params, row.comments) if row.ended_at is None else None)
            for row in conn.execute(query)
        )
    return found


def _made(params: str, comments: str) -> dict[str, Any]:
    return {**from_json(params), "comments": comments}


def standing(conn: Connection, action_ids: Sequence[str]) -> dict[str, RowMapping]:
    """What these actions have made, by their ids."""
    found: dict[str, RowMapping] = {}
    for part in chunks(action_ids):
        rows = conn.execute(select(schema.entries).where(_E.action_id.in_(part))).mappings()
        found.update((row["action_id"], row) for row in rows)
    return found


def removal(row: RowMapping, entry: RowMapping) -> dict[str, Any]:
    """The columns that say what takes back what an action has made: exactly that entry, as it was made."""
    params = {
        "pattern": row["target"],
        "collection": entry["collection"],
        "entry_id": entry["entry_id"],
        "made": _made(row["params"], entry["comments"]),
    }
    return {
        "kind": REMOVE,
        "target": row["target"],
        "subject": row["subject"],
        "params": to_json(params),
        "lane": lane_of(REMOVE, row["target"], kind_of(REMOVE).route(params)),
        **({"batch": 1} if entry["collection"] in UNBATCHED else {}),
    }


def plan_removal(conn: Connection, action_id: str, removal_id: str) -> None:
    """Notes which action takes the entry back."""
    conn.execute(update(schema.entries).where(_E.action_id == action_id).values(removal_id=removal_id))


def take_back(
    conn: Connection, account_id: str, now: float, mode: Mode, hold_seconds: float, batch: int
) -> TakenBack:
    """Settles which entries are no more, and plans the removal of those whose time is over; not in shadow.

    Who approved the entry approved its end with it: the removal goes out under an approval of its own in that name,
    uses up no cap, and is planned again where it could not be sent in time.
    """
    ended = _settle(conn, account_id, now)
    due = conn.execute(
        select(schema.actions, _E.collection, _E.entry_id, _E.comments, _E.expires_at)
        .join(schema.entries, _E.action_id == _A.id)
        .where(
            _E.account_id == account_id,
            _E.ended_at.is_(None),
            _E.removal_id.is_(None),
            _E.expires_at <= now,
        )
        .order_by(_E.expires_at, _E.action_id)
    ).mappings()
    rows = list(due)
    planned: list[str] = []
    if mode is not Mode.SHADOW and rows:
        planned = _plan(conn, account_id, now, hold_seconds, batch, rows)
    return TakenBack(tuple(planned), ended, len(overdue(conn, account_id, now)))


def overdue(conn: Connection, account_id: str, now: float) -> list[Mapping[str, Any]]:
    """Entries whose time is over, which nothing has taken back, and which nothing is about to: the oldest first.

    Of an allowance whose answer was lost nobody knows whether there is an entry: it has none here, and is told too.
    """
    r = schema.actions.alias("removal")
    query = (
        select(
            _E.action_id,
            _E.collection,
            _E.entry_id,
            _E.expires_at,
            _E.removal_id,
            _A.kind,
            _A.target,
            r.c.state,
            r.c.error,
        )
        .join(schema.actions, _A.id == _E.action_id)
        .outerjoin(r, r.c.id == _E.removal_id)
        .where(
            _E.account_id == account_id,
            _E.ended_at.is_(None),
            _E.expires_at <= now - LATE_SECONDS,
            r.c.id.is_(None) | r.c.state.in_(STUCK) | (r.c.created_at <= now - LATE_SECONDS),
        )
        .order_by(_E.expires_at, _E.action_id)
    )
    return [*conn.execute(query).mappings(), *_in_doubt(conn, account_id, now)]


def _in_doubt(conn: Connection, account_id: str, now: float) -> Iterator[dict[str, Any]]:
    query = select(_A.id, _A.kind, _A.target, _A.params, _A.error).where(
        _A.account_id == account_id, _A.state == State.UNKNOWN, _A.kind.in_(_LASTING)
    )
    for row in conn.execute(query.order_by(_A.id)):
        until = _expiry(from_json(row.params))
        if until is not None and until <= now - LATE_SECONDS:
            yield {
                "action_id": row.id,
                "kind": row.kind,
                "target": row.target,
                "collection": kind_of(row.kind).collection,
                "entry_id": None,
                "expires_at": until,
                "removal_id": None,
                "state": None,
                "error": row.error,
            }


def _plan(
    conn: Connection, account_id: str, now: float, hold_seconds: float, batch: int, due: Sequence[RowMapping]
) -> list[str]:
    poll = Poll(new_id(), EXPIRY, EXPIRY, now, now)
    rows = [_row(row, poll, now, batch) for row in due]
    insert_rows(conn, schema.actions, rows)
    for row, made in zip(rows, due, strict=True):
        by = f"{made['approved_by'] or 'nobody'}, with {made['id']}"
        approval = approvals.grant(conn, account_id, [row], by, now, hold_seconds)
        values = {"approval_id": approval.id, "approved_by": made["approved_by"]}
        conn.execute(update(schema.actions).where(_A.id == row["id"]).values(**values))
        plan_removal(conn, made["id"], row["id"])
        body = {
            "undoes": made["id"],
            "state": State.READY,
            "why": row["reason"],
            "approval": approval.id,
            "sha256": approval.digest,
        }
        append(
            conn,
            account_id,
            now,
            [Entry("expiry", body, row["plan_id"], row["id"], message_id=row["message_id"])],
        )
    return [row["id"] for row in rows]


def _row(made: RowMapping, poll: Poll, now: float, batch: int) -> dict[str, Any]:
    return {
        **{name: made[name] for name in COPIED},
        "batch": batch,
        **removal(made, made),
        "id": new_id(),
        "plan_id": plan_id(poll, EXPIRY),
        "poll_id": poll.id,
        "playbook": EXPIRY,
        "playbook_version": "",
        "cause": made["id"],
        "mode": Mode.ENFORCE,
        "state": State.READY,
        "reason": f"{made['kind']} {made['id']} was to last until {from_json(made['params'])['expires_at']}",
        "due_at": now,
        "attempts": 0,
        "refusals": 0,
        "read_backs": 0,
        "created_at": now,
        "updated_at": now,
    }


def _settle(conn: Connection, account_id: str, now: float) -> tuple[Ended, ...]:
    """What became of the removals under way: the entry is over, or its removal can be planned anew."""
    r = schema.actions.c
    under_way = (
        select(_E.action_id, _E.entry_id, _E.removal_id, r.state, r.error, r.playbook)
        .select_from(schema.entries.outerjoin(schema.actions, r.id == _E.removal_id))
        .where(_E.account_id == account_id, _E.ended_at.is_(None), _E.removal_id.is_not(None))
    )
    ended = []
    for row in conn.execute(under_way).all():
        by_expiry = row.playbook == EXPIRY
        if row.state in (State.SUCCEEDED, State.SKIPPED) or (row.state == State.REJECTED and by_expiry):
            why = row.error or "taken back"
            _end(conn, now, row.action_id, why)
            # What a person had undone bars a new wish by its undo; what has expired bars nothing.
            free(conn, [row.action_id, row.removal_id] if by_expiry else [row.action_id])
            ended.append(Ended(row.action_id, row.entry_id, str(row.state), why))
        elif row.state in (None, State.EXPIRED, State.SHADOWED, State.REJECTED):
            if row.state == State.REJECTED:
                free(conn, [row.removal_id])
            conn.execute(update(schema.entries).where(_E.action_id == row.action_id).values(removal_id=None))
    return tuple(ended)


def _end(conn: Connection, now: float, action_id: str, why: str) -> None:
    # What it said of itself, the playbook's words among it, is of no more use.
    values = {"ended_at": now, "ended_because": why, "comments": ""}
    conn.execute(update(schema.entries).where(_E.action_id == action_id).values(**values))


def _expiry(params: Mapping[str, Any]) -> float | None:
    until = params.get("expires_at")
    return datetime.fromisoformat(until).timestamp() if until else None
