"""The vendor's three searches: their parameters, filters and paging.

Where the vendor's documents are silent the simulator decides: windows are over `scanned_at`, `requested_at`
and `created_at`, both ends included; rows come newest first; filter MALICIOUS does not find MALICIOUS-BEC;
`page` of `GET investigate` is ignored.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from .envelope import invalid
from .paging import PageNumber, PerPage
from .rows import (
    DETECTIONS,
    DeliveryStatus,
    Disposition,
    Report,
    Row,
    Submission,
    Verdict,
    parse_rfc3339,
)
from .tenant import Message, Position, Tenant

_MONTH_MS = 30 * 24 * 3600 * 1000
_OPERATIONS = {"PREVIEW": "PREVIEW", "QUARANTINE_RELEASED": "QUARANTINE_RELEASE", "MOVED": "MOVE"}


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A time range; the default is the last 30 days."""

    start: str | UnsetType = UNSET
    """Text, because msgspec would take a number for a time, too."""
    end: str | UnsetType = UNSET

    def bounds(self, now_ms: int) -> tuple[int, int]:
        """Start and end in milliseconds since 1970, the end never in the future."""
        try:
            end = now_ms if self.end is UNSET else parse_rfc3339(self.end)
            start = now_ms - _MONTH_MS if self.start is UNSET else parse_rfc3339(self.start)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from error
        if start > now_ms:
            raise invalid("start must not be in the future")
        if start > end:
            raise invalid("start must not be after end")
        return start, min(end, now_ms)


class PageParams(Window, frozen=True, kw_only=True):
    """Paging by number."""

    page: PageNumber = 1
    per_page: PerPage = 20


class ReportParams(PageParams, frozen=True, kw_only=True):
    """Parameters of `GET phishguard/reports`; whole days give way to `start` and `end`."""

    from_date: date | UnsetType = UNSET
    to_date: date | UnsetType = UNSET

    def bounds(self, now_ms: int) -> tuple[int, int]:
        """Start and end in milliseconds since 1970, the end never in the future."""
        start, end = self.start, self.end
        if start is UNSET and self.from_date is not UNSET:
            start = f"{self.from_date}T00:00:00Z"
        if end is UNSET and self.to_date is not UNSET:
            end = f"{self.to_date}T23:59:59.999Z"
        return Window(start=start, end=end).bounds(now_ms)


class SubmissionParams(PageParams, frozen=True, kw_only=True):
    """Parameters of `GET submissions`."""

    direction: Literal["asc", "desc"] = "desc"
    order: Literal[
        "submission_id",
        "subject",
        "original_disposition",
        "requested_disposition",
        "outcome_disposition",
        "requested_at",
    ] = "requested_at"
    escalated_from_user: bool | None = None
    original_disposition: Disposition | None = None
    outcome_disposition: Disposition | None = None
    requested_disposition: Disposition | None = None
    query: str | None = None
    status: Literal["escalated", "reviewed", "unreviewed"] | None = None
    submission_id: str | None = None
    type: Literal["TEAM", "USER"] | None = None


class Filters(Window, frozen=True, kw_only=True):
    """Which messages are looked for, by a list or by a bulk job."""

    detections_only: bool = True
    alert_id: str | None = None
    delivery_status: DeliveryStatus | None = None
    domain: str | None = None
    final_disposition: Verdict | None = None
    message_action: Literal["PREVIEW", "QUARANTINE_RELEASED", "MOVED"] | None = None
    message_id: str | None = None
    metric: str | None = None
    query: str | None = None
    recipient: str | None = None
    sender: str | None = None
    smtp_helo_ip: str | None = None
    subject: str | None = None


class ListParams(Filters, frozen=True, kw_only=True):
    """Parameters of `GET investigate`."""

    cursor: str | None = None
    page: PageNumber | None = None
    per_page: PerPage = 20
    final_disposition: Disposition | None = None


def find(tenant: Tenant, params: Filters, before: Position | None = None) -> Iterator[Message]:
    """The messages that match, newest first, from before that position on."""
    start, end = params.bounds(tenant.now_ms)
    found = tenant.newest_first(start, end, before)
    for test in _tests(params):
        found = filter(_on_row(test), found)
    return found


