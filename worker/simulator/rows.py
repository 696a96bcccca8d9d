"""The vendor's JSON objects as the simulator holds and sends them, and the time formats in them.

Shapes follow the OpenAPI description of the Email Security API (schemas InvestigateListResponse,
ActionEntry, SubmissionListResponse, ReportListResponse, MoveBulkResponse, ReleaseBulkResponse). Times on the
wire are RFC 3339 in UTC, inside the simulator milliseconds since 1970. The deprecated fields `ts` and
`action_log` are not held: they are added while encoding (see `tenant.Tenant.wire`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

Destination = Literal[
    "Inbox", "JunkEmail", "DeletedItems", "RecoverableItemsDeletions", "RecoverableItemsPurges"
]
Verdict = Literal[
    "MALICIOUS",
    "MALICIOUS-BEC",
    "SUSPICIOUS",
    "SPOOF",
    "SPAM",
    "BULK",
    "ENCRYPTED",
    "EXTERNAL",
    "UNKNOWN",
    "NONE",
]
"""All that the vendor may think of a message."""
Disposition = Literal["MALICIOUS", "SUSPICIOUS", "SPOOF", "SPAM", "BULK", "NONE"]
"""The verdicts that can be asked for."""
DeliveryStatus = Literal[
    "delivered", "moved", "quarantined", "rejected", "deferred", "bounced", "queued", "move_failed"
]
Actor = Literal["api", "analyst"]

DETECTIONS = frozenset({"MALICIOUS", "MALICIOUS-BEC", "SUSPICIOUS", "SPOOF", "SPAM", "BULK"})
"""Verdicts that `detections_only` lets through."""


class Properties(msgspec.Struct, kw_only=True):
    """Processing properties of a message."""

    allowlisted_pattern: str | None = None
    allowlisted_pattern_type: str | None = None
    blocklisted_message: bool | None = None
    blocklisted_pattern: str | None = None


class Validation(msgspec.Struct, kw_only=True):
    """Results of sender authentication: pass, neutral, fail, error or none."""

    comment: str | None = None
    dkim: str | None = None
    dmarc: str | None = None
    spf: str | None = None


class Row(msgspec.Struct, kw_only=True, rename={"sender": "from"}, forbid_unknown_fields=True):
    """One message as `GET investigate` lists it."""

    id: str
    postfix_id: str
    alert_id: str | None
    message_id: str | None
    scanned_at: str
    sent_at: str | None
    sender: str | None
    from_name: str | None
    replyto: str | None
    envelope_from: str | None
    envelope_to: list[str] | None
    to: list[str] | None
    to_name: list[str] | None
    client_recipients: list[str]
    subject: str | None
    final_disposition: str | None
    threat_categories: list[str] | None
    detection_reasons: list[str]
    delivery_mode: str | None
    delivery_status: list[str] | None
    is_quarantined: bool
    is_phish_submission: bool
    post_delivery_operations: list[str] | None
    edf_hash: str | None
    htmltext_structure_hash: str | None
    smtp_helo_server_ip: str | None
    smtp_previous_hop_ip: str | None
    x_originating_ip: str | None
    postfix_id_outbound: str | None
    properties: Properties
    validation: Validation | None


class ActionProperties(msgspec.Struct, kw_only=True):
    """What an entry of the action log says about its action."""

    folder: str | None = None
    requested_by: str | None = None
    requested_disposition: str | None = None
    service: str | None = None
    submission_id: str | None = None
    submission_type: str | None = None


class ActionEntry(msgspec.Struct, kw_only=True):
    """One entry of `GET investigate/{id}/action_log`."""

    operation: Literal["PREVIEW", "QUARANTINE_RELEASE", "SUBMISSION", "MOVE"]
    started_at: str
    completed_at: str
    status: str
    success: bool
    properties: ActionProperties


class Submission(msgspec.Struct, kw_only=True):
    """One row of `GET submissions`."""

    submission_id: str
    type: Literal["Team", "User"]
    requested_at: str
    requested_by: str
    requested_disposition: str
    original_disposition: str | None
    original_edf_hash: str | None
    original_postfix_id: str
    subject: str | None
    status: str
    customer_status: Literal["escalated", "reviewed", "unreviewed"]
    outcome: str | None = None
    outcome_disposition: str | None = None
    escalated_as: str | None = None
    escalated_at: str | None = None
    escalated_by: str | None = None
    escalated_submission_id: str | None = None


class Tag(msgspec.Struct):
    """A label on a PhishGuard report."""

    category: str
    value: str


class ReportFields(msgspec.Struct, kw_only=True, rename={"sender": "from"}, forbid_unknown_fields=True):
    """The message that a PhishGuard report is about."""

    to: list[str]
    sender: str | None
    postfix_id: str | None
    occurred_at: str | None


class Report(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One row of `GET phishguard/reports`."""

    id: int
    title: str
    content: str
    disposition: str
    priority: str
    fields: ReportFields
    tags: list[Tag]
    created_at: str
    updated_at: str


class MoveRow(msgspec.Struct, kw_only=True):
    """Outcome of a move for one message and one recipient; the vendor sends no investigate id here."""

    success: bool
    message_id: str | None
    recipient: str
    operation: str
    destination: str
    status: str
    completed_at: str


class ReleaseRow(msgspec.Struct, kw_only=True):
    """Outcome of a release for one investigate id: lists of recipients, null when the vendor says nothing."""

    id: str
    delivered: list[str] | None = None
    undelivered: list[str] | None = None
    failed: list[str] | None = None


class Effect(msgspec.Struct, kw_only=True, frozen=True):
    """Something that truly happened to a message, for tests to compare with what a client believes.

    `target` is the folder, the requested disposition, or empty for a release; `at` is seconds since 1970;
    `request` is the number of the request as in the request log, None for a person's action.
    """

    kind: Literal["move", "release", "reclassify"]
    id: str
    recipients: tuple[str, ...]
    target: str
    actor: Actor
    at: float
    request: int | None


def to_rfc3339(milliseconds: int) -> str:
    """Formats milliseconds since 1970 like `2024-01-05T10:00:00.123Z`."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970; a moment without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def parse_rfc3339(text: str) -> int:
    """Milliseconds since 1970 of a time on the wire. Raises msgspec.ValidationError if it is none."""
    return to_milliseconds(msgspec.convert(text, datetime))
