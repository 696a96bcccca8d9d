"""What a person wants undone: the inverse of succeeded moves, as a plan of its own in the same ledger.

It is closed like a playbook's plan: caps, contradictions and modes hold for it too. Nothing is sent from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, insert, or_, select

from worker.ids import new_id
from worker.model.actions import UNSENT, Mode, Move, State
from worker.model.entries import BlockSender
from worker.model.kinds import REMOVE, irreversible, lane_of
from worker.model.plans import Ceilings, Poll
from worker.model.undoing import UNDO, OwnMove, WayBack
from worker.store import schema
from worker.store.calls.followup import took_effect
from worker.store.entries import COPIED, plan_removal, removal, standing
from worker.store.people.undoable import (
    IN_DOUBT,
    entry_back,
    in_parts,
    own_moves,
    refusal,
    refused_entry,
    undos_of,
    way_home,
)
from worker.store.plans.closing import close
from worker.store.plans.intake import open_poll
from worker.store.plans.wishes import plan_id
from worker.store.prepared import insert_rows
from worker.store.sweeps import campaigns, members
from worker.store.tools import from_json, to_json
from worker.store.trail.audit import Entry, append


class Wanted(NamedTuple):
    """Which actions a person wants undone: these, those of a plan, or what a playbook sent in a stretch of time."""

    ids: tuple[str, ...] = ()
    plan_id: str = ""
    playbook: str = ""
    since: float = 0.0
    until: float | None = None


class Order(NamedTuple):
    """Who wants it, to which folder (None: where it was), under which limits, and how many share a request."""

    by: str
    to: str | None
    ceilings: Ceilings
    batch: int


class Inverse(NamedTuple):
    """An undo that was planned: its id, the action that it undoes, and what became of it in its plan."""

    id: str
    undoes: str
    message_id: str
    came_from: str
    back: WayBack
    state: str
    why: str | None


class Undone(NamedTuple):
    """What an order came to. `already` are undone, or being undone, by the action named; `unsent` wait to be sent.

    `stopped` are the campaigns that look for no more siblings from now on.
    """

    plan_id: str | None
    planned: list[Inverse]
    already: list[tuple[str, str, str]]
    refused: list[tuple[str, str]]
    unsent: int
    stopped: list[str]


def undo(conn: Connection, account_id: str, wanted: Wanted, order: Order, now: float, *, dry: bool) -> Undone:
    """Plans the inverse of what is wanted; `dry` leaves no trace of it, and tells the same."""
    with conn.begin_nested() as savepoint:
        done = _undo(conn, account_id, wanted, order, now)
        if dry:
            savepoint.rollback()
    return done


def _undo(conn: Connection, account_id: str, wanted: Wanted, order: Order, now: float) -> Undone:
    swept = campaigns.behind(conn, account_id, wanted.ids, wanted.plan_id)
    named = [one for one in wanted.ids if one not in swept]
    rows = _select(conn, account_id, wanted._replace(ids=tuple(_whole(conn, wanted.ids, swept))))
    found = {row["id"] for row in rows}
    refused = [(one, "no such action; see `worker actions list`") for one in named if one not in found]
    unsent = sum(row["state"] in UNSENT for row in rows if row["id"] not in named)
    messages = [row["message_id"] for row in rows]
    undos, own = undos_of(conn, account_id, messages), own_moves(conn, account_id, messages)
    already: list[tuple[str, str, str]] = []
    chosen: list[tuple[RowMapping, WayBack]] = []
    made = standing(conn, [row["id"] for row in rows if row["subject"] is not None])
    for row in rows:
        moves = own[row["message_id"]]
        undone_by = undos.get(row["id"])
        if undone_by is not None and undone_by["state"] != State.REJECTED:
            already.append((row["id"], undone_by["id"], undone_by["state"]))
        elif why := _refusal(row, undone_by, moves, made, order.to):
            # Of a plan only what had an effect, or may have had one, is worth a word.
            if row["id"] in named or row["state"] in (State.SUCCEEDED, *IN_DOUBT):
                refused.append((row["id"], why))
        elif row["subject"] is not None:
            chosen.append((row, entry_back(made.get(row["id"]))))
        else:
            chosen.append((row, way_home(row, moves, order.to)))
    # Also where nothing has moved yet: late siblings would.
    stopped = campaigns.stop(conn, account_id, swept, f"undone by {order.by}", now)
    if not chosen:
        return Undone(None, [], already, refused, unsent, stopped)
    plan, planned = _plan(conn, account_id, chosen, made, order, now)
    return Undone(plan, planned, already, refused, unsent, stopped)


def _whole(conn: Connection, ids: Sequence[str], swept: Sequence[str]) -> Iterator[str]:
    """The ids, a sweep's own being that of everything that came of it."""
    for one in ids:
        if one in swept:
            yield from members.actions_of(conn, one)
        else:
            yield one


