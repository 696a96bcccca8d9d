"""Who let each playbook go how far. What a demoted playbook has not sent yet is taken from it in the same transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from worker.model.actions import UNSENT, Mode, State, highest_mode
from worker.model.kinds import FINDS
from worker.model.levels import Level, Levels, lowered
from worker.model.undoing import EXPIRY, UNDO
from worker.store import schema
from worker.store.people import approvals
from worker.store.prepared import Prepared, put
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

PSEUDO = {UNDO, EXPIRY}
"""Whose plans are no playbook's."""
_NAMES = Level.__struct_fields__
_RECORDED = Prepared(
    select(*(schema.levels.c[name] for name in _NAMES)).where(
        schema.levels.c.account_id == bindparam("account")
    )
)


def recorded(conn: Connection, account_id: str) -> dict[str, Level]:
    """What is recorded, by playbook; cheap where that is nothing."""
    return {
        row.playbook: Level(row.playbook, Mode(row.level), row.version, row.by, row.reason, row.at)
        for row in _RECORDED(conn, account=account_id)
    }


def named(conn: Connection, account_id: str) -> set[str]:
    """Playbooks whose plans or levels are on record, loaded or not."""
    t = schema.plans.c
    planned = conn.scalars(select(t.playbook).where(t.account_id == account_id).distinct())
    return (set(planned) | recorded(conn, account_id).keys()) - PSEUDO


def promote(
    conn: Connection, account_id: str, level: Level, was: Mode, matches: int | None, *, forced: bool
) -> None:
    """Lets the playbook go further from the next poll on. `matches` is what its trial has shown so far."""
    body = _body(level, was) | {"matches": matches, "forced": forced}
    _keep(conn, account_id, level)
    append(conn, account_id, level.at, [Entry("promote", body)])


def demote(
    conn: Connection, account_id: str, level: Level, was: Mode | None, hold_seconds: float
) -> list[dict[str, Any]]:
    """Takes what it has not sent from the playbook, now; returns those actions with their `state` and `why`."""
    _keep(conn, account_id, level)
    append(conn, account_id, level.at, [Entry("demote", _body(level, was))])
    a, d = schema.actions.c, schema.decisions.c
    unsent = select(a.id).where(
        a.account_id == account_id,
        a.state.in_(UNSENT),
        a.cause == "",
        a.id.in_(select(d.action_id).where(d.playbook == level.playbook)),
    )
    ids = conn.scalars(unsent.order_by(a.id)).all()
    return reconsider(conn, account_id, level.at, ids, recorded(conn, account_id), hold_seconds)


def sift(
    conn: Connection, account_id: str, now: float, rows: list[Mapping[str, Any]], hold_seconds: float
) -> tuple[list[Mapping[str, Any]], list[dict[str, Any]]]:
    """Those of the rows that may go, and what was taken from playbooks that had been demoted while it was under way.

    Such came back after it had been claimed: the demotion itself took only what was unsent then.
    """
    levels = recorded(conn, account_id) if rows else {}
    if not levels:
        return rows, []
    doubtful = [row["id"] for row in rows if not _may_go(row, levels)]
    if not doubtful:
        return rows, []
    back = reconsider(conn, account_id, now, doubtful, levels, hold_seconds)
    # What another playbook takes over goes with the next claim, under its name.
    gone = set(doubtful)
    return [row for row in rows if row["id"] not in gone], back


