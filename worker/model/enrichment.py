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
    """As the vendor calls it."""
    filename: str | None = None
    """Under two names in the API: where it sends one of them, both are that one."""
    content_type: str | None = None
    """What the sender says that it is, in lower case."""
    size: int = 0
    """Bytes, decoded."""
    sha256: str | None = None
    """Of its content."""
    sha1: str | None = None
    """Of its content."""
    md5: str | None = None
    """Of its content."""
    encrypted: bool | None = None
    """Whether it wants a password, as the vendor says."""
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
    """As it is written."""
    value: str = ""
    """What it says."""


class Raw(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message as it was sent, read within bounds."""

    headers: tuple[Header, ...] = ()
    """All header fields, the topmost first."""
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
    """What it is called."""
    detail: str | None = None
    """More of it."""
    detection: str | None = None
    """The verdict that it speaks for."""
    reason: str | None = None
    """Why it counts."""
    score: float | None = None
    """How much it counts."""
    portion: str | None = None
    """In which part of the message."""
    field: str | None = None
    """In which field."""
    value: str | None = None
    """What was found there."""
    attachment: str | None = None
    """In which attachment."""


class Link(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One link of the message: where it leads and what it shows."""

    href: str = ""
    """Where it leads."""
    text: str | None = None
    """What the reader sees."""


class SenderInfo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the message came from."""

    ip: str | None = None
    """The address that handed it over."""
    as_name: str | None = None
    """Whose network that is."""
    as_number: int | None = None
    """The network's number."""
    geo: str | None = None
    """The country that it is in."""
    pld: str | None = None
    """Its registered domain."""


class ThreatCategory(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why the filter judged so, in the vendor's categories."""

    id: int | None = None
    """The vendor's number."""
    name: str | None = None
    """The vendor's name."""
    description: str | None = None
    """The vendor's words."""


class Details(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the filter found in a message that it detected."""

    action: str | None = None
    """What the filter did."""
    final_disposition: str | None = None
    """The verdict."""
    attachments: tuple[Attachment, ...] = ()
    """The vendor's list of them."""
    findings: tuple[Finding, ...] = ()
    """What spoke for the verdict."""
    headers: tuple[Header, ...] = ()
    """Header fields that the filter looked at."""
    links: tuple[Link, ...] = ()
    """The links of the message."""
    sender_info: SenderInfo = SenderInfo()
    """Where it came from."""
    threat_categories: tuple[ThreatCategory, ...] = ()
    """Why the filter judged so."""
    validation: Validation = Validation()
    """Whether the mail proves its origin."""


class TraceLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the mail server's log."""

    lineno: int | None = None
    """Its number."""
    logged_at: datetime | None = None
    """When it was written."""
    message: str | None = None
    """The line."""


class TraceSide(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One direction of a message's way."""

    lines: tuple[TraceLine, ...] = ()
    """In order."""
    pending: bool | None = None
    """Whether more lines may come."""


class Trace(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message's way through the mail servers."""

    inbound: TraceSide = TraceSide()
    """On the way in."""
    outbound: TraceSide = TraceSide()
    """On the way out."""


class LogEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that was done to the message, by anybody."""

    operation: str
    """`PREVIEW`, `QUARANTINE_RELEASE`, `SUBMISSION`, `MOVE`, or what the vendor adds."""
    started_at: datetime | None = None
    """When it began."""
    completed_at: datetime | None = None
    """When it was over."""
    status: str | None = None
    """How it ended, in the vendor's words."""
    success: bool | None = None
    """Whether it had its effect."""
    folder: str | None = None
    """Where a move led to."""
    requested_by: str | None = None
    """Who asked."""
    requested_disposition: str | None = None
    """The verdict that a submission asked for."""
    service: str | None = None
    """Which product did it."""
    submission_id: str | None = None
    """The submission."""
    submission_type: str | None = None
    """Who submitted: `Team` or `User`."""