def _select(conn: Connection, account_id: str, wanted: Wanted) -> list[RowMapping]:
    a, d = schema.actions, schema.decisions
    query = select(a, took_effect().label("took_effect")).where(
        a.c.account_id == account_id, a.c.state != State.OPEN
    )
    if wanted.ids:
        return in_parts(conn, query, "id", wanted.ids)
    query = query.where(a.c.state != State.SHADOWED)
    if wanted.plan_id:
        query = query.where(a.c.plan_id == wanted.plan_id)
    else:
        voted = a.c.id.in_(select(d.c.action_id).where(d.c.playbook == wanted.playbook))
        query = query.where(or_(a.c.playbook == wanted.playbook, voted), a.c.submitted_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(a.c.submitted_at < wanted.until)
    return list(conn.execute(query.order_by(a.c.id)).mappings())


def _plan(
    conn: Connection,
    account_id: str,
    chosen: Sequence[tuple[RowMapping, WayBack]],
    made: Mapping[str, RowMapping],
    order: Order,
    now: float,
) -> tuple[str, list[Inverse]]:
    """Records the inverses and closes their plan, in the caller's transaction."""
    poll = Poll(new_id(), UNDO, UNDO, now, now)
    open_poll(conn, account_id, poll, now, 0, 0)
    rows = [_row(poll, row, back, made.get(row["id"]), order, now) for row, back in chosen]
    insert_rows(conn, schema.actions, rows)
    conn.execute(insert(schema.decisions), [_vote(row, order.ceilings, now) for row in rows])
    close(conn, account_id, poll, now, order.ceilings, None)
    a = schema.actions
    states = {
        row.id: row
        for row in conn.execute(select(a.c.id, a.c.state, a.c.error).where(a.c.poll_id == poll.id))
    }
    for row in rows:
        if row["kind"] == REMOVE:
            plan_removal(conn, row["cause"], row["id"])
    append(
        conn,
        account_id,
        now,
        _entries(rows, chosen, order.by, {one: row.state for one, row in states.items()}),
    )
    planned = [
        Inverse(
            row["id"],
            undone["id"],
            row["message_id"],
            undone["target"],
            back,
            states[row["id"]].state,
            states[row["id"]].error,
        )
        for row, (undone, back) in zip(rows, chosen, strict=True)
    ]
    return plan_id(poll, UNDO), planned


def _refusal(
    row: RowMapping,
    undone_by: RowMapping | None,
    moves: Sequence[OwnMove],
    made: Mapping[str, RowMapping],
    to: str | None,
) -> str:
    if row["subject"] is None or irreversible(row["kind"], row["target"]) or undone_by is not None:
        return refusal(row, undone_by, moves, to)
    if to is not None:
        return "acted on no message: there is no folder to move it to; leave --to out"
    return refused_entry(row, made.get(row["id"]))


def _row(
    poll: Poll, undone: RowMapping, back: WayBack, entry: RowMapping | None, order: Order, now: float
) -> dict[str, Any]:
    return {
        **{name: undone[name] for name in COPIED},
        "batch": order.batch,
        **_inverse(undone, back, entry),
        "id": new_id(),
        "plan_id": plan_id(poll, UNDO),
        "poll_id": poll.id,
        "playbook": UNDO,
        "playbook_version": "",
        "cause": undone["id"],
        "mode": Mode.ENFORCE,
        "state": State.OPEN,
        "reason": f"undoes {undone['id']} of {undone['playbook']}",
        "attempts": 0,
        "refusals": 0,
        "read_backs": 0,
        "created_at": now,
        "updated_at": now,
    }


def _inverse(undone: RowMapping, back: WayBack, entry: RowMapping | None) -> dict[str, Any]:
    """What undoes it: a message goes back, an entry is taken back, or one that was taken back is made again."""
    if entry is not None:
        return removal(undone, entry)
    if undone["subject"] is not None:
        before = from_json(undone["origin"])[0]
        return {
            "kind": BlockSender.kind,
            "target": undone["target"],
            "subject": undone["subject"],
            "params": to_json({name: value for name, value in before.items() if name != "id"}),
            "lane": lane_of(BlockSender.kind, undone["target"]),
        }
    return {
        "kind": Move.kind,
        "target": back.folder,
        "subject": None,
        "params": to_json({"destination": back.folder}),
        "lane": lane_of(Move.kind, back.folder),
    }


def _vote(row: Mapping[str, Any], ceilings: Ceilings, now: float) -> dict[str, Any]:
    """A person's wish is bounded by the operator's caps, not by those of the playbook that it corrects."""
    return {
        **{name: row[name] for name in ("account_id", "poll_id", "plan_id", "playbook", "playbook_version")},
        "action_id": row["id"],
        "mode": Mode.ENFORCE,
        "per_poll": ceilings.per_poll,
        "per_hour": ceilings.per_hour,
        "decided_at": now,
    }


def _entries(
    rows: Sequence[Mapping[str, Any]],
    chosen: Sequence[tuple[RowMapping, WayBack]],
    by: str,
    states: Mapping[str, str],
) -> list[Entry]:
    """On record with both: with the undo whom it undoes and for whom, with what it undoes that it is."""
    entries = []
    for row, (undone, back) in zip(rows, chosen, strict=True):
        told = {"undoes": undone["id"], "to": back.folder, "known": back.known, "why": back.why}
        body = {"by": by, "state": states[row["id"]], **told}
        entries.append(Entry("undo", body, row["plan_id"], row["id"], message_id=row["message_id"]))
        entries.append(
            Entry(
                "undo_planned",
                {"by": by, "undo": row["id"]},
                undone["plan_id"],
                undone["id"],
                message_id=row["message_id"],
            )
        )
    return entries