def reconsider(
    conn: Connection,
    account_id: str,
    now: float,
    ids: Sequence[str],
    levels: Levels,
    hold_seconds: float,
) -> list[dict[str, Any]]:
    """Judges unsent actions by the levels of those who want them: shadowed, held, or left to whoever still may act."""
    groups: dict[tuple[State, str], list[str]] = defaultdict(list)
    owners: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    votes = _votes(conn, ids)
    for row in _rows(conn, ids):
        cast = [
            (lowered(vote["playbook"], Mode(vote["mode"]), levels), vote) for vote in votes.get(row["id"], ())
        ]
        if not cast:
            continue
        highest = highest_mode(mode for mode, _ in cast)
        acting = {vote["playbook"]: vote for mode, vote in cast if mode is highest}
        if highest is Mode.SHADOW:
            groups[State.SHADOWED, _why(row, cast, levels)].append(row["id"])
        elif (
            row["state"] == State.READY
            and highest is Mode.APPROVE
            and row["approval_id"] is None
            and row["kind"] not in FINDS
        ):
            groups[State.HELD, _why(row, cast, levels)].append(row["id"])
        elif row["playbook"] not in acting:
            vote = next(iter(acting.values()))
            owners[vote["playbook"], vote["playbook_version"], vote["plan_id"]].append(row["id"])
    _hand_over(conn, account_id, now, owners)
    back: list[dict[str, Any]] = []
    a = schema.actions.c
    for (state, why), mine in groups.items():
        until = now + hold_seconds if state is State.HELD else None
        for part in chunks(mine):
            back += approvals.set_aside(conn, account_id, now, a.id.in_(part), state, why, until)
    _note_modes(conn, groups)
    return back


def _may_go(row: Mapping[str, Any], levels: Levels) -> bool:
    """Whether the level of the playbook that owns a ready action lets it go; a person's approval lifts it to approve."""
    record = levels.get(row["playbook"])
    if record is None or row["cause"] or record.level is Mode.ENFORCE:
        return True
    return record.level is Mode.APPROVE and row["approval_id"] is not None


def _rows(conn: Connection, ids: Sequence[str]) -> Iterable[RowMapping]:
    a = schema.actions.c
    for part in chunks(ids):
        query = select(a.id, a.state, a.kind, a.playbook, a.approval_id).where(
            a.id.in_(part), a.state.in_(UNSENT)
        )
        yield from conn.execute(query).mappings().all()


def _votes(conn: Connection, ids: Sequence[str]) -> Mapping[str, list[RowMapping]]:
    """Who wants each of the actions, by the playbook's name."""
    d = schema.decisions.c
    found: dict[str, list[RowMapping]] = defaultdict(list)
    for part in chunks(ids):
        query = select(d.action_id, d.playbook, d.playbook_version, d.plan_id, d.mode)
        cast = conn.execute(query.where(d.action_id.in_(part)).order_by(d.playbook, d.id))
        for vote in cast.mappings():
            found[vote["action_id"]].append(vote)
    return found


def _hand_over(
    conn: Connection, account_id: str, now: float, owners: Mapping[tuple[str, str, str], Sequence[str]]
) -> None:
    """Others who want the same, and may, act in the place of the one that was demoted."""
    a = schema.actions
    entries = []
    for (playbook, version, plan), ids in owners.items():
        owner = {"playbook": playbook, "playbook_version": version, "plan_id": plan}
        for part in chunks(ids):
            conn.execute(update(a).where(a.c.id.in_(part)).values(**owner, updated_at=now))
        entries += [Entry("handed_over", {"to": playbook, "version": version}, plan, one) for one in ids]
    append(conn, account_id, now, entries)


def _note_modes(conn: Connection, groups: Mapping[tuple[State, str], Sequence[str]]) -> None:
    a = schema.actions
    for (state, _), ids in groups.items():
        mode = Mode.SHADOW if state is State.SHADOWED else Mode.APPROVE
        for part in chunks(ids):
            conn.execute(update(a).where(a.c.id.in_(part)).values(mode=mode))


def _keep(conn: Connection, account_id: str, level: Level) -> None:
    row = {"account_id": account_id, **{name: getattr(level, name) for name in _NAMES}}
    put(conn, schema.levels, [row | {"level": str(level.level)}])


def _body(level: Level, was: Mode | None) -> dict[str, Any]:
    told = ("playbook", "level", "version", "by", "reason")
    return {name: getattr(level, name) for name in told} | {"was": was}


def _why(row: RowMapping, cast: Sequence[tuple[Mode, RowMapping]], levels: Levels) -> str:
    """Whose demotion it is; the owner's, where the owner was demoted."""
    names = [row["playbook"], *(vote["playbook"] for _, vote in cast)]
    record = next(levels[name] for name in names if name in levels)
    return f"{record.playbook} was demoted to {record.level} by {record.by}: {record.reason}"
