"""What the ledger says of undoing an action: whether it can be, where to, and whether it has been. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from worker.model.actions import LIVE, PARTLY, REJECTED_IN_DOUBT, UNSENT, State
from worker.model.kinds import irreversible, kind_of
from worker.model.undoing import MADE_AGAIN, TAKEN_BACK, OwnMove, WayBack, in_effect, way_back
from worker.store import schema
from worker.store.calls.followup import took_effect
from worker.store.entries import standing
from worker.store.tools import chunks

IN_DOUBT = (State.SUBMITTED, State.UNKNOWN)
_WITHOUT_EFFECT = (State.SHADOWED, State.SKIPPED, State.REJECTED, State.EXPIRED, State.DEAD)
_NOTHING_DONE = "it changed nothing that could be undone"


def prospect(conn: Connection, account_id: str, row: RowMapping) -> dict[str, Any]:
    """What `worker actions show` says: what this action undoes, what undid it, and whether it can be undone."""
    undone_by = undos_of(conn, account_id, [row["message_id"]]).get(row["id"])
    told: dict[str, Any] = {
        "undoes": row["cause"] or None,
        "undone_by": {"id": undone_by["id"], "state": undone_by["state"]} if undone_by else None,
    }
    why = irreversible(row["kind"], row["target"])
    if not why and not undone_by and row["subject"] is not None:
        entry = standing(conn, [row["id"]]).get(row["id"])
        why = refused_entry(row, entry)
        if not why:
            back = entry_back(entry)
            return {**told, "undo": {"possible": True, "to": back.folder, "known": True, "why": back.why}}
    if undone_by:
        why = f"its undo {undone_by['id']} is {undone_by['state']}"
    elif not why and _changed_nothing(row):
        why = _nothing_done(row)
    if why:
        return {**told, "undo": {"possible": False, "why": why}}
    back = way_home(row, own_moves(conn, account_id, [row["message_id"]])[row["message_id"]], None)
    return {**told, "undo": {"possible": True, "to": back.folder, "known": back.known, "why": back.why}}


def _changed_nothing(row: RowMapping) -> bool:
    if row["state"] == State.FAILED:
        return not (row["error"] or "").startswith(PARTLY)
    return row["state"] in _WITHOUT_EFFECT


def _nothing_done(row: RowMapping) -> str:
    if row["state"] == State.REJECTED and row["error"] == REJECTED_IN_DOUBT:
        return (
            "whether it took effect was not known when it was rejected; look, and undo it, in the dashboard"
        )
    return _NOTHING_DONE


def refused_entry(row: RowMapping, entry: RowMapping | None) -> str:
    """Why what was done to the settings cannot be undone now; empty where it can."""
    if row["state"] != State.SUCCEEDED:
        return _not_done(row, "")
    if kind_of(row["kind"]).collection:
        if entry is None or entry["ended_at"] is not None:
            why = entry["ended_because"] if entry is not None else _NOTHING_DONE
            return f"its entry stands no more: {why}"
        return ""
    return "" if row["origin"] else _NOTHING_DONE


def entry_back(entry: RowMapping | None) -> WayBack:
    """What becomes of the entry."""
    if entry is not None:
        return WayBack(TAKEN_BACK, f"entry {entry['entry_id']}, which it made")
    return WayBack(MADE_AGAIN, "as it was before")


def refusal(row: RowMapping, undone_by: RowMapping | None, moves: Sequence[OwnMove], to: str | None) -> str:
    """Why the action cannot be undone now; empty where it can."""
    for_good = irreversible(row["kind"], row["target"])
    if for_good and row["state"] == State.SUCCEEDED:
        return f"cannot be undone: {for_good}"
    if undone_by is not None:
        return f"its undo {undone_by['id']} was rejected by a person; move the message back in the dashboard"
    if for_good or not row["took_effect"]:
        return _not_done(row, for_good)
    if row["id"] not in in_effect(moves):
        return f"{moves[-1].id} moved the message on to {moves[-1].target}: undo that one first"
    if way_home(row, moves, to).folder == row["target"]:
        return f"it is not known where the message was before {row['target']}; name the folder with --to"
    return ""


def _not_done(row: RowMapping, for_good: str) -> str:
    state = row["state"]
    if state in UNSENT:
        return f"is {state}: nothing was sent yet; `worker actions reject {row['id']}` drops it"
    if state in IN_DOUBT:
        return f"is {state}: whether it took effect is not known yet; undo it once it is settled"
    if for_good and state == State.FAILED:
        return f"is failed; what it did of it cannot be undone: {for_good}"
    return f"is {state}: {_nothing_done(row)}"


def way_home(row: RowMapping, moves: Sequence[OwnMove], to: str | None) -> WayBack:
    """The folder that an action took its message from, given all of the worker's own moves of it; or the one named."""
    done = OwnMove(row["id"], row["cause"], row["target"], row["origin"])
    ids = [one.id for one in moves]
    index = ids.index(row["id"]) if row["id"] in ids else len(moves)
    return way_back(done, moves[index - 1] if index else None, to)


def undos_of(conn: Connection, account_id: str, message_ids: Sequence[str]) -> dict[str, RowMapping]:
    """The undos on these messages that took effect, may still, or were rejected, by the id of what they undo."""
    a = schema.actions
    query = select(a.c.id, a.c.cause, a.c.state).where(
        a.c.account_id == account_id, a.c.cause != "", a.c.state.in_(LIVE) | took_effect()
    )
    rows = in_parts(conn, query, "message_id", message_ids)
    return {row["cause"]: row for row in sorted(rows, key=lambda row: row["state"] != State.REJECTED)}


def in_short(conn: Connection, account_id: str) -> dict[str, str]:
    """In a word, of every action that cannot be undone any more: `undone`, or "-" where its entry stands no more.

    Undone is that of which an undo took effect, may still, or was rejected.
    """
    a, e = schema.actions.c, schema.entries.c
    over = select(e.action_id).where(e.account_id == account_id, e.ended_at.is_not(None))
    undos = select(a.cause).where(
        a.account_id == account_id, a.cause != "", a.state.in_(LIVE) | took_effect()
    )
    return dict.fromkeys(conn.scalars(over), "-") | dict.fromkeys(conn.scalars(undos), "undone")


def own_moves(conn: Connection, account_id: str, message_ids: Sequence[str]) -> dict[str, list[OwnMove]]:
    """What the worker itself did with these messages, oldest first."""
    a = schema.actions
    query = select(a.c.id, a.c.cause, a.c.target, a.c.origin, a.c.message_id, a.c.submitted_at).where(
        a.c.account_id == account_id, took_effect()
    )
    rows = in_parts(conn, query, "message_id", message_ids)
    found: dict[str, list[OwnMove]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row["submitted_at"] or 0.0, row["id"])):
        found[row["message_id"]].append(OwnMove(row["id"], row["cause"], row["target"], row["origin"]))
    return found


def in_parts(conn: Connection, query: Select[Any], column: str, values: Sequence[str]) -> list[RowMapping]:
    """The rows of a query on actions where the column has one of these values."""
    a = schema.actions
    return [
        row
        for part in chunks(sorted(set(values)))
        for row in conn.execute(query.where(a.c[column].in_(part)).order_by(a.c.id)).mappings()
    ]
