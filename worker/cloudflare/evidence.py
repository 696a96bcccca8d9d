"""What the vendor knows of one message beyond its row (API reference, Investigate detections, trace, raw, preview)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from worker.cloudflare.operations import Operation
from worker.cloudflare.shapes import Shape, settle
from worker.model.events import Validation

MAX_RAW = 8 * 2**20
"""Bytes of an answer that holds a whole mail or a picture: a few of them must fit into the worker's memory."""

DETECTIONS = Operation("GET", "investigate/{id}/detections")
TRACE = Operation("GET", "investigate/{id}/trace")
RAW = Operation("GET", "investigate/{id}/raw", max_bytes=MAX_RAW)
PREVIEW = Operation("GET", "investigate/{id}/preview", max_bytes=MAX_RAW)
RENDER = Operation("POST", "investigate/preview", max_bytes=MAX_RAW)


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One attachment, by its digests; its content is in the raw mail alone."""

    filename: str | None = None
    name: str | None = None
    content_type: str | None = None
    size: int | None = None
    encrypted: bool | None = None
    detection: str | None = None
    md5: str | None = None
    sha1: str | None = None
    sha256: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for the verdict."""

    name: str | None = None
    reason: str | None = None
    detection: str | None = None
    score: float | None = None
    field: str | None = None
    portion: str | None = None
    value: str | None = None
    detail: str | None = None
    attachment: str | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """One header of the mail."""

    name: str = ""
    value: str = ""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the mail."""

    href: str = ""
    text: str | None = None


class SenderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Where the mail came from."""

    ip: str | None = None
    as_name: str | None = None
    as_number: int | None = None
    geo: str | None = None
    pld: str | None = None


class ThreatCategory(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of threat it is."""

    id: int | None = None
    name: str | None = None
    description: str | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """How the verdict came about."""

    action: str | None = None
    final_disposition: str | None = None
    attachments: tuple[Attachment, ...] = ()
    findings: tuple[Finding, ...] = ()
    headers: tuple[Header, ...] = ()
    links: tuple[Link, ...] = ()
    threat_categories: tuple[ThreatCategory, ...] = ()
    sender_info: SenderInfo = SenderInfo()
    validation: Validation = Validation()


class TraceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a mail server's log."""

    lineno: int | None = None
    logged_at: datetime | None = None
    message: str | None = None


class TraceSide(msgspec.Struct, frozen=True, kw_only=True):
    """The way in, or out; `pending` while more may come."""

    lines: tuple[TraceLine, ...] = ()
    pending: bool | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """The message's way through the vendor's mail servers."""

    inbound: TraceSide = TraceSide()
    outbound: TraceSide = TraceSide()


class RawMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The mail as it is: hostile, with line breaks and control characters; never for a log or a terminal."""

    raw: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the mail."""

    screenshot: bytes
    """PNG."""


DETAILS_SHAPE = Shape(Details, settle)
TRACE_SHAPE = Shape(Trace, settle)
RAW_SHAPE = Shape(RawMessage, settle)
PREVIEW_SHAPE = Shape(Preview, settle)
