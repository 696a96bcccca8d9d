"""Campaigns: a sweep that may act begins one, its list is frozen in one transaction, late siblings join it in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, delete, exists, func, insert, select, update

from worker.model.actions import State
from worker.model.ledger import CampaignEnd, Campaigns, Closed, Found
from worker.model.plans import DETECTIONS, SWEEP, Ceilings, Decided, Poll
from worker.model.sweeps import DETECTED, SUBJECT, Campaign, Sweep, window_seconds
from worker.store import schema
from worker.store.people import approvals
from worker.store.plans import intake
from worker.store.plans.closing import close
from worker.store.plans.subjects import free
from worker.store.plans.superseding import see_anew
from worker.store.plans.wishes import plan_id
from worker.store.sweeps import jobs
from worker.store.tools import chunks, event_id, from_json
from worker.store.trail.audit import Entry, append

_A, _C, _M = schema.actions.c, schema.campaigns.c, schema.members.c
WANTED = (State.READY, State.SHADOWED)
"""A sweep whose siblings are to be looked for."""


def current(conn: Connection, account_id: str, now: float, hold_seconds: float) -> Campaigns:
    """Begins campaigns for sweeps that have none, ends those that are over, and returns what is open."""
    for row in _new(conn, account_id, now, hold_seconds):
        _begin(conn, account_id, now, row)
    ended = _end_due(conn, account_id, now)
    rows = conn.execute(_open(account_id).order_by(_C.began_at, _C.action_id)).mappings().all()
    return Campaigns(tuple(_campaign(conn, row) for row in rows), tuple(ended))


def freeze(
    conn: Connection,
    account_id: str,
    now: float,
    campaign: Campaign,
    found: Found,
    decided: Sequence[Decided],
    ceilings: Ceilings,
    batch: int,
    job_over: int | None = None,
) -> Closed | None:
    """Freezes the list: its moves are one plan, judged as a whole. None where the campaign is searched for no more."""
    row = (
        conn.execute(_open(account_id).where(_C.action_id == campaign.id, _C.frozen_at.is_(None)))
        .mappings()
        .first()
    )
    if row is None or row["state"] not in WANTED:
        return None
    poll = Poll(found.poll_id, SWEEP, SWEEP, row["since"], now)
    intake.record(
        conn, account_id, poll, now, (), decided, rows=found.searched, read_at=found.read_at, batch=batch
    )
    closed = close(conn, account_id, poll, now, ceilings, None)
    plan = plan_id(poll, row["playbook"]) if decided else None
    told = {
        "found": len(found.messages),
        "out_of_reach": found.out_of_reach,
        "benign": found.benign,
        "searched": found.searched,
        "read_at": found.read_at,
        "digest": _digest(found.messages),
        "plan_id": plan,
    }
    # Whoever was demoted while it was searched for has a list that only watches.
    trial = row["state"] == State.SHADOWED
    values = {**told, "frozen_at": now, "trial": trial}
    conn.execute(update(schema.campaigns).where(_C.action_id == campaign.id).values(**values))
    if row["state"] == State.READY:
        _settle(conn, campaign.id, now, State.SUCCEEDED, None)
    if job_over is not None and found.fits_job and len(decided) > job_over:
        jobs.choose(conn, poll.id, len(decided))
    states = {plan.playbook: plan.states for plan in closed.plans}
    body = {"shared": dict(campaign.shared), **told, "messages": list(found.messages), "plans": states}
    append(
        conn,
        account_id,
        now,
        [Entry("campaign", body, plan, campaign.id, message_id=campaign.seed)],
    )
    return closed


def fail(conn: Connection, account_id: str, now: float, campaign_id: str, why: str) -> bool:
    """Gives up a search that cannot be carried out: nothing was frozen, nothing is done."""
    row = (
        conn.execute(_open(account_id).where(_C.action_id == campaign_id, _C.frozen_at.is_(None)))
        .mappings()
        .first()
    )
    if row is None:
        return False
    state = State.FAILED if row["state"] == State.READY else State(row["state"])
    _settle(conn, campaign_id, now, state, why)
    _end(conn, account_id, now, [campaign_id], why)
    return True


def behind(conn: Connection, account_id: str, ids: Sequence[str], plan: str) -> list[str]:
    """The campaigns that are meant where somebody names them, or the plan of their list."""
    query = select(_C.action_id).where(_C.account_id == account_id)
    found = {row for part in chunks(ids) for row in conn.scalars(query.where(_C.action_id.in_(part)))}
    if plan:
        found.update(conn.scalars(query.where(_C.plan_id == plan)))
    return sorted(found)


def stop(conn: Connection, account_id: str, campaign_ids: Sequence[str], why: str, now: float) -> list[str]:
    """Ends campaigns before their time; returns those that were open. What was planned of them stays as it is."""
    opened = conn.execute(_open(account_id)).mappings().all()
    mine = [row for row in opened if row["action_id"] in campaign_ids]
    for row in mine:
        if row["frozen_at"] is None and row["state"] == State.READY:
            _settle(conn, row["action_id"], now, State.SKIPPED, why)
    ids = [row["action_id"] for row in mine]
    _end(conn, account_id, now, ids, why)
    return ids


def _open(account_id: str) -> Any:
    columns = (
        _A.state, _A.message_id, _A.params, _A.reason, _A.playbook, _A.source, _A.event_key, _A.event_revision,
        _A.verdict,
    )  # fmt: skip
    joined = schema.campaigns.join(schema.actions, _A.id == _C.action_id)
    return (
        select(schema.campaigns, *columns)
        .select_from(joined)
        .where(_C.account_id == account_id, _C.ended_at.is_(None))
    )


def _campaign(conn: Connection, row: RowMapping) -> Campaign:
    d = schema.decisions.c
    voted = select(d.playbook).where(d.action_id == row["action_id"]).distinct().order_by(d.playbook)
    return Campaign(
        id=row["action_id"],
        seed=row["message_id"],
        verdict=row["verdict"],
        shared=from_json(row["params"])["by"],
        to=row["target"],
        reason=row["reason"],
        playbooks=tuple(conn.scalars(voted)),
        since=row["since"],
        until=row["until"],
        searching=row["frozen_at"] is None,
        trial=bool(row["trial"]),
    )


def _new(conn: Connection, account_id: str, now: float, hold_seconds: float) -> list[Mapping[str, Any]]:
    """Sweeps without a campaign that may have one; what was approved is compared with its approval here."""
    known = exists().where(_C.action_id == _A.id)
    query = select(schema.actions).where(
        _A.account_id == account_id,
        _A.subject.is_not(None),
        _A.subject >= SUBJECT,
        _A.subject < SUBJECT + "g",  # a hexadecimal digest follows
        _A.kind == Sweep.kind,
        _A.state.in_(WANTED),
        ~known,
    )
    rows = [dict(row) for row in conn.execute(query.order_by(_A.id)).mappings()]
    if not any(row["approval_id"] for row in rows):
        return [*rows]
    going: list[Mapping[str, Any]] = []
    for target in {row["target"] for row in rows}:
        alike = [row for row in rows if row["target"] == target]
        going += approvals.sift(conn, account_id, now, Sweep.kind, target, alike, hold_seconds)[0]
    return going


def _begin(conn: Connection, account_id: str, now: float, row: Mapping[str, Any]) -> None:
    """Begins a campaign, unless the same is open: a trial gives way to one that acts, and not the other way round."""
    trial = row["state"] == State.SHADOWED
    same = _open(account_id).where(_C.subject == row["subject"], _C.target == row["target"])
    for other in conn.execute(same).mappings().all():
        if trial or not other["trial"]:
            why = f"campaign {other['action_id']} is open for the same siblings"
            _settle(conn, row["id"], now, State.SKIPPED, why)
            entry = Entry("skipped", {"state": State.SKIPPED, "why": why}, row["plan_id"], row["id"])
            append(conn, account_id, now, [entry])
            return
        _end(conn, account_id, now, [other["action_id"]], f"{row['id']} acts on the same siblings now")
    window = window_seconds(from_json(row["params"])["window"])
    seen = min(now, row["message_from"] or now)
    conn.execute(
        insert(schema.campaigns).values(
            action_id=row["id"],
            account_id=account_id,
            subject=row["subject"],
            target=row["target"],
            trial=trial,
            began_at=now,
            since=seen - window,
            until=now + window,
        )
    )


def _end_due(conn: Connection, account_id: str, now: float) -> list[CampaignEnd]:
    over: dict[str, str] = {}
    for row in conn.execute(_open(account_id)).mappings().all():
        if row["frozen_at"] is None and row["state"] not in WANTED:
            # It waits for a person now, or was dropped: if it is let go again, it begins anew.
            conn.execute(delete(schema.campaigns).where(_C.action_id == row["action_id"]))
        elif row["state"] not in (*WANTED, State.SUCCEEDED):
            over[row["action_id"]] = f"its sweep is {row['state']}"
        elif row["frozen_at"] is not None and row["until"] <= now:
            over[row["action_id"]] = "its window is over"
        elif why := _no_longer_confirmed(conn, account_id, row):
            over[row["action_id"]] = why
            if row["frozen_at"] is None:
                # What was to be searched for is not any more; a sweep that has its list has done its part.
                _settle(conn, row["action_id"], now, State.SKIPPED, why)
            # Other messages may confirm the same: they are decided again, and may begin a campaign of their own.
            see_anew(conn, account_id, (row["source"], row["event_key"]), [row["action_id"]])
    for why in set(over.values()):
        _end(conn, account_id, now, [one for one, because in over.items() if because == why], why)
    return [CampaignEnd(one, *_sizes(conn, one), why) for one, why in over.items()]


def _no_longer_confirmed(conn: Connection, account_id: str, row: RowMapping) -> str:
    """The filter has taken its verdict back: what it has nothing against any more speaks for nothing else."""
    if row["source"] != DETECTIONS:
        return ""
    events = schema.events.c
    key = event_id(account_id, row["source"], row["event_key"])
    verdict = conn.execute(select(events.revision).where(events.id == key)).scalar_one_or_none()
    if verdict in (None, row["event_revision"], *DETECTED):
        return ""
    return f"the verdict on the confirmed message changed to {verdict or 'none'}"


def _end(conn: Connection, account_id: str, now: float, ids: Sequence[str], why: str) -> None:
    """No late sibling is caught any more, and the same may be wanted anew."""
    for part in chunks(ids):
        conn.execute(
            update(schema.campaigns).where(_C.action_id.in_(part)).values(ended_at=now, ended_because=why)
        )
    free(conn, ids)
    append(conn, account_id, now, [Entry("campaign_ended", {"why": why}, action_id=one) for one in ids])


def _settle(conn: Connection, action_id: str, now: float, state: State, why: str | None) -> None:
    conn.execute(
        update(schema.actions)
        .where(and_(_A.id == action_id, _A.state.in_(WANTED)))
        .values(state=state, error=why, due_at=None, updated_at=now)
    )


def _sizes(conn: Connection, campaign_id: str) -> tuple[int, int]:
    query = select(func.count(), func.count().filter(_M.late)).where(_M.campaign_id == campaign_id)
    siblings, late = conn.execute(query).one()
    return siblings, late


def _digest(messages: Sequence[str]) -> str:
    return sha256("\n".join(sorted(messages)).encode()).hexdigest()
