"""What the caps count, and what they leave to actions that waited so long that nothing counts them any more.

A poll's closing judges its plan once. What then waits for hours, for the end of a pause, a breaker, a refused token,
would go out with the next hours' all at once: so it is counted from when it is sent, and goes as the caps have room.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from worker.model.actions import Mode, State
from worker.model.caps import DAY, HOUR, LATE, SLACK, Room, Usage
from worker.model.kinds import APART
from worker.model.levels import lowered
from worker.model.plans import Ceilings, Vote
from worker.store import flags, schema
from worker.store.people.levels import recorded
from worker.store.prepared import Prepared, among
from worker.store.tools import chunks

WAIT_SECONDS = 300.0
"""How long what the caps have no room for waits before it is judged again."""
_A = schema.actions.c
_PUT_OFF = Prepared(
    update(schema.actions)
    .where(_A.id == bindparam("one"), _A.state == State.READY)
    .values(due_at=bindparam("at"), error=bindparam("why"), updated_at=bindparam("now"))
)
_COUNT = Prepared(lambda: update(schema.actions).where(among(_A.id)).values(admitted_at=bindparam("at")))


def used_up(
    conn: Connection,
    account_id: str,
    now: float,
    *,
    daily: bool,
    apart: bool = False,
    lowered_at: float | None = None,
) -> Usage:
    """What the caps count: actions admitted in the last hour, and in the last day where a cap asks for it."""
    used = Usage(*usage(conn, account_id, now, apart=apart, lowered_at=lowered_at))
    if not daily:
        return used
    return Usage(
        used.hour, used.hour_all, *usage(conn, account_id, now, DAY, apart=apart, lowered_at=lowered_at)
    )


def usage(
    conn: Connection,
    account_id: str,
    now: float,
    within: float = HOUR,
    *,
    apart: bool = False,
    lowered_at: float | None = None,
) -> tuple[dict[str, int], int]:
    """Actions admitted in the last hour or so, by playbook (each agreeing one) and in all; some kinds `apart`.

    Without those that were let through before the caps were lowered, if they were, and have not been sent.
    """
    a, d = schema.actions, schema.decisions
    kinds = _A.kind.in_(APART) if apart else _A.kind.not_in(APART)
    since = now - within - SLACK
    recent = [_A.account_id == account_id, _A.admitted_at > since, _A.state != State.SKIPPED, kinds]
    if lowered_at is not None:
        recent.append((_A.state != State.READY) | _A.approval_id.is_not(None) | (_A.admitted_at > lowered_at))
    by_playbook = (
        select(d.c.playbook, func.count(func.distinct(_A.id)))
        .select_from(a.join(d, d.c.action_id == _A.id))
        .where(*recent)
        .group_by(d.c.playbook)
    )
    in_all = conn.execute(select(func.count()).select_from(a).where(*recent)).scalar_one()
    return dict(conn.execute(by_playbook).all()), in_all


def in_room(
    conn: Connection,
    account_id: str,
    now: float,
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    ceilings: Ceilings,
) -> tuple[list[Mapping[str, Any]], Mapping[str, int]]:
    """Those of the ready actions of one kind that may go out now; the others wait until the caps have room again.

    The second is how many wait, by the cap that is full.

    What a person approved is exempt. What the caps have counted already has its place, unless the operator has lowered
    them since: then it needs one beside what was sent, and what was let through under the lower ones.
    """
    lowered_at = flags.get(conn, account_id, flags.CAPS_LOWERED)
    over = [row for row in rows if _was_let_through(row, lowered_at)]
    known = {row["id"] for row in over}
    late = [row for row in rows if row["id"] not in known and _waited(row, now) >= HOUR + SLACK]
    if not late and not over:
        return list(rows), {}
    votes = _votes(conn, account_id, [row["id"] for row in (*over, *late)])
    daily = ceilings.per_day is not None or any(vote.per_day for cast in votes.values() for vote in cast)
    used = used_up(conn, account_id, now, daily=daily, apart=kind in APART, lowered_at=lowered_at)
    room = Room(used, ceilings)
    put_off: dict[str, dict[str, Any]] = {}
    waiting: Counter[str] = Counter()
    # In the order of their age, which is that of their ids.
    for row in (*sorted(over, key=_by_id), *sorted(late, key=_by_id)):
        today = row["id"] not in known and _waited(row, now) < DAY + SLACK
        if full := room.take(votes[row["id"]], today=today):
            why = f"waits for the cap of {full}"
            put_off[row["id"]] = {"one": row["id"], "at": now + WAIT_SECONDS, "why": why, "now": now}
            waiting[full] += 1
    _PUT_OFF.many(conn, put_off.values())
    return [row for row in rows if row["id"] not in put_off], waiting


def count_anew(conn: Connection, account_id: str, now: float, rows: Sequence[Mapping[str, Any]]) -> None:
    """What is sent long after it was let through, or under lower caps, counts from now; for most this costs nothing."""
    lowered_at = flags.get(conn, account_id, flags.CAPS_LOWERED)
    late = [row["id"] for row in rows if _waited(row, now) >= LATE or _was_let_through(row, lowered_at)]
    _COUNT.among(conn, late, at=now)


def _waited(row: Mapping[str, Any], now: float) -> float:
    """For how long an action has been counted; nothing where a person let it go, which no cap bounds."""
    if row["approval_id"] is not None:
        return 0.0
    return math.inf if row["admitted_at"] is None else now - row["admitted_at"]


def _by_id(row: Mapping[str, Any]) -> str:
    return str(row["id"])


def _was_let_through(row: Mapping[str, Any], lowered_at: float | None) -> bool:
    """Whether it had its place under higher caps than those in force; an approval is none of theirs."""
    if lowered_at is None or row["approval_id"] is not None or row["admitted_at"] is None:
        return False
    return bool(row["admitted_at"] <= lowered_at)


def _votes(conn: Connection, account_id: str, ids: Sequence[str]) -> Mapping[str, list[Vote]]:
    """Who wants each of the actions, how far they may go now, and the caps under which they wanted it."""
    d, levels = schema.decisions.c, recorded(conn, account_id)
    columns = (d.playbook, d.playbook_version, d.mode, d.per_poll, d.per_hour, d.per_day, d.share)
    found: dict[str, list[Vote]] = defaultdict(list)
    for part in chunks(ids):
        cast = conn.execute(select(d.action_id, *columns).where(d.action_id.in_(part)))
        for action_id, playbook, version, mode, *allowed in cast:
            found[action_id].append(Vote(playbook, version, lowered(playbook, Mode(mode), levels), *allowed))
    return found