def list_page(tenant: Tenant, params: ListParams) -> tuple[list[Message], str | None]:
    """One page of messages and the cursor of the next one, None at the end."""
    before = None if params.cursor is None else _parse_cursor(params.cursor)
    rows = list(islice(find(tenant, params, before), params.per_page + 1))
    if len(rows) <= params.per_page:
        return rows, None
    rows.pop()
    return rows, _cursor(rows[-1].position)


def submissions(tenant: Tenant, params: SubmissionParams) -> list[Submission]:
    """All submissions that match, in the order asked for."""
    start, end = params.bounds(tenant.now_ms)
    rows = [
        row
        for visible_at, row in tenant.submissions
        if visible_at <= tenant.now
        and start <= parse_rfc3339(row.requested_at) <= end
        and _is_wanted(row, params)
    ]
    rows.sort(key=lambda row: getattr(row, params.order) or "", reverse=params.direction == "desc")
    return rows


def reports(tenant: Tenant, params: ReportParams) -> list[Report]:
    """All PhishGuard reports created in the window, newest first."""
    start, end = params.bounds(tenant.now_ms)
    return [report for created_ms, report in reversed(tenant.reports) if start <= created_ms <= end]


def _cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position[0]}.{position[1]}".encode()).decode().rstrip("=")


def _parse_cursor(cursor: str) -> Position:
    try:
        scanned, _, number = (
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")
        )
        return int(scanned), int(number)
    except (binascii.Error, ValueError) as error:
        raise invalid("cursor is not one that this API gave out") from error


def _on_row(test: Callable[[Row], bool]) -> Callable[[Message], bool]:
    return lambda message: test(message.row)


def _tests(params: Filters) -> Iterator[Callable[[Row], bool]]:
    """The filters that are set, cheap and selective ones first."""
    if (message_id := params.message_id) is not None:
        yield lambda row: row.message_id == message_id
    if (alert_id := params.alert_id) is not None:
        yield lambda row: row.alert_id == alert_id
    if (verdict := params.final_disposition) is not None:
        yield lambda row: row.final_disposition == verdict
    if params.detections_only:
        yield lambda row: row.final_disposition in DETECTIONS
    if (status := params.delivery_status) is not None:
        yield lambda row: status in (row.delivery_status or ())
    if params.message_action is not None:
        operation = _OPERATIONS[params.message_action]
        yield lambda row: operation in (row.post_delivery_operations or ())
    if (address := params.smtp_helo_ip) is not None:
        yield lambda row: row.smtp_helo_server_ip == address
    yield from _text_tests(params)


def _text_tests(params: Filters) -> Iterator[Callable[[Row], bool]]:
    if params.sender is not None:
        sender = params.sender.lower()
        yield lambda row: any(_is_from(address, sender) for address in _senders(row))
    if params.recipient is not None:
        recipient = params.recipient.lower()
        yield lambda row: any(_is_from(address, recipient) for address in row.client_recipients)
    if params.domain is not None:
        domain = params.domain.lower()
        yield lambda row: any(
            _domain(address) == domain for address in (*_senders(row), *row.client_recipients)
        )
    if params.subject is not None:
        keywords = params.subject.lower().split()
        yield lambda row: _has_all((row.subject or "").lower(), keywords)
    if params.query is not None:
        terms = params.query.lower().split()
        yield lambda row: _has_all(_metadata(row), terms)


def _senders(row: Row) -> tuple[str, ...]:
    return tuple(address for address in (row.sender, row.envelope_from) if address)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _is_from(address: str, wanted: str) -> bool:
    return address.lower() == wanted or _domain(address) == wanted


def _has_all(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _metadata(row: Row) -> str:
    return " ".join((*_senders(row), *row.client_recipients, row.subject or "", row.message_id or "")).lower()


def _is_wanted(row: Submission, params: SubmissionParams) -> bool:
    text = f"{row.submission_id} {row.original_postfix_id} {row.subject}".lower()
    return (
        (params.type is None or params.type == row.type.upper())
        and params.submission_id in (None, row.submission_id)
        and params.status in (None, row.customer_status)
        and params.original_disposition in (None, row.original_disposition)
        and params.outcome_disposition in (None, row.outcome_disposition)
        and params.requested_disposition in (None, row.requested_disposition)
        and params.escalated_from_user in (None, row.escalated_submission_id is not None)
        and _has_all(text, (params.query or "").lower().split())
    )
