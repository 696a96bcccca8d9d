"""Draws messages and PhishGuard reports from a seeded source of chance: the same seed gives the same mail."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from random import Random
from uuid import UUID

from .mailworld import CLEAN, CORP, FALSE_POSITIVE, HABITS, PARTNER, SHARED_MAILBOXES, STAFF, Habit
from .rows import (
    DETECTIONS,
    Properties,
    Report,
    ReportFields,
    Row,
    Submission,
    Tag,
    Validation,
    to_rfc3339,
)

_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
"""The digits of Postfix' long queue ids (its parameter enable_long_queue_ids): no vowels, so no words."""
_SEVERAL_RECIPIENTS = 0.08
_SHARED_MAILBOX = 0.12
_FALSE_POSITIVE = 0.06
_USER_REPORTED = 0.01
_DOUBTFUL = ("SPAM", "BULK", "SUSPICIOUS")
"""Verdicts of the filter that analysts sometimes overrule."""
_OVERRULED = 0.3
_CAMPAIGNS = 40
_LARGE = 8
"""Unwanted mail comes in campaigns, so many for each verdict."""
_MISSED = 400
"""One in so many clean messages is none: the filter has missed it."""


class Generator:
    """Draws rows for one tenant; `mix` holds per cents by disposition."""

    def __init__(self, seed: str, mix: Mapping[str, float]) -> None:
        self._random = Random(seed)
        self._dispositions = tuple(mix)
        self._weights = tuple(mix.values())
        self._campaigns = tuple(self._hex(64) for _ in range(_CAMPAIGNS))

    def message(self, scanned_ms: int, disposition: str | None = None) -> Row:
        """A message scanned at that time (milliseconds since 1970); the verdict is drawn unless given."""
        draw = self._random
        verdict = disposition or draw.choices(self._dispositions, self._weights)[0]
        habit = self._habit(verdict)
        address, name = draw.choice(habit.senders)
        recipients = self._recipients()
        postfix_id = self._queue_id(scanned_ms)
        scanned_at = to_rfc3339(scanned_ms)
        prefix = f"{postfix_id}-{scanned_at[:19]}"
        spf, dkim, dmarc = habit.authentication
        status = draw.choice(habit.deliveries)
        caught = verdict in DETECTIONS
        row = Row(
            id=f"{prefix}-{draw.randrange(10**7, 10**8)}",
            postfix_id=postfix_id,
            alert_id=prefix if caught else None,
            message_id=f"<{self._hex(24)}@{address.partition('@')[2]}>",
            scanned_at=scanned_at,
            sent_at=to_rfc3339(scanned_ms - draw.randrange(500, 20_000)),
            sender=address,
            from_name=name,
            replyto="reply@freemail.example" if verdict == "MALICIOUS-BEC" else None,
            envelope_from=f"bounce@{address.partition('@')[2]}" if verdict == "BULK" else address,
            envelope_to=list(recipients),
            to=list(recipients),
            to_name=[_display_name(recipient) for recipient in recipients],
            client_recipients=recipients,
            subject=draw.choice(habit.subjects).replace("{n}", str(draw.randrange(10, 9999))),
            final_disposition=verdict,
            threat_categories=list(habit.categories) if caught else None,
            detection_reasons=list(habit.reasons) if caught else [],
            delivery_mode="DIRECT",
            delivery_status=[status],
            is_quarantined=status == "quarantined",
            is_phish_submission=draw.random() < _USER_REPORTED,
            post_delivery_operations=[],
            edf_hash=draw.choice(self._campaigns) if caught else self._hex(64),
            htmltext_structure_hash=self._hex(40),
            smtp_helo_server_ip=f"192.0.2.{draw.randrange(1, 255)}",
            smtp_previous_hop_ip=f"198.51.100.{draw.randrange(1, 255)}",
            x_originating_ip=f"203.0.113.{draw.randrange(1, 255)}" if caught else None,
            postfix_id_outbound=None,
            properties=_properties(address, dmarc),
            validation=Validation(comment=None, spf=spf, dkim=dkim, dmarc=dmarc),
        )
        if caught:
            self._mark(row, verdict)
        elif int(row.edf_hash or "0", 16) % _MISSED == 0:
            self._mark(row, "MALICIOUS")
        return row

    def _mark(self, row: Row, verdict: str) -> None:
        """Makes it one of a campaign: the same tool has made its siblings, whatever their senders and subjects."""
        number = int(row.edf_hash or "0", 16) % _LARGE
        mark = sha256(f"{self._campaigns[number]} {verdict}".encode()).hexdigest()
        row.edf_hash, row.htmltext_structure_hash = mark, mark[:40]

    def report(self, number: int, row: Row, created_ms: int, disposition: str | None = None) -> Report:
        """A PhishGuard report about a message, created at that time (milliseconds since 1970); judged unless told how."""
        disposition = disposition or judgement(self._random, row)
        created_at = to_rfc3339(created_ms)
        return Report(
            id=number,
            title=f"User report: {row.subject}",
            content=f"A user of {CORP} reported mail from {row.sender}. Our analysts judge it {disposition}.",
            disposition=disposition,
            priority=self._random.choice(("LOW", "MEDIUM", "HIGH")),
            fields=ReportFields(
                to=row.client_recipients,
                sender=row.sender,
                postfix_id=row.postfix_id,
                occurred_at=row.scanned_at,
            ),
            tags=[Tag("source", "user_report")],
            created_at=created_at,
            updated_at=created_at,
        )

    def user_submission(self, row: Row, requested_ms: int) -> Submission:
        """The submission behind a message that a user has reported as phish."""
        return submission(self.uuid(), row, "MALICIOUS", requested_ms, requested_by=row.client_recipients[0])

    def uuid(self) -> str:
        """A drawn UUID (version 4)."""
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def offset(self, limit: float) -> int:
        """Milliseconds between 0 and `limit` seconds."""
        return int(self._random.random() * limit * 1000)

    def sample(self, rows: list[Row], count: int) -> list[Row]:
        """So many of the rows, each at most once, in drawn order."""
        return self._random.sample(rows, min(count, len(rows)))

    def _habit(self, verdict: str) -> Habit:
        if verdict in ("SPAM", "SUSPICIOUS") and self._random.random() < _FALSE_POSITIVE:
            return FALSE_POSITIVE
        return HABITS.get(verdict, CLEAN)

    def _recipients(self) -> list[str]:
        draw = self._random
        if draw.random() < _SEVERAL_RECIPIENTS:
            return draw.sample(STAFF, draw.randrange(2, 6))
        return [draw.choice(SHARED_MAILBOXES if draw.random() < _SHARED_MAILBOX else STAFF)]

    def _queue_id(self, at_ms: int) -> str:
        """A long queue id of Postfix, like `4Njp3P0STMz2c02Q`: seconds, microseconds, `z` and the number of a file."""
        drawn = self._random.getrandbits(128)
        micros = at_ms % 1000 * 1000 + drawn % 1000
        file = drawn // 1000 % 51**5
        return f"{_in_base(52, at_ms // 1000, 6)}{_in_base(52, micros, 4)}z{_in_base(51, file, 5)}"

    def _hex(self, length: int) -> str:
        return f"{self._random.getrandbits(4 * length):0{length}x}"


