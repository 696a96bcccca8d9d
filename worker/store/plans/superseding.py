"""An event that has changed: what was wanted because of it, and has not been done, is not wanted any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, select, update

from worker.model.actions import UNSENT, State
from worker.model.plans import Sighting, news
from worker.store import schema, seen
from worker.store.tools import chunks, event_id, from_json

_A = schema.actions.c
_WANTED_BY_OTHERS = exists().where(
    schema.audit.c.action_id == _A.id,
    schema.audit.c.kind == "joined",
    schema.audit.c.message_id != _A.message_id,
)


def supersede(
    conn: Connection, account_id: str, now: float, sightings: Sequence[Sighting]
) -> list[dict[str, Any]]:
    """A new verdict replaces what has not been sent under the old one."""
    replaced: list[dict[str, Any]] = []
    for sighting in sightings:
        if not sighting.changed:
            continue
        rows = _hanging(
            conn,
            account_id,
            _A.source == sighting.source,
            _A.event_key == sighting.key,
            _A.event_revision != sighting.revision,
            _A.state.in_([*UNSENT, State.OPEN]),
        )
        replaced += [_replaced(row, sighting.news, again=bool(row["attempts"])) for row in rows]
        see_anew(conn, account_id, (sighting.source, sighting.key), [row["id"] for row in rows])
    _skip(conn, now, replaced)
    return replaced


def supersede_sent(conn: Connection, account_id: str, now: float, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Of actions that are ready to be sent again, those whose event has changed while they were under way.

    What a person let go after that change was let go in spite of it.
    """
    rows: list[Mapping[str, Any]] = []
    for part in chunks(ids):
        rows += _hanging(conn, account_id, _A.id.in_(part), _A.state == State.READY)
    current = seen.current(conn, account_id, {(row["source"], row["event_key"]) for row in rows})
    replaced = []
    for row in rows:
        event = row["source"], row["event_key"]
        revision, seen_at = current.get(event, (row["event_revision"], 0.0))
        if revision == row["event_revision"] or (row["approved_at"] or 0.0) >= seen_at:
            continue
        replaced.append(_replaced(row, news(row["source"], revision), again=True))
        see_anew(conn, account_id, event, [row["id"]])
    _skip(conn, now, replaced)
    return replaced


def _hanging(conn: Connection, account_id: str, *which: ColumnElement[bool]) -> Sequence[Mapping[str, Any]]:
    """Those of the actions that hang on their event: no undo does, nor what other messages want too."""
    query = select(
        _A.id, _A.plan_id, _A.message_id, _A.kind, _A.playbook,
        _A.source, _A.event_key, _A.event_revision, _A.approved_at, _A.attempts,
    ).where(
        _A.account_id == account_id, *which, _A.cause == "", _A.subject.is_(None) | ~_WANTED_BY_OTHERS
    )  # fmt: skip
    return [dict(row) for row in conn.execute(query).mappings()]


def _replaced(row: Mapping[str, Any], what: str, *, again: bool) -> dict[str, Any]:
    told = {name: row[name] for name in ("id", "plan_id", "message_id", "kind", "playbook")}
    return {**told, "state": State.SKIPPED, "reason": f"{what} before it was sent{' again' if again else ''}"}


def _skip(conn: Connection, now: float, replaced: Sequence[Mapping[str, Any]]) -> None:
    if not replaced:
        return
    conn.execute(
        update(schema.actions)
        .where(_A.id == bindparam("action"))
        .values(
            state=State.SKIPPED,
            error=bindparam("why"),
            due_at=None,
            admitted_at=None,
            held_until=None,
            updated_at=now,
        ),
        [{"action": row["id"], "why": row["reason"]} for row in replaced],
    )


def see_anew(conn: Connection, account_id: str, changed: tuple[str, str], replaced: Sequence[str]) -> None:
    """Other events whose wishes had joined these actions are new again: they do not hang on the one that changed."""
    if not replaced:
        return
    a, e = schema.audit.c, schema.events
    joined = conn.scalars(select(a.body).where(a.kind == "joined", a.action_id.in_(replaced)))
    decided_as = [from_json(body)["decided_as"] for body in joined]
    if not decided_as:
        return
    named = conn.scalars(select(a.body).where(a.kind == "decided", a.action_id.in_([*replaced, *decided_as])))
    events = {(body["source"], body["event"]) for body in map(from_json, named)}
    others = events - {changed}
    conn.execute(delete(e).where(e.c.id.in_([event_id(account_id, *one) for one in others])))
