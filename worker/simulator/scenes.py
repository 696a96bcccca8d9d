"""Mail that a tenant gets once in a while, with what people say of it: for each shipped playbook something to match.

All that the playbooks of `rules/` look for and that drawn mail has seldom or never. `--scenes` adds it to the backlog.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NamedTuple

from .generate import Generator, submission
from .mailworld import CARRIER, CHIEF, CORP, PARTNER, SCANNER
from .outcomes import settle
from .rows import ActionEntry, ActionProperties, Properties, Row, Submission, Validation, to_rfc3339

_MESSAGES_A_ROUND = 500
_ANALYST = f"analyst@{CORP}"
_BLOCKED = "ann.lind@client.example"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Request(NamedTuple):
    """Somebody asks the vendor for another verdict; without an outcome nobody has looked at it yet."""

    disposition: str
    outcome: str | None = None
    team: bool = True


class Scene(NamedTuple):
    """One message, and what becomes of it; `sender` is (address, display name), `more` are further fields of its row."""

    sender: tuple[str, str]
    subject: str
    verdict: str = "SUSPICIOUS"
    status: str = "delivered"
    more: Mapping[str, Any] = _NOTHING
    siblings: int = 0
    """How many more messages the same tool has made, from other addresses of that domain."""
    report: str | None = None
    """What PhishGuard's analysts judge it."""
    request: Request | None = None


_CLEARED = Request("NONE", "NONE")
SCENES = (
    Scene(("it@c0rp.example", "IT Service"), "Your certificate ends today"),
    Scene(("ann.berg@partner-group.example", "Ann Berg"), "We have a new name"),
    Scene(
        ("g.kim@freemail.example", CHIEF),
        "Are you in the office?",
        verdict="SPAM",
        more={"replyto": "grace.kim@mail-desk.example"},
    ),
    Scene((SCANNER, "Office Printer"), "Scan from the second floor", report="SUSPICIOUS"),
    Scene(("admin@parcel-track.example", "Parcel Service"), "Your parcel has arrived", report="NONE"),
    Scene(
        ("files@shared-folders.example", "Shared Folders"),
        "A folder was shared with you",
        siblings=3,
        report="MALICIOUS",
    ),
    Scene((CARRIER, "Parcel Service"), "A fee is due", request=Request("MALICIOUS", team=False)),
    Scene((PARTNER, "Partner Billing"), "Credit note", verdict="SPAM", request=_CLEARED),
    Scene(
        ("orders@supplier.example", "Supplier Orders"),
        "Delivery date",
        verdict="SPAM",
        status="quarantined",
        request=_CLEARED,
    ),
    Scene(
        ("lena.brandt@customer.example", "Lena Brandt"), "Signed contract", status="moved", request=_CLEARED
    ),
    Scene(
        (_BLOCKED, "Ann Lind"),
        "Did my last mail arrive?",
        verdict="SPAM",
        status="quarantined",
        more={"properties": Properties(blocklisted_message=True, blocklisted_pattern=_BLOCKED)},
        request=_CLEARED,
    ),
    Scene(
        ("win@lottery-club.example", "Lottery Club"),
        "Prize draw",
        verdict="SPAM",
        status="quarantined",
        request=Request("NONE", "SPAM"),
    ),
)


def rounds(messages: int) -> int:
    """How often each scene is played beside so many messages: a few per cent of them in all."""
    return max(1, messages // _MESSAGES_A_ROUND)


def cast(scene: Scene, generator: Generator, scanned_ms: int) -> Iterator[Row]:
    """The scene's message, scanned at that time (milliseconds since 1970), and its siblings before it."""
    mark = sha256(generator.uuid().encode()).hexdigest()
    address, name = scene.sender
    for number in range(scene.siblings + 1):
        row = generator.message(scanned_ms - number * generator.offset(60), scene.verdict)
        sender = address.replace("@", f"{number}@") if number else address
        row.sender, row.envelope_from, row.from_name, row.subject = sender, sender, name, scene.subject
        row.message_id = f"<{row.postfix_id}@{address.partition('@')[2]}>"
        row.edf_hash, row.htmltext_structure_hash = mark, mark[:40]
        row.replyto, row.properties = None, Properties()
        row.validation = Validation(spf="pass", dkim="pass", dmarc="pass")
        row.is_phish_submission = False
        row.is_quarantined = scene.status == "quarantined"
        row.delivery_status = [scene.status]
        row.post_delivery_operations = ["MOVE"] if scene.status == "moved" else []
        for field, value in scene.more.items():
            setattr(row, field, value)
        yield row


def moved(at_ms: int) -> ActionEntry:
    """A person took the message away at that time (milliseconds since 1970)."""
    at = to_rfc3339(at_ms)
    properties = ActionProperties(folder="DeletedItems", requested_by=_ANALYST)
    return ActionEntry(
        operation="MOVE", started_at=at, completed_at=at, status="OK", success=True, properties=properties
    )


def requested(request: Request, row: Row, name: str, at_ms: int) -> Submission:
    """The submission of that id, requested at that time (milliseconds since 1970), with its outcome if it has one."""
    by = _ANALYST if request.team else row.client_recipients[0]
    made = submission(name, row, request.disposition, at_ms, requested_by=by, team=request.team)
    if request.outcome is not None:
        settle(made, request.outcome)
    return made