def _in_base(base: int, number: int, width: int) -> str:
    """The number's last `width` digits; base 51 leaves out the last one, which parts the fields."""
    written = ""
    for _ in range(width):
        number, digit = divmod(number, base)
        written = _ALPHABET[digit] + written
    return written


def judgement(draw: Random, row: Row) -> str:
    """What the analysts say of a reported message: now and then that the filter was wrong, either way."""
    verdict = row.final_disposition
    if verdict not in DETECTIONS:
        return draw.choice(("MALICIOUS", "SUSPICIOUS", "SPAM", "NONE"))
    overruled = draw.random() < _OVERRULED
    return "NONE" if verdict in _DOUBTFUL and (overruled or row.sender == PARTNER) else verdict


def submission(
    submission_id: str,
    row: Row,
    disposition: str,
    requested_ms: int,
    *,
    requested_by: str,
    team: bool = False,
) -> Submission:
    """A submission that asks for another verdict on a message; `team` tells the security team from a user."""
    original = plain(row.final_disposition)
    return Submission(
        submission_id=submission_id,
        type="Team" if team else "User",
        requested_at=to_rfc3339(requested_ms),
        requested_by=requested_by,
        requested_disposition=disposition,
        original_disposition=original if original in {*DETECTIONS, "NONE"} else None,
        original_edf_hash=row.edf_hash,
        original_postfix_id=row.postfix_id,
        subject=row.subject,
        status="pending",
        customer_status="unreviewed",
    )


def plain(verdict: str | None) -> str | None:
    """The verdict as submissions know it, which have six only: the BEC flavour goes under its parent."""
    return "MALICIOUS" if verdict == "MALICIOUS-BEC" else verdict


def _display_name(address: str) -> str:
    return address.partition("@")[0].replace(".", " ").title()


def _properties(address: str, dmarc: str) -> Properties:
    if address == PARTNER and dmarc == "pass":
        return Properties(allowlisted_pattern=PARTNER, allowlisted_pattern_type="acceptable_sender")
    return Properties()
