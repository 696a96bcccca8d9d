"""What the vendor knows of one message beyond its row (API reference, Investigate detections, trace, raw, preview)."""

from __future__ import annotations

import msgspec

from worker.cloudflare.operations import Operation
from worker.cloudflare.shapes import Shape, settle
from worker.model.enrichment import (
    Attachment,
    Details,
    Finding,
    Header,
    Link,
    SenderInfo,
    ThreatCategory,
    Trace,
)
from worker.model.events import Validation

MAX_RAW = 8 * 2**20
"""Bytes of an answer that holds a whole mail or a picture: a few of them must fit into the worker's memory."""

DETECTIONS = Operation("GET", "investigate/{id}/detections")
TRACE = Operation("GET", "investigate/{id}/trace")
RAW = Operation("GET", "investigate/{id}/raw", max_bytes=MAX_RAW)
PREVIEW = Operation("GET", "investigate/{id}/preview", max_bytes=MAX_RAW)
RENDER = Operation("POST", "investigate/preview", max_bytes=MAX_RAW)


class _Attachment(msgspec.Struct, frozen=True, kw_only=True):
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


class _Details(msgspec.Struct, frozen=True, kw_only=True):
    """`Details` as the vendor sends it."""

    action: str | None = None
    final_disposition: str | None = None
    attachments: tuple[_Attachment, ...] = ()
    findings: tuple[Finding, ...] = ()
    headers: tuple[Header, ...] = ()
    links: tuple[Link, ...] = ()
    threat_categories: tuple[ThreatCategory, ...] = ()
    sender_info: SenderInfo = SenderInfo()
    validation: Validation = Validation()


class RawMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The mail as it is: hostile, with line breaks and control characters; never for a log or a terminal."""

    raw: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the mail."""

    screenshot: bytes
    """PNG."""


def _settle_details(row: _Details) -> Details:
    return Details(
        action=row.action,
        final_disposition=row.final_disposition,
        attachments=tuple(_settle_attachment(one) for one in row.attachments),
        findings=row.findings,
        headers=row.headers,
        links=row.links,
        threat_categories=row.threat_categories,
        sender_info=row.sender_info,
        validation=row.validation,
    )


def _settle_attachment(row: _Attachment) -> Attachment:
    return Attachment(
        name=row.name or row.filename,
        filename=row.filename or row.name,
        content_type=row.content_type and row.content_type.lower(),
        size=row.size or 0,
        encrypted=row.encrypted,
        detection=row.detection,
        md5=row.md5,
        sha1=row.sha1,
        sha256=row.sha256 and row.sha256.lower(),
    )


DETAILS_SHAPE = Shape(_Details, _settle_details)
TRACE_SHAPE = Shape(Trace, settle)
RAW_SHAPE = Shape(RawMessage, settle)
PREVIEW_SHAPE = Shape(Preview, settle)
