"""From the rows of each resource to the structs that the worker uses, and what makes a row unusable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec.structs import force_setattr, replace

from worker.clock import EARLIEST, LATEST
from worker.cloudflare.operations import is_id
from worker.cloudflare.sparing import NOTHING, Spare
from worker.cloudflare.wire import (
    MoveRow,
    Named,
    ReleaseRow,
    Submission,
    SubmissionResult,
    TokenStatus,
)
from worker.model.enrichment import LogEntry
from worker.model.events import Detection, PhishReport, ReportFields, Tag

W = TypeVar("W", bound=msgspec.Struct)
R = TypeVar("R")
N = TypeVar("N", bound=Named)


@dataclass(frozen=True, slots=True)
class Shape(Generic[W, R]):
    """How the rows of one resource are read."""

    wire: type[W]
    """What msgspec converts a row into; nulls count as left out."""
    settle: Callable[[W], R]
    """From the wire to the worker; ValueError makes it a bad row."""
    identity: str = "id"
    """The field that names the row."""
    spare: Spare = NOTHING
    """What it may be read without."""


class _LogProperties(msgspec.Struct):
    folder: str | None = None
    requested_by: str | None = None
    requested_disposition: str | None = None
    service: str | None = None
    submission_id: str | None = None
    submission_type: str | None = None


class _LogEntry(msgspec.Struct):
    operation: str
    started_at: datetime | None = None
    completed_at: datetime | None = None
    status: str | None = None
    success: bool | None = None
    properties: _LogProperties = msgspec.field(default_factory=_LogProperties)


class _Report(msgspec.Struct):
    """`PhishReport` without `message`: that one is ours to find, whatever the vendor may call so one day."""

    id: int
    title: str = ""
    content: str = ""
    disposition: str | None = None
    priority: str | None = None
    fields: ReportFields = ReportFields()
    tags: tuple[Tag, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


class _Token(msgspec.Struct):
    status: str
    id: str = ""
    not_before: datetime | None = None
    expires_on: datetime | None = None


def settle_detection(row: Detection) -> Detection:
    """The row with its times in UTC.

    Raises:
        ValueError: an id by which nothing can be asked.
    """
    _check_id(row.id)
    # In place: the row was made a moment ago and nobody else has seen it.
    if (when := row.scanned_at) is not None and not _is_settled(when):
        force_setattr(row, "scanned_at", _aware(when))
    if (when := row.sent_at) is not None and not _is_settled(when):
        force_setattr(row, "sent_at", _aware(when))
    return row


def _is_settled(when: datetime) -> bool:
    return when.tzinfo is UTC and EARLIEST <= when.year < LATEST


def _settle_move(row: MoveRow) -> MoveRow:
    if (when := row.completed_at) is not None and not _is_settled(when):
        force_setattr(row, "completed_at", _aware(when))
    return row


def settle(row: W) -> W:
    """Any row with its times, and those of the structs in it, in UTC."""
    changes = {name: _settled(getattr(row, name)) for name in row.__struct_fields__}
    changes = {name: value for name, value in changes.items() if value is not getattr(row, name)}
    return replace(row, **changes) if changes else row


def settle_named(row: N) -> N:
    """As `settle`; ValueError for an id by which nothing can be asked."""
    _check_id(row.id)
    return settle(row)


def _settled(value: Any) -> Any:
    if isinstance(value, datetime):
        return _aware(value)
    if isinstance(value, msgspec.Struct):
        return settle(value)
    if isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        return tuple([settle(one) for one in value])
    return value


def _settle_report(row: _Report) -> PhishReport:
    return msgspec.convert(settle(row), PhishReport, from_attributes=True)


def _settle_token(row: _Token) -> TokenStatus:
    return msgspec.convert(settle(row), TokenStatus, from_attributes=True)


def _settle_release(row: ReleaseRow) -> ReleaseRow:
    _check_id(row.id)
    return row


def _settle_log(row: _LogEntry) -> LogEntry:
    entry, told = settle(row), row.properties
    return LogEntry(
        operation=entry.operation,
        started_at=entry.started_at,
        completed_at=entry.completed_at,
        status=entry.status,
        success=entry.success,
        folder=told.folder,
        requested_by=told.requested_by,
        requested_disposition=told.requested_disposition,
        service=told.service,
        submission_id=told.submission_id,
        submission_type=told.submission_type,
    )


def _check_id(row_id: str) -> None:
    if not is_id(row_id):
        raise ValueError("an id that cannot be asked for - at `$.id`")


def _aware(when: datetime) -> datetime | None:
    """The time in UTC; None where nobody can have meant it, such as year 1, which some programs write for no time."""
    if not EARLIEST <= when.year < LATEST:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


OF_A_MESSAGE = Spare(
    frozenset(
        {
            "subject",
            "to",
            "to_name",
            "from_name",
            "replyto",
            "sent_at",
            "edf_hash",
            "htmltext_structure_hash",
            "postfix_id_outbound",
            "smtp_helo_server_ip",
            "smtp_previous_hop_ip",
            "x_originating_ip",
        }
    ),
    frozenset({"envelope_to"}),
)
"""What a sender writes or leaves out as he likes, and what only describes: without it no message looks less dangerous,
safer to act on or untouched (docs/decisions/0081). Not here, for example: `from` (without it `sender_domain` is
another's), `validation` and `envelope_to` (exclusions hang on them), the verdict and its reasons, where it is."""
OF_A_REPORT = Spare(frozenset({"title", "content", "fields.from", "fields.occurred_at"}))
"""Prose, and what the message says of itself; never the judgement, the labels, or which message it is."""
OF_A_SUBMISSION = Spare(frozenset({"subject", "original_edf_hash"}))

DETECTION = Shape(Detection, settle_detection, spare=OF_A_MESSAGE)
REPORT = Shape(_Report, _settle_report, spare=OF_A_REPORT)
LOG_ENTRY = Shape(_LogEntry, _settle_log, identity="operation")
MOVE_ROW = Shape(MoveRow, _settle_move, identity="message_id")
RELEASE_ROW = Shape(ReleaseRow, _settle_release)
SUBMISSION = Shape(Submission, settle, identity="submission_id", spare=OF_A_SUBMISSION)
SUBMISSION_RESULT = Shape(SubmissionResult, settle_named)
TOKEN = Shape(_Token, _settle_token)
