"""Attempts to change mail, and what became of each, as the audit log tells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from worker.model.actions import State
from worker.store import schema
from worker.store.tools import chunks, from_json
from worker.store.trail.audit import records

KINDS = ("intent", "outcome", "orphaned", "read_back")
NOTHING_LEFT = ("call.not_sent", "call.not_needed")
"""Ends of a call of which nothing left the worker: no attempt."""


class Told(NamedTuple):
    """What one record says of one attempt: an action in a call."""

    seq: int
    at: str
    record_hash: str
    source: str
    """The record's kind: outcome, orphaned or read_back."""
    call_id: str
    action_id: str
    message_id: str
    kind: str
    target: str
    state: str
    error: str | None
    status: int | None
    """The HTTP status of the answer."""
    ray: str | None
    decision: Mapping[str, Any]
    """The body of the record of its decision, with its `plan_id`; empty where there is none, as for an undo."""


class _Sent(NamedTuple):
    call_id: str
    message_id: str
    kind: str
    target: str


def told(conn: Connection, account_id: str) -> Iterator[Told]:
    """In the log's order, streamed; only calls under way and doubtful actions are held."""
    calls: dict[str, dict[str, _Sent]] = {}
    doubtful: dict[str, _Sent] = {}
    for row in records(conn, account_id, schema.audit.c.kind.in_(KINDS)):
        body = from_json(row["body"])
        if row["kind"] == "intent":
            call = row["call_id"]
            calls[call] = {
                action: _Sent(call, message, body["kind"], _of(body, action)["target"])
                for action, message in body["actions"]
            }
            continue
        if row["kind"] == "read_back":
            found = {row["action_id"]: doubtful.get(row["action_id"])}
        else:
            found = dict(calls.pop(row["call_id"], {}))
        yield from _told(conn, row, body, found, doubtful)


def _of(intent: Mapping[str, Any], action: str) -> Mapping[str, Any]:
    """Target and params of one action of a call, which has them in common or each its own."""
    return intent.get("each", {}).get(action, intent)  # type: ignore[no-any-return]


def _told(
    conn: Connection,
    row: Mapping[str, Any],
    body: Mapping[str, Any],
    found: Mapping[str, _Sent | None],
    doubtful: dict[str, _Sent],
) -> Iterator[Told]:
    if body.get("event") in NOTHING_LEFT:
        return
    outcomes = _outcomes(row, body)
    decisions = _decisions(conn, [action for action, _, _ in outcomes])
    for action, state, error in outcomes:
        sent = found.get(action)
        if sent is None:
            continue  # its intent is not in the log: then nothing was sent for it
        if state == State.UNKNOWN:
            doubtful[action] = sent
        else:
            doubtful.pop(action, None)
        yield Told(
            row["seq"],
            row["at"],
            row["hash"],
            row["kind"],
            sent.call_id,
            action,
            sent.message_id,
            sent.kind,
            sent.target,
            state,
            error,
            body.get("status"),
            body.get("ray"),
            decisions.get(action, {}),
        )


def _outcomes(row: Mapping[str, Any], body: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    if row["kind"] == "outcome":
        return [(action, state, error) for action, state, error in body["outcomes"]]
    if row["kind"] == "orphaned":
        why = "the worker stopped before it saw the answer"
        return [(action, State.UNKNOWN, why) for action in body["actions"]]
    return [(row["action_id"], body["state"], body["error"])]


def _decisions(conn: Connection, actions: list[str]) -> dict[str, Mapping[str, Any]]:
    """Asked for by the actions' ids alone: with the account too, SQLite would read all of its records each time."""
    t = schema.audit.c
    found: dict[str, Mapping[str, Any]] = {}
    for part in chunks(actions):
        kinds = t.kind.in_(("decided", "sibling"))
        query = select(t.action_id, t.plan_id, t.body).where(t.action_id.in_(part), kinds)
        for row in conn.execute(query):
            found[row.action_id] = {**from_json(row.body), "plan_id": row.plan_id}
    return found
