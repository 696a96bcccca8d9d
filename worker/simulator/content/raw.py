"""The message as it went over the wire: RFC 5322, with the headers that its row tells of."""

from __future__ import annotations

import re
from datetime import datetime
from email import encoders
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr

from worker.simulator.rows import Row

from .body import Attachment, Content

# The older of the two policies: the newer one parses what it is given, and hostile text makes it fail.
_POLICY = compat32.clone(linesep="\r\n")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")


def raw(row: Row, content: Content) -> str:
    """The whole message."""
    body = MIMEMultipart("alternative", boundary=_boundary(row, "alternative"))
    body.attach(MIMEText(content.text, "plain", "utf-8"))
    body.attach(MIMEText(content.html, "html", "utf-8"))
    whole = body
    if content.attachments:
        whole = MIMEMultipart("mixed", boundary=_boundary(row, "mixed"))
        whole.attach(body)
        for attachment in content.attachments:
            whole.attach(_part(attachment))
    for name, value in headers(row, content):
        whole[name] = value
    return whole.as_bytes(policy=_POLICY).decode("ascii", "replace")


def headers(row: Row, content: Content) -> list[tuple[str, str]]:
    """The headers, in their order; what is not known is left out."""
    leave = next((link.href for link in content.links if link.text == "Unsubscribe"), None)
    found = (
        ("Return-Path", row.envelope_from and f"<{_plain(row.envelope_from)}>"),
        ("Received", f"from mail ([{row.smtp_previous_hop_ip}]) by mx.corp.example; {_date(row.scanned_at)}"),
        ("Authentication-Results", _authentication(row)),
        ("From", row.sender and _address(row.from_name or "", row.sender)),
        ("To", ", ".join(_address("", address) for address in row.to or ())),
        ("Reply-To", row.replyto and _address("", row.replyto)),
        ("Subject", None if row.subject is None else _plain(row.subject)),
        ("Date", row.sent_at and _date(row.sent_at)),
        ("List-Unsubscribe", leave and f"<{leave}>"),
        ("Message-ID", row.message_id and _plain(row.message_id)),
    )  # fmt: skip
    return [(name, value) for name, value in found if value]


def _authentication(row: Row) -> str:
    checks = row.validation
    if checks is None:
        return ""
    return f"mx.corp.example; spf={checks.spf}; dkim={checks.dkim}; dmarc={checks.dmarc}"


def _part(attachment: Attachment) -> MIMEBase:
    part = MIMEBase(*attachment.content_type.split("/"))
    part.set_payload(attachment.data)
    encoders.encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=attachment.filename)
    return part


def _address(name: str, address: str) -> str:
    return formataddr((_plain(name), _plain(address).encode("ascii", "replace").decode()))


def _plain(text: str) -> str:
    """The text without what would end a header, and without halves of characters."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode()


def _date(text: str) -> str:
    return format_datetime(datetime.fromisoformat(text))


def _boundary(row: Row, kind: str) -> str:
    return f"=_{kind}_{_CONTROLS.sub('', row.postfix_id).encode('ascii', 'replace').decode()[:40]}"
