"""A plan closes: caps, contradictions and states, and only then the watermark moves, in one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, delete, func, insert, select, update

from worker.model.actions import LIVE, Mode, Release, State
from worker.model.admission import WAITS, Candidate, Existing, Ruling, Rulings, rule
from worker.model.kinds import APART
from worker.model.ledger import Closed, Cursor
from worker.model.levels import Levels, lowered
from worker.model.plans import REDECIDE, REFRESH, SWEEP, Ceilings, ClosedPlan, Poll, Vote
from worker.model.sweeps import UNDETECTED
from worker.store import schema
from worker.store.calls.followup import partly_released
from worker.store.people.levels import recorded
from worker.store.plans import subjects
from worker.store.plans.caps import used_up
from worker.store.plans.joining import hold, join
from worker.store.prepared import put
from worker.store.sweeps import members
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append


def begin(conn: Connection, account_id: str, source: str, first: Cursor) -> Cursor:
    """The source's cursor; where there is none yet, it is `first` from now on."""
    known = cursor(conn, account_id, source)
    if known is None:
        put(conn, schema.cursors, [{"account_id": account_id, "source": source, **first._asdict()}])
    return known or first


def cursor(conn: Connection, account_id: str, source: str) -> Cursor | None:
    """The source's cursor, or None before anybody tried to read it."""
    table = schema.cursors
    row = conn.execute(
        select(table.c.watermark, table.c.floor, table.c.swept_at).where(
            table.c.account_id == account_id, table.c.source == source
        )
    ).first()
    return Cursor(*row) if row else None


def open_polls(conn: Connection, account_id: str, source: str) -> list[Poll]:
    """Polls that a crash or a failure left open, oldest first; they go on under the same id."""
    table = schema.polls
    query = select(table).where(
        table.c.account_id == account_id, table.c.source == source, table.c.closed_at.is_(None)
    )
    return [
        Poll(row.id, row.source, row.kind, row.window_start, row.window_end)
        for row in conn.execute(query.order_by(table.c.opened_at, table.c.id))
    ]


def close(
    conn: Connection, account_id: str, poll: Poll, now: float, ceilings: Ceilings, advance: Cursor | None
) -> Closed:
    """Closes the poll's plans and, where `advance` is given, moves the source's cursor."""
    siblings = members.of_poll(conn, poll.id)
    candidates = _candidates(conn, poll, recorded(conn, account_id), siblings.asks)
    polls = schema.polls
    counts = conn.execute(select(polls.c.rows, polls.c.new_events).where(polls.c.id == poll.id)).first()
    # A campaign's list is no part of what was polled; an hourly sweep, which has that kind too, is.
    apart = poll.source == SWEEP or poll.kind in (REDECIDE, REFRESH)
    polled = None if counts is None or apart else counts.new_events
    rulings = _rule(conn, account_id, now, ceilings, candidates, polled, siblings.called_off)
    set_aside = _apply(conn, account_id, poll, now, ceilings, rulings)
    votes = {one.action_id: one.votes for one in candidates}
    plans = _write_plans(conn, account_id, poll, now, ceilings, votes, rulings)
    conn.execute(update(polls).where(polls.c.id == poll.id).values(closed_at=now))
    if advance is not None:
        put(conn, schema.cursors, [{"account_id": account_id, "source": poll.source, **advance._asdict()}])
    return Closed(plans, tuple(set_aside), *(counts or (0, 0)))


