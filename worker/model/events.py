"""What playbooks are decided on: frozen, typed events under the API's own names.

Facts: `GET /investigate`, `GET /phishguard/reports` and `GET /submissions` of the Email Security API. Enumerations
stay plain strings, so that a value the vendor adds tomorrow passes through. A sequence the API leaves out or sends
as null is an empty tuple here; `validation` and `properties` are always present, with empty fields.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from worker.model.needs import UnfetchedError

if TYPE_CHECKING:
    from worker.model.enrichment import Attachment, Details, LogEntry, Raw, Trace

DISPOSITIONS = ("MALICIOUS", "SUSPICIOUS", "SPOOF", "SPAM", "BULK", "NONE")
"""Verdicts that the API accepts in requests; rows may carry more (MALICIOUS-BEC, ENCRYPTED, ...)."""


MAX_TEXT = 10_000
"""Characters of one text; what the vendor sends beyond is cut off when it is read."""
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class Validation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Results of mail authentication: `pass`, `neutral`, `fail`, `error`, `none`, or None where unknown."""

    comment: Text | None = None
    """What the filter adds in words."""
    dkim: Text | None = None
    """Whether the signature of a domain fits."""
    dmarc: Text | None = None
    """Whether SPF or DKIM passed for the domain of `sender` itself: `pass` proves where the mail comes from."""
    spf: Text | None = None
    """Whether the server may send for the domain of `envelope_from`."""


class Properties(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which allow or block pattern of the tenant touched the message, if any."""

    allowlisted_pattern: Text | None = None
    """The pattern of an allow policy that let it pass."""
    allowlisted_pattern_type: Text | None = None
    """Which kind of policy that is, such as `acceptable_sender`."""
    blocklisted_message: bool | None = None
    """Whether a blocked sender's entry stopped it."""
    blocklisted_pattern: Text | None = None
    """The pattern of that entry."""


class Detection(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"sender": "from"}):
    """One message as the list of `GET /investigate` shows it; `from` alone is called `sender`."""

    id: Text
    """The investigate id: opaque; every action names the message by it."""
    postfix_id: Text = ""
    """The mail server's id: reports and submissions name the message by it."""
    alert_id: Text | None = None
    """The id of its alert; benign mail has none."""
    message_id: Text | None = None
    """The RFC 5322 Message-ID header."""
    subject: Text | None = None
    """As the sender wrote it, decoded."""
    final_disposition: Text | None = None
    """The verdict: `MALICIOUS`, `MALICIOUS-BEC`, `SUSPICIOUS`, `SPOOF`, `SPAM`, `BULK`, `NONE`, or a new one."""
    client_recipients: tuple[Text, ...] = ()
    """Your mailboxes that got it: a move acts on all of them."""
    to: tuple[Text, ...] = ()
    """The addresses in the header, whoever really got it."""
    to_name: tuple[Text, ...] = ()
    """The names beside them."""
    sender: Text | None = None
    """The API's `from`: the address that a reader sees, and the sender's own claim."""
    from_name: Text | None = None
    """The name that a reader sees; anybody can write anything here."""
    replyto: Text | None = None
    """Where an answer goes, if not to `sender`."""
    envelope_from: Text | None = None
    """The address that the servers were told, to which bounces go."""
    envelope_to: tuple[Text, ...] = ()
    """The recipients that the servers were told."""
    threat_categories: tuple[Text, ...] = ()
    """Why the filter judged so, in its categories: `Credential Harvester`, `Business Email Compromise`, ..."""
    detection_reasons: tuple[Text, ...] = ()
    """Why the filter judged so, in its words."""
    delivery_mode: Text | None = None
    """How the filter came by it: `DIRECT`, `BCC`, `JOURNAL`, `API`, `RETRO_SCAN`, ..."""
    delivery_status: tuple[Text, ...] = ()
    """`delivered`, `moved`, `quarantined`, `rejected`, `deferred`, `bounced`, `queued` or `move_failed`, or several."""
    post_delivery_operations: tuple[Text, ...] = ()
    """What was done to it later, by anybody: `PREVIEW`, `QUARANTINE_RELEASE`, `SUBMISSION`, `MOVE`."""
    is_quarantined: bool = False
    """Whether it is held back from its recipients."""
    is_phish_submission: bool = False
    """Whether a user reported it."""
    edf_hash: Text | None = None
    """A fingerprint: messages with the same one are one campaign."""
    htmltext_structure_hash: Text | None = None
    """A fingerprint of how its HTML is built, which survives other words."""
    postfix_id_outbound: Text | None = None
    """The mail server's id on the way out."""
    smtp_helo_server_ip: Text | None = None
    """The server that handed it over."""
    smtp_previous_hop_ip: Text | None = None
    """The server before that one."""
    x_originating_ip: Text | None = None
    """Where the sender's program was, as a header claims."""
    scanned_at: datetime | None = None
    """When the filter looked at it."""
    sent_at: datetime | None = None
    """When it was sent, as its header claims."""
    validation: Validation = Validation()
    """Whether the mail proves its origin."""
    properties: Properties = Properties()
    """Which policy of yours touched it."""

    @property
    def sender_domain(self) -> str:
        """The lower-case domain of `sender`; of `envelope_from` where there is none; else empty."""
        return domain_of(self.sender) or domain_of(self.envelope_from)

    @property
    def recipient_domains(self) -> frozenset[str]:
        """The lower-case domains of `client_recipients`."""
        return frozenset(domain_of(address) for address in self.client_recipients)

    @property
    def is_malicious(self) -> bool:
        """Whether the verdict is MALICIOUS or one of its kinds, such as MALICIOUS-BEC."""
        return (self.final_disposition or "").startswith("MALICIOUS")

    @property
    def is_delivered(self) -> bool:
        """Whether the message reached at least one mailbox."""
        return "delivered" in self.delivery_status

    @property
    def has_moved(self) -> bool:
        """Whether anybody, the worker included, moved the message after its delivery."""
        return "MOVE" in self.post_delivery_operations or "moved" in self.delivery_status

    @property
    def details(self) -> Details | None:
        """What the filter found, for playbooks with `needs=["details"]`. Costs one request."""
        found: Details | None = self._fetched("details")
        return found

    @property
    def action_log(self) -> tuple[LogEntry, ...] | None:
        """What was done to the message, for playbooks with `needs=["action_log"]`. Costs one request."""
        found: tuple[LogEntry, ...] | None = self._fetched("action_log")
        return found

    @property
    def trace(self) -> Trace | None:
        """Its way through the mail servers, for playbooks with `needs=["trace"]`. Costs one request."""
        found: Trace | None = self._fetched("trace")
        return found

    @property
    def raw(self) -> Raw | None:
        """The message as it was sent, for playbooks with `needs=["raw"]`. Costs one request."""
        found: Raw | None = self._fetched("raw")
        return found

    @property
    def attachments(self) -> tuple[Attachment, ...] | None:
        """What is attached, for playbooks with `needs=["attachments"]`. Costs one request for the vendor's list.

        Where that lacks a hash or a name, one more for the message itself.
        """
        found: tuple[Attachment, ...] | None = self._fetched("attachments")
        return found

    def why_missing(self, need: str) -> str:
        """Why a need is None: `refused`, `gone`, `too_large` or `unreadable`, a colon and more words; else empty."""
        raise UnfetchedError(need)

    def _fetched(self, need: str) -> Any:
        """Of a message as the list shows it nothing has been fetched; `worker.model.known.Enriched` has more."""
        raise UnfetchedError(need)


