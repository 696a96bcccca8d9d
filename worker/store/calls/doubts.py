"""What is known of actions whose effect is in doubt: what was sent and when, what came back, what looks have shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from worker.model.actions import State
from worker.store import schema
from worker.store.tools import chunks, from_json, to_json

_R = schema.audit.c
_RECORD = select(_R.seq, _R.at, _R.kind, _R.action_id, _R.call_id, _R.body).order_by(_R.seq)


def doubts(conn: Connection, account_id: str, rows: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """The evidence about each of these actions that is `unknown`, by its id, out of the audit log."""
    unknown = [row for row in rows if row["state"] == State.UNKNOWN and row["call_id"]]
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(unknown):
        mine = _RECORD.where(_R.account_id == account_id)
        calls: dict[str, list[Any]] = {}
        for record in conn.execute(mine.where(_R.call_id.in_({row["call_id"] for row in part}))):
            calls.setdefault(record.call_id, []).append(record)
        looks: dict[str, list[Any]] = {}
        ids = [row["id"] for row in part]
        for record in conn.execute(mine.where(_R.action_id.in_(ids), _R.kind == "read_back")):
            looks.setdefault(record.action_id, []).append(record)
        for row in part:
            found[row["id"]] = _doubt(row, calls.get(row["call_id"], []), looks.get(row["id"], []))
    return found


def _doubt(row: Any, call: Sequence[Any], looks: Sequence[Any]) -> dict[str, Any]:
    doubt: dict[str, Any] = {"call_id": row["call_id"], "sent_at": None, "request": None, "answer": None}
    since = 0
    for record in call:
        body = from_json(record.body)
        if record.kind == "intent":
            since = record.seq
            doubt["sent_at"] = record.at
            doubt["request"] = {
                "kind": body["kind"],
                "params": body.get("each", {}).get(row["id"], body)["params"],
                "message_id": row["message_id"],
                "messages": len(body["actions"]),
            }
        elif record.kind == "outcome":
            own = next((error for action, _, error in body["outcomes"] if action == row["id"]), None)
            doubt["answer"] = {
                "at": record.at,
                "status": body["status"],
                "ray": body["ray"],
                "error": own or body["error"],
            }
        elif record.kind == "orphaned":
            doubt["answer"] = {
                "at": record.at,
                "status": None,
                "ray": None,
                "error": "the worker stopped before it saw the answer",
            }
    doubt["read_backs"] = [_look(record) for record in looks if record.seq > since]
    return doubt


def _look(record: Any) -> dict[str, Any]:
    body = from_json(record.body)
    return {"at": record.at, "result": body["error"], "seen": body["seen"]}


def in_words(doubt: Mapping[str, Any]) -> str:
    """The evidence in one line, to stand after the reason of the doubt."""
    request, answer = doubt["request"], doubt["answer"]
    words = [f"call {doubt['call_id']}"]
    if request is not None:
        what = " ".join([request["kind"], *map(str, request["params"].values())])
        words.append(f"sent {what} at {doubt['sent_at']} with {request['messages']} message(s)")
    if answer is not None:
        status = f"status {answer['status']}, " if answer["status"] else ""
        ray = f", cf-ray {answer['ray']}" if answer["ray"] else ""
        words.append(f"answer: {status}{answer['error']}{ray}")
    words += [
        f"read back at {look['at']}: {to_json(look['seen'] or look['result'])}"
        for look in doubt["read_backs"]
    ]
    return "; ".join(words)