def _candidates(conn: Connection, poll: Poll, levels: Levels, asking: Mapping[str, str]) -> list[Candidate]:
    """The poll's open actions with their votes; equal votes are one object, since a backlog has many thousands.

    Whoever was demoted since has a lower vote. `asking`: which of them a person has to approve, and why.
    """
    a, d = schema.actions, schema.decisions
    caps = (d.c.per_poll, d.c.per_hour, d.c.per_day, d.c.share)
    cast = (
        select(d.c.action_id, d.c.playbook, d.c.playbook_version, d.c.mode, *caps)
        .where(d.c.poll_id == poll.id)
        .order_by(d.c.playbook)
    )
    known: dict[tuple[Any, ...], Vote] = {}
    votes: dict[str, tuple[Vote, ...]] = {}
    for action_id, *told in conn.execute(cast):
        key = tuple(told)
        if key not in known:
            playbook, version, mode, *allowed = told
            known[key] = Vote(playbook, version, lowered(playbook, Mode(mode), levels), *allowed)
        votes[action_id] = (*votes.get(action_id, ()), known[key])
    query = (
        select(a.c.id, func.coalesce(a.c.subject, a.c.message_id), a.c.kind, a.c.target, a.c.cause)
        .where(a.c.poll_id == poll.id, a.c.state == State.OPEN)
        .order_by(a.c.id)
    )
    candidates = [
        Candidate(action_id, about, intern(kind), intern(target), votes.get(action_id, ()), cause)
        for action_id, about, kind, target, cause in conn.execute(query)
    ]
    if not asking:
        return candidates
    told = [replace(one, asks=asking.get(one.action_id, "")) for one in candidates]
    # Behind what nobody has to approve: of two that want the same, that one acts.
    return sorted(told, key=lambda one: bool(one.asks))


