"""What the vendor found in a message, and what its mail servers logged about it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from worker.simulator.rows import Row, parse_rfc3339, to_rfc3339

from .body import Attachment, Content
from .raw import headers

_CATEGORIES = {
    "Credential Harvester": 1,
    "Malicious Link": 2,
    "Business Email Compromise": 3,
    "Suspicious Link": 4,
    "Spoof": 5,
    "Spam": 6,
    "Bulk": 7,
}
_PENDING_MS = 2000
"""How long the logs of a new message are incomplete."""


def detections(row: Row, content: Content) -> dict[str, Any]:
    """Result of `GET investigate/{id}/detections`."""
    domain = (row.sender or "").rpartition("@")[2]
    return {
        "action": "QUARANTINE" if row.is_quarantined else "DELIVER",
        "final_disposition": row.final_disposition,
        "attachments": [_attachment(one, row.final_disposition) for one in content.attachments],
        "findings": [_finding(reason, row.final_disposition) for reason in row.detection_reasons],
        "headers": [{"name": name, "value": value} for name, value in headers(row, content)],
        "links": [link._asdict() for link in content.links],
        "sender_info": {
            "as_name": "EXAMPLE-NET",
            "as_number": 64496,
            "geo": "US",
            "ip": row.smtp_previous_hop_ip,
            "pld": domain or None,
        },
        "threat_categories": [
            {"id": _CATEGORIES.get(name), "name": name, "description": None}
            for name in row.threat_categories or ()
        ],
        "validation": msgspec.to_builtins(row.validation) if row.validation else {},
    }


def trace(row: Row, now_ms: int, *, deprecated: bool) -> dict[str, Any]:
    """Result of `GET investigate/{id}/trace`; what is fresh is pending."""
    scanned_ms = parse_rfc3339(row.scanned_at)
    if now_ms - scanned_ms < _PENDING_MS:
        return {side: {"lines": None, "pending": True} for side in ("inbound", "outbound")}
    inbound = (
        f"connect from [{row.smtp_previous_hop_ip}]",
        f"{row.postfix_id}: from=<{row.envelope_from}>",
        f"{row.postfix_id}: message-id={row.message_id}",
        f"{row.postfix_id}: scanned, disposition {row.final_disposition}",
    )
    status = ",".join(row.delivery_status or ())
    outbound = [f"{row.postfix_id}: to=<{recipient}>, status={status}" for recipient in row.client_recipients]
    return {
        "inbound": _lines(inbound, scanned_ms, deprecated=deprecated),
        "outbound": _lines(outbound, scanned_ms + 100, deprecated=deprecated),
    }


def _lines(messages: list[str] | tuple[str, ...], start_ms: int, *, deprecated: bool) -> dict[str, Any]:
    lines = []
    for number, message in enumerate(messages, start=1):
        at = to_rfc3339(start_ms + number)
        line = {"lineno": number, "logged_at": at, "message": message}
        lines.append(line | {"ts": at} if deprecated else line)
    return {"lines": lines, "pending": False}


def _attachment(attachment: Attachment, verdict: str | None) -> dict[str, Any]:
    data = attachment.data
    return {
        "name": attachment.filename,
        "filename": attachment.filename,
        "content_type": attachment.content_type,
        "size": len(data),
        "encrypted": attachment.encrypted,
        "detection": verdict,
        "md5": hashlib.md5(data, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _finding(reason: str, verdict: str | None) -> dict[str, Any]:
    return {
        "name": reason.lower().replace(" ", "_"),
        "reason": reason,
        "detail": reason,
        "detection": verdict,
        "score": 0.9,
        "field": None,
        "portion": None,
        "value": None,
        "attachment": None,
    }
