"""Rows of a decision: the action, the votes for it, and what the audit log keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.clock import iso
from worker.ids import new_id
from worker.model.actions import Action, Mode, State
from worker.model.events import Detection
from worker.model.kinds import kind_of, lane_of
from worker.model.ledger import Loss
from worker.model.patterns import sender_of
from worker.model.plans import Decided, Poll, Sighting, Vote, Wish
from worker.store.tools import sender_id, to_json
from worker.store.trail.audit import Entry

DAY = 86400.0
SENT_SECONDS = DAY
NO_MESSAGE = Detection(id="")
"""Stands in the row of an action on an event whose message was not found."""


def plan_id(poll: Poll, playbook: str) -> str:
    """The plan of one playbook from one poll."""
    return f"{poll.id}.{playbook}"


def action_row(
    account_id: str,
    poll: Poll,
    now: float,
    sighting: Sighting,
    wish: Wish,
    batch: int,
    read_at: float | None,
    loss: Loss | None = None,
) -> dict[str, Any]:
    """The action as it enters the ledger, in an open plan. `read_at`: when the vendor showed the message.

    `loss`: what may have been done to it already, as far as a restored ledger knows.
    """
    action = wish.action
    message = action.message or NO_MESSAGE
    kind = kind_of(action.kind)
    owner = wish.owner
    params = action.params
    times = _times(message)
    doubtful = loss is not None and loss.covers(min(times, default=None))
    # What was read after now was read by a clock that has been set back: how old it is nobody can tell.
    doubtful = doubtful or (read_at is not None and read_at > now)
    row = {
        "id": new_id(),
        "account_id": account_id,
        "plan_id": plan_id(poll, owner.playbook),
        "poll_id": poll.id,
        "source": sighting.source,
        "event_key": sighting.key,
        "event_revision": sighting.revision,
        "message_id": message.id,
        "rfc_message_id": message.message_id,
        "postfix_id": message.postfix_id,
        "sender": _sender(account_id, message, owner),
        "recipients": to_json(message.client_recipients),
        "verdict": message.final_disposition,
        "is_submission": message.is_phish_submission,
        "message_from": min(times, default=None),
        "message_until": max(times, default=None),
        "playbook": owner.playbook,
        "playbook_version": owner.version,
        "kind": action.kind,
        "target": action.target,
        "params": to_json(params),
        "cause": "",
        "mode": owner.mode,
        "state": State.OPEN,
        "reason": action.reason,
        "lane": lane_of(action.kind, action.target, kind.route(params)),
        "attempts": 0,
        "refusals": 0,
        "read_backs": 0,
        "batch": batch,
        "verified_at": None if doubtful or not kind.seen_enough(message) else read_at,
        "created_at": now,
        "updated_at": now,
    }
    if kind.has_subject:
        row |= {
            "subject": action.subject,
            "params": to_json(_dated(action, params, now)),
            "error": wish.refused or None,
        }
    return row


def _sender(account_id: str, message: Detection, owner: Vote) -> bytes | None:
    """Whose mail it is about, where it may become part of his history."""
    if owner.mode is Mode.SHADOW or not (address := sender_of(message)):
        return None
    return sender_id(account_id, address)


def _dated(action: Action, params: dict[str, Any], now: float) -> dict[str, Any]:
    """The parameters with the date at which it ends: who approves it sees that."""
    if action.lasts is None:
        return params
    return {**params, "expires_at": iso(now + action.lasts * DAY)}


def _times(message: Detection) -> list[float]:
    """Which of its times the vendor's window filters is not documented; the sender's word counts for a day only."""
    scanned, sent = message.scanned_at, message.sent_at
    times = [moment.timestamp() for moment in (scanned, sent) if moment]
    if len(times) > 1 and abs(times[1] - times[0]) > SENT_SECONDS:
        return times[:1]
    return times


def vote_rows(row: dict[str, Any], poll: Poll, now: float, wish: Wish) -> list[dict[str, Any]]:
    """One row for each playbook that wants the action."""
    return [
        {
            "account_id": row["account_id"],
            "poll_id": poll.id,
            "plan_id": plan_id(poll, vote.playbook),
            "action_id": row["id"],
            "playbook": vote.playbook,
            "playbook_version": vote.version,
            "mode": vote.mode,
            "per_poll": vote.per_poll,
            "per_hour": vote.per_hour,
            "per_day": vote.per_day,
            "share": vote.share,
            "decided_at": now,
        }
        for vote in wish.votes
    ]


def wanted(row: Mapping[str, Any], wish: Wish, evidence: str) -> dict[str, Any]:
    """What a record says of an action that is wanted: of which event, what, by whom, on which evidence."""
    return {
        "source": row["source"],
        "event": row["event_key"],
        "revision": row["event_revision"],
        "kind": row["kind"],
        "params": wish.action.params,
        "mode": row["mode"],
        "reason": row["reason"],
        "playbooks": [[vote.playbook, vote.version, vote.mode] for vote in wish.votes],
        "evidence_sha256": evidence,
    }


def decision_entry(row: dict[str, Any], wish: Wish, evidence: str, one: Decided) -> Entry:
    """The record of a decision: who wanted what, under which version, on which evidence, seen in which context."""
    body = wanted(row, wish, evidence)
    if one.context is not None:
        body["context"] = one.context
    if one.rested is not None:
        body["enrichment_sha256"] = one.rested.sha256
    if wish.refused:
        body["refused"] = wish.refused
    return Entry("decided", body, plan_id=row["plan_id"], action_id=row["id"], message_id=row["message_id"])


def failure_entries(one: Decided, evidence: str) -> list[Entry]:
    """The records of an event that playbooks could not decide."""
    message = one.sighting.message
    return [
        Entry(
            "parked",
            {
                "source": one.sighting.source,
                "event": one.sighting.key,
                "revision": one.sighting.revision,
                "playbook": failure.playbook,
                "version": failure.version,
                "error": failure.error,
                "evidence_sha256": evidence,
            },
            message_id=message.id if message else None,
        )
        for failure in one.failures
    ]