def _details(conn: Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    a = schema.actions.c
    columns = (
        a.id, a.message_id, a.kind, a.target, a.plan_id, a.playbook, a.playbook_version, a.reason, a.source,
        a.event_key, a.event_revision, a.verdict,
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for part in chunks(ids):
        rows = conn.execute(select(*columns).where(a.id.in_(part))).mappings()
        found.update((row["id"], dict(row)) for row in rows)
    return found


def _rule(
    conn: Connection,
    account_id: str,
    now: float,
    ceilings: Ceilings,
    candidates: Sequence[Candidate],
    polled: int | None,
    called_off: Mapping[str, str],
) -> Rulings:
    if not candidates:
        return Rulings((), {}, {})
    special = subjects.with_subject(candidates)
    if special:
        subjects.free_reversed(conn, account_id, {one.about for one in special})
    live = standing(conn, account_id, candidates, special)
    daily = ceilings.per_day is not None or any(vote.per_day for one in candidates for vote in one.votes)
    used = used_up(conn, account_id, now, daily=daily)
    if any(one.kind in APART for one in candidates):
        used = used._replace(apart=used_up(conn, account_id, now, daily=daily, apart=True))
    refused = {**called_off, **subjects.refused(conn, special)}
    wanted = [one for one in candidates if one.action_id not in refused] if refused else candidates
    rulings = rule(wanted, live, used, ceilings, polled)
    if not refused:
        return rulings
    skipped = [
        Ruling(one.action_id, State.SKIPPED, one.mode(ceilings.mode), refused[one.action_id])
        for one in candidates
        if one.action_id in refused
    ]
    return replace(rulings, rulings=(*rulings.rulings, *skipped))


def standing(
    conn: Connection, account_id: str, candidates: Sequence[Candidate], special: Sequence[Candidate]
) -> list[Existing]:
    """The live actions on what these candidates are about; `special` are those with a subject.

    With them the releases that reached some recipients: another one joins what a person has to finish.
    """
    a = schema.actions.c
    named = {one.about for one in special}
    messages = {one.about for one in candidates} - named
    found: list[Existing] = []
    for column, these, also in (
        (a.message_id, messages, a.subject.is_(None) & a.state.in_(LIVE)),
        (a.subject, named, (a.subject != "") & a.state.in_(LIVE)),
        (a.message_id, {one.about for one in candidates if one.kind == Release.kind}, partly_released()),
    ):
        for part in chunks(sorted(these)):
            query = select(a.id, column.label("about"), a.kind, a.target, a.state, a.cause, a.error).where(
                a.account_id == account_id, column.in_(part), also
            )
            found.extend(
                Existing(
                    row.id,
                    row.about,
                    row.kind,
                    row.target,
                    State(row.state),
                    row.cause,
                    waits=row.state == State.HELD and row.error in (WAITS, UNDETECTED),
                )
                for row in conn.execute(query)
            )
    return found


def _apply(
    conn: Connection,
    account_id: str,
    poll: Poll,
    now: float,
    ceilings: Ceilings,
    rulings: Rulings,
) -> list[dict[str, Any]]:
    """Writes the states; returns the actions that were set aside: shadowed or held, earlier ones too."""
    actions = _details(
        conn, [one.action_id for one in rulings.rulings if one.joins or one.state is not State.READY]
    )
    set_aside = hold(conn, account_id, now, ceilings.hold_seconds, rulings.also_hold)
    joining = [one for one in rulings.rulings if one.joins]
    if joining:
        members.joined(conn, poll.id, joining)
        join(conn, account_id, now, actions, joining)
    groups: dict[tuple[State, Mode, str], list[str]] = defaultdict(list)
    entries = []
    for one in rulings.rulings:
        if one.joins:
            continue
        groups[one.state, one.mode, one.why].append(one.action_id)
        if one.state is not State.READY:
            row = actions[one.action_id]
            row.update(state=one.state, mode=one.mode, why=one.why)
            set_aside.append(row)
            body = {"state": one.state, "why": one.why}
            entries.append(
                Entry(str(one.state), body, row["plan_id"], row["id"], message_id=row["message_id"])
            )
    _write_states(conn, poll, now, ceilings, groups)
    append(conn, account_id, now, entries)
    return set_aside


def _write_states(
    conn: Connection,
    poll: Poll,
    now: float,
    ceilings: Ceilings,
    groups: Mapping[tuple[State, Mode, str], Sequence[str]],
) -> None:
    """One statement a group; the largest group comes last and is simply all that is still open."""
    a = schema.actions
    ordered = sorted(groups.items(), key=lambda group: len(group[1]))
    for index, ((state, mode, why), ids) in enumerate(ordered):
        ready, held = state is State.READY, state is State.HELD
        statement = (
            update(a)
            .where(a.c.poll_id == poll.id, a.c.state == State.OPEN)
            .values(
                state=state,
                mode=mode,
                error=why or None,
                due_at=now if ready else None,
                admitted_at=now if ready else None,
                held_until=now + ceilings.hold_seconds if held else None,
                updated_at=now,
            )
        )
        if index == len(ordered) - 1:
            conn.execute(statement)
        else:
            for part in chunks(ids):
                conn.execute(statement.where(a.c.id.in_(part)))


def _write_plans(
    conn: Connection,
    account_id: str,
    poll: Poll,
    now: float,
    ceilings: Ceilings,
    votes: Mapping[str, Sequence[Vote]],
    rulings: Rulings,
) -> tuple[ClosedPlan, ...]:
    states: dict[str, Counter[str]] = defaultdict(Counter)
    voters: dict[str, Vote] = {}
    for one in rulings.rulings:
        for vote in votes[one.action_id]:
            states[vote.playbook][str(one.state)] += 1
            voters[vote.playbook] = vote
    plans = tuple(
        ClosedPlan(f"{poll.id}.{playbook}", playbook, dict(counts), rulings.held_plans.get(playbook))
        for playbook, counts in sorted(states.items())
    )
    if not plans:
        return plans
    rows = [
        {
            "id": plan.plan_id,
            "account_id": account_id,
            "poll_id": poll.id,
            "playbook": plan.playbook,
            "playbook_version": voters[plan.playbook].version,
            "mode": voters[plan.playbook].mode,
            "actions": sum(plan.states.values()),
            "held_because": plan.held_because,
            "closed_at": now,
        }
        for plan in plans
    ]
    conn.execute(delete(schema.plans).where(schema.plans.c.poll_id == poll.id))
    conn.execute(insert(schema.plans), rows)
    append(
        conn,
        account_id,
        now,
        [
            Entry(
                "plan",
                {
                    "playbook": plan.playbook,
                    "version": voters[plan.playbook].version,
                    "ceiling": ceilings.mode,
                    "states": plan.states,
                    "held_because": plan.held_because,
                },
                plan_id=plan.plan_id,
            )
            for plan in plans
        ],
    )
    return plans
