"""What can be done to messages, by the API or by a person: move, release, reclassify.

Where the vendor's documents are silent the simulator decides, on the harsh side: nothing is idempotent, so a
repeated release delivers again and a repeated reclassify submits again, and `Tenant.effects` shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from .generate import submission
from .rows import (
    ActionEntry,
    ActionProperties,
    Actor,
    Destination,
    Disposition,
    Effect,
    MoveRow,
    ReleaseRow,
    Submission,
    to_rfc3339,
)
from .tenant import Message, Tenant

_REQUESTED_BY: dict[Actor, str] = {"api": "api-token@corp.example", "analyst": "analyst@corp.example"}
_OK = "OK"
_FAILED = "FAILED"


class Cause(NamedTuple):
    """Who acts: the API with the number of its request, or a person."""

    actor: Actor
    request: int | None = None


ANALYST = Cause("analyst")


def move(
    tenant: Tenant,
    message: Message,
    destination: Destination,
    cause: Cause,
    failing: frozenset[str] = frozenset(),
) -> list[MoveRow]:
    """Moves a message for each recipient but the failing ones; one row per recipient."""
    row = message.row
    moved = [recipient for recipient in row.client_recipients if recipient not in failing]
    gone = {"moved", "move_failed"} if failing else {"moved", "move_failed", "delivered"}
    kept = [status for status in row.delivery_status or () if status not in gone]
    row.delivery_status = kept + ["moved"] * bool(moved) + ["move_failed"] * bool(failing)
    properties = ActionProperties(folder=destination, requested_by=_REQUESTED_BY[cause.actor])
    _log(tenant, message, "MOVE", properties, success=bool(moved))
    if moved:
        _affect(tenant, message, "move", recipients=moved, target=destination, cause=cause)
    completed_at = to_rfc3339(tenant.now_ms)
    return [
        MoveRow(
            success=recipient not in failing,
            message_id=row.message_id,
            recipient=recipient,
            operation="MOVE",
            destination=destination,
            status=_FAILED if recipient in failing else _OK,
            completed_at=completed_at,
        )
        for recipient in row.client_recipients
    ]


def release(
    tenant: Tenant, message: Message, cause: Cause, failing: frozenset[str] = frozenset()
) -> ReleaseRow:
    """Releases a message from quarantine to each recipient but the failing ones.

    A message that never was in quarantine stays undelivered; one that was released before is delivered again.
    """
    row = message.row
    if not row.is_quarantined and "QUARANTINE_RELEASE" not in (row.post_delivery_operations or ()):
        return ReleaseRow(id=row.id, delivered=[], undelivered=row.client_recipients, failed=[])
    delivered = [recipient for recipient in row.client_recipients if recipient not in failing]
    if delivered:
        row.is_quarantined = False
        row.delivery_status = [
            status for status in row.delivery_status or () if status not in ("quarantined", "delivered")
        ]
        row.delivery_status.append("delivered")
        _affect(tenant, message, "release", recipients=delivered, target="", cause=cause)
    properties = ActionProperties(requested_by=_REQUESTED_BY[cause.actor])
    _log(tenant, message, "QUARANTINE_RELEASE", properties, success=bool(delivered))
    return ReleaseRow(id=row.id, delivered=delivered, undelivered=[], failed=sorted(failing))


def reclassify(
    tenant: Tenant, message: Message, disposition: Disposition, cause: Cause, *, escalates: str | None = None
) -> Submission:
    """Submits a message to the vendor's analysts with the verdict it should have.

    `escalates` is the id of a user's submission; `SimulatorConfig.verdict_delay` says if the verdict changes.
    """
    row = message.row
    requested_by = _REQUESTED_BY[cause.actor]
    entry = submission(
        tenant.given.uuid(), row, disposition, tenant.now_ms, requested_by=requested_by, team=True
    )
    entry.escalated_submission_id = escalates
    if escalates is not None:
        _escalate(tenant, escalates, entry)
    tenant.add_submission(message, entry, tenant.now + tenant.config.submission_lag)
    properties = ActionProperties(
        requested_by=requested_by,
        requested_disposition=disposition,
        submission_id=entry.submission_id,
        submission_type=entry.type,
    )
    _log(tenant, message, "SUBMISSION", properties, success=True)
    _affect(tenant, message, "reclassify", recipients=row.client_recipients, target=disposition, cause=cause)
    return entry


def preview(tenant: Tenant, message: Message, cause: Cause) -> None:
    """Somebody looks at a message: it changes nothing, but the log tells of it."""
    _log(tenant, message, "PREVIEW", ActionProperties(requested_by=_REQUESTED_BY[cause.actor]), success=True)


def _log(
    tenant: Tenant,
    message: Message,
    operation: Literal["MOVE", "QUARANTINE_RELEASE", "SUBMISSION", "PREVIEW"],
    properties: ActionProperties,
    *,
    success: bool,
) -> None:
    row = message.row
    at = to_rfc3339(tenant.now_ms)
    entry = ActionEntry(
        operation=operation,
        started_at=at,
        completed_at=at,
        status=_OK if success else _FAILED,
        success=success,
        properties=properties,
    )
    message.log.append((tenant.now + tenant.config.action_log_lag, entry))
    if success:
        row.post_delivery_operations = [*dict.fromkeys((*(row.post_delivery_operations or ()), operation))]
    message.encoded = None


def _affect(
    tenant: Tenant,
    message: Message,
    kind: Literal["move", "release", "reclassify"],
    *,
    recipients: Sequence[str],
    target: str,
    cause: Cause,
) -> None:
    tenant.effects.append(
        Effect(
            kind=kind,
            id=message.row.id,
            recipients=tuple(recipients),
            target=target,
            actor=cause.actor,
            at=tenant.now,
            request=cause.request,
        )
    )


def _escalate(tenant: Tenant, submission_id: str, entry: Submission) -> None:
    """A user's submission shows that the team has asked for the same message."""
    for _, other in tenant.submissions:
        if other.submission_id == submission_id:
            other.customer_status = "escalated"
            other.escalated_as = entry.requested_disposition
            other.escalated_at = entry.requested_at
            other.escalated_by = entry.requested_by