class ReportFields(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename={"sender": "from"}):
    """What a PhishGuard report says of the message that it is about."""

    to: tuple[Text, ...] = ()
    """Who got it."""
    sender: Text | None = None
    """The API's `from`."""
    postfix_id: Text | None = None
    """The message's `postfix_id`."""
    occurred_at: datetime | None = None
    """When that was."""


class Tag(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A label that the PhishGuard team put on a report."""

    category: Text
    """What kind of label."""
    value: Text
    """What it says."""


class PhishReport(msgspec.Struct, frozen=True, kw_only=True):
    """One report of the PhishGuard team, joined with the message that it is about."""

    id: int
    """The report's number."""
    title: str = ""
    """The analysts' headline."""
    content: str = ""
    """The analysts' prose."""
    disposition: str | None = None
    """Their judgement, in the words of `final_disposition`."""
    priority: str | None = None
    """How urgent they find it, in words that are not documented."""
    fields: ReportFields = ReportFields()
    """What it says of the message."""
    tags: tuple[Tag, ...] = ()
    """The analysts' labels."""
    created_at: datetime | None = None
    """When it was written."""
    updated_at: datetime | None = None
    """When it was changed last; a changed report is decided on again."""
    message: Detection | None = None
    """The message, found by `fields.postfix_id`, or None where none could be found."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One request for another verdict, the team's (this worker's too) or a user's report, and what came of it."""

    submission_id: Text
    """Its id."""
    type: Text | None = None
    """`Team` or `User`."""
    requested_at: datetime | None = None
    """When it was asked for."""
    requested_by: Text | None = None
    """Who asked."""
    requested_disposition: Text | None = None
    """The verdict that was asked for."""
    original_disposition: Text | None = None
    """The verdict before."""
    original_postfix_id: Text | None = None
    """The message's `postfix_id`."""
    original_edf_hash: Text | None = None
    """The message's `edf_hash`."""
    subject: Text | None = None
    """The message's subject."""
    status: Text | None = None
    """How far the vendor has come, in words that are not documented."""
    customer_status: Text | None = None
    """`escalated`, `reviewed` or `unreviewed`: what your own people have done with it."""
    outcome: Text | None = None
    """What came of it, in words that are not documented."""
    outcome_disposition: Text | None = None
    """The vendor's judgement; None until there is one."""
    escalated_as: Text | None = None
    """Of a user's report that your team has passed on: as what."""
    escalated_at: datetime | None = None
    """When that was."""
    escalated_by: Text | None = None
    """Who did."""
    escalated_submission_id: Text | None = None
    """The submission that it became."""
    message: Detection | None = None
    """The message, found by `original_postfix_id`, or None where none could be found."""

    @property
    def is_user_report(self) -> bool:
        """Whether a user asked; else it was the team, or this worker."""
        return (self.type or "").upper() == "USER"

    @property
    def is_judged(self) -> bool:
        """Whether the vendor has come to a verdict."""
        return self.outcome_disposition is not None

    @property
    def is_refused(self) -> bool:
        """Whether the vendor's verdict is another one than was asked for."""
        return self.is_judged and self.outcome_disposition != self.requested_disposition


Event = Detection | PhishReport | Submission
EVENT_TYPES: tuple[type[Event], ...] = (Detection, PhishReport, Submission)


def message_of(event: Event) -> Detection | None:
    """The message that actions on the event concern: the event itself, or the one that it is about."""
    return event if isinstance(event, Detection) else event.message


def domain_of(address: str | None) -> str:
    """The lower-case part after the last `@`, without brackets and trailing dot; empty where there is none."""
    if not address or "@" not in address:
        return ""
    return address.rpartition("@")[2].strip().strip("<>").rstrip(".").lower()
