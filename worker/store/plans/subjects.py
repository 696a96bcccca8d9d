"""What acts on something else than a message: which of it may not be planned, and which of it bars nothing any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from worker.model.actions import State
from worker.model.admission import Candidate
from worker.model.kinds import kind_of
from worker.store import schema
from worker.store.tools import chunks

_A = schema.actions.c


def with_subject(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that have a subject; nearly always none."""
    kinds = {kind for kind in {one.kind for one in candidates} if kind_of(kind).has_subject}
    return [one for one in candidates if one.kind in kinds] if kinds else []


def refused(conn: Connection, candidates: Sequence[Candidate]) -> dict[str, str]:
    """Those that must not be done, and why, as it was written down when they were decided."""
    found: dict[str, str] = {}
    for part in chunks(one.action_id for one in candidates):
        query = select(_A.id, _A.error).where(_A.id.in_(part), _A.error.is_not(None))
        found.update((row.id, row.error) for row in conn.execute(query))
    return found


def free_reversed(conn: Connection, account_id: str, subjects: Collection[str]) -> None:
    """What an opposite action has reversed since (a block, by an unblock) may be wanted again."""
    done: dict[str, list[Any]] = defaultdict(list)
    for part in chunks(sorted(subjects)):
        query = select(_A.id, _A.subject, _A.kind).where(
            _A.account_id == account_id, _A.subject.in_(part), _A.state == State.SUCCEEDED, _A.cause == ""
        )
        for row in conn.execute(query.order_by(_A.submitted_at, _A.id)):
            done[row.subject].append(row)
    free(
        conn,
        [
            row.id
            for rows in done.values()
            for index, row in enumerate(rows)
            if kind_of(row.kind).opposes & {later.kind for later in rows[index + 1 :]}
        ],
    )


def free(conn: Connection, action_ids: Sequence[str]) -> None:
    """The effect of these is over: the same may be wanted again."""
    for part in chunks(action_ids):
        conn.execute(update(schema.actions).where(_A.id.in_(part)).values(subject=""))
