"""What can be known of one message beyond its row in the list, under the API's own names. Pure values.

Facts: `GET /investigate/{id}/detections`, `/trace`, `/raw` and `/action_log` of the Email Security API. As in
`worker.model.events`, enumerations stay plain strings and a sequence that is left out is an empty tuple.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from worker.model.events import Validation


class Attachment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One attachment: never its content, but for the first bytes."""

    name: str | None = None
    filename: str | None = None
    """Under two names in the API: where it sends one of them, both are that one."""
    content_type: str | None = None
    """What the sender says that it is, in lower case."""
    size: int = 0
    """Bytes, decoded."""
    sha256: str | None = None
    sha1: str | None = None
    md5: str | None = None
    encrypted: bool | None = None
    detection: str | None = None
    """The vendor's verdict on this attachment alone; None where it gives none, and always in `raw.attachments`."""
    head: bytes = b""
    """The first 64 bytes, in `raw.attachments` alone: b"MZ" begins a Windows program, whatever its name."""

    @property
    def extension(self) -> str:
        """What follows the last dot of the name, in lower case; empty where there is none."""
        name = (self.filename or self.name or "").strip().rstrip(".")
        return name.rpartition(".")[2].lower() if "." in name else ""


class Header(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One header field, its encoded words decoded."""

    name: str = ""
    value: str = ""


class Raw(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message as it was sent, read within bounds."""

    headers: tuple[Header, ...] = ()
    text: str = ""
    """The plain text that a reader sees."""
    html: str = ""
    """The HTML that a reader sees."""
    attachments: tuple[Attachment, ...] = ()
    """Those of attached messages too."""
    size: int = 0
    """Bytes of the whole message."""
    cut: tuple[str, ...] = ()
    """The bounds that the message goes beyond; what lies there has not been read. Usual mail has none."""

    def header(self, name: str) -> str | None:
        """The value of the first header field of that name, in any case; None where there is none."""
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> tuple[str, ...]:
        """The values of all header fields of that name, the topmost first."""
        wanted = name.lower()
        return tuple(one.value for one in self.headers if one.name.lower() == wanted)


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One thing that the filter found."""

    name: str | None = None
    detail: str | None = None
    detection: str | None = None
    reason: str | None = None
    score: float | None = None
    portion: str | None = None
    field: str | None = None
    value: str | None = None
    attachment: str | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One link of the message: where it leads and what it shows."""

    href: str = ""
    text: str | None = None


class SenderInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the message came from."""

    ip: str | None = None
    as_name: str | None = None
    as_number: int | None = None
    geo: str | None = None
    pld: str | None = None


class ThreatCategory(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why the filter judged so, in the vendor's categories."""

    id: int | None = None
    name: str | None = None
    description: str | None = None


class Details(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the filter found in a message that it detected."""

    action: str | None = None
    final_disposition: str | None = None
    attachments: tuple[Attachment, ...] = ()
    findings: tuple[Finding, ...] = ()
    headers: tuple[Header, ...] = ()
    links: tuple[Link, ...] = ()
    sender_info: SenderInfo = SenderInfo()
    threat_categories: tuple[ThreatCategory, ...] = ()
    validation: Validation = Validation()


class TraceLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the mail server's log."""

    lineno: int | None = None
    logged_at: datetime | None = None
    message: str | None = None


class TraceSide(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One direction of a message's way."""

    lines: tuple[TraceLine, ...] = ()
    pending: bool | None = None
    """Whether more lines may come."""


class Trace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message's way through the mail servers."""

    inbound: TraceSide = TraceSide()
    outbound: TraceSide = TraceSide()


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that was done to the message, by anybody."""

    operation: str
    """`PREVIEW`, `QUARANTINE_RELEASE`, `SUBMISSION`, `MOVE`, or what the vendor adds."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    status: str | None = None
    success: bool | None = None
    folder: str | None = None
    requested_by: str | None = None
    requested_disposition: str | None = None
    service: str | None = None
    submission_id: str | None = None
    submission_type: str | None = None
