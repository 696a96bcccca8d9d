"""The people, texts and habits from which simulated mail is drawn. All domains are reserved (RFC 2606)."""

from __future__ import annotations

from typing import NamedTuple

CORP = "corp.example"
PARTNER = "billing@partner.example"
"""An allow-listed partner whose mail always passes DMARC, and which nevertheless is sometimes quarantined."""
SCANNER = "scans@office-printers.example"
"""Sends web pages as attachments; in scenes only."""
CARRIER = "desk@parcel-service.example"
"""Sends links that show another site than they lead to; in scenes only."""

SHARED_MAILBOXES = (f"info@{CORP}", f"support@{CORP}")
NAMES = (
    "Ada Osei", "Ben Fischer", "Carla Moreno", "Dmitri Ivanov", "Emma Larsen", "Farid Haddad",
    "Grace Kim", "Hugo Martin", "Ines Rocha", "Jonas Weber", "Keiko Tanaka", "Liam Murphy",
    "Maria Rossi", "Noah Cohen", "Olga Novak", "Priya Nair",
)  # fmt: skip
STAFF = tuple(f"{name.lower().replace(' ', '.')}@{CORP}" for name in NAMES)
CHIEF = "Grace Kim"


class Habit(NamedTuple):
    """How mail of one verdict looks.

    `senders` are (address, display name); `authentication` is (spf, dkim, dmarc); `deliveries` are delivery
    statuses to draw from, so that a repeated one is likelier.
    """

    senders: tuple[tuple[str, str], ...]
    subjects: tuple[str, ...]
    authentication: tuple[str, str, str]
    deliveries: tuple[str, ...]
    categories: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


CLEAN = Habit(
    senders=(
        (PARTNER, "Partner Billing"),
        ("orders@supplier.example", "Supplier Orders"),
        ("lena.brandt@customer.example", "Lena Brandt"),
        ("noreply@calendar.example", "Calendar"),
        *((address, name) for address, name in zip(STAFF[:6], NAMES[:6], strict=True)),
    ),
    subjects=(
        "Re: Meeting notes {n}", "Invoice {n}", "Order {n} confirmed", "Quarterly figures", "Lunch today?",
        "Minutes of the {n}th steering committee", "Ticket {n} was updated", "Updated contract draft",
    ),
    authentication=("pass", "pass", "pass"),
    deliveries=("delivered",),
)  # fmt: skip
FALSE_POSITIVE = CLEAN._replace(
    senders=((PARTNER, "Partner Billing"),),
    subjects=("Invoice {n}", "Statement of account {n}", "Payment reminder for invoice {n}"),
    deliveries=("quarantined",),
    categories=("Spam",),
    reasons=("Bulk-like wording in body",),
)
"""Wanted mail with a wrong verdict: the case for a release."""

HABITS: dict[str, Habit] = {
    "MALICIOUS": Habit(
        senders=(
            ("security@account-alerts.example", "Account Security"),
            ("docs@sharefile-login.example", "Shared Document"),
            ("voicemail@pbx-notify.example", "Voice Mail"),
            ("hr@payroll-update.example", "Human Resources"),
        ),
        subjects=(
            "Your mailbox is full",
            "Password expires today",
            "New voice message ({n} s)",
            "Document {n} shared with you",
            "Action required: verify account {n}",
            "Payroll change needs your signature",
        ),
        authentication=("pass", "none", "none"),
        deliveries=("quarantined",) * 6 + ("delivered",) * 3 + ("rejected",),
        categories=("Credential Harvester", "Malicious Link"),
        reasons=("Link to a known credential harvester", "Newly registered domain"),
    ),
    "MALICIOUS-BEC": Habit(
        senders=(("ceo.office@freemail.example", CHIEF), ("g.kim.private@freemail.example", CHIEF)),
        subjects=("Are you available?", "Urgent wire transfer", "Change of bank details", "Quick favour"),
        authentication=("pass", "pass", "pass"),
        deliveries=("delivered", "delivered", "quarantined"),
        categories=("Business Email Compromise",),
        reasons=("Display name of a protected person with an unknown address",),
    ),
    "SUSPICIOUS": Habit(
        senders=(
            ("contact@new-venture.example", "New Venture"),
            ("admin@parcel-track.example", "Parcel Service"),
        ),
        subjects=(
            "Your parcel {n} is waiting",
            "Business proposal",
            "Please review {n}",
            "Unpaid customs fee",
        ),
        authentication=("neutral", "none", "none"),
        deliveries=("delivered", "delivered", "quarantined"),
        categories=("Suspicious Link",),
        reasons=("Link to a newly seen domain",),
    ),
    "SPOOF": Habit(
        senders=((f"grace.kim@{CORP}", CHIEF), (f"it@{CORP}", "IT Service"), (PARTNER, "Partner Billing")),
        subjects=(
            "Invoice {n} overdue",
            "Updated bank details for invoice {n}",
            "IT: password reset {n}",
            "Confidential",
        ),
        authentication=("fail", "fail", "fail"),
        deliveries=("delivered", "quarantined"),
        categories=("Spoof",),
        reasons=("DMARC failed for a domain that publishes reject",),
    ),
    "SPAM": Habit(
        senders=(
            ("offers@cheap-deals.example", "Cheap Deals"),
            ("win@lottery-club.example", "Lottery Club"),
            ("sales@toner-king.example", "Toner King"),
        ),
        subjects=(
            "Save {n} % today",
            "You have won",
            "Toner at half price",
            "Last chance, offer {n}",
            "SEO for your site",
        ),
        authentication=("pass", "none", "neutral"),
        deliveries=("delivered", "quarantined"),
        categories=("Spam",),
        reasons=("Wording of known spam campaigns",),
    ),
    "BULK": Habit(
        senders=(("news@daily-brief.example", "Daily Brief"), ("events@trade-fair.example", "Trade Fair")),
        subjects=("Daily brief no. {n}", "Newsletter of the week", "Register now: trade fair {n}"),
        authentication=("pass", "pass", "pass"),
        deliveries=("delivered",),
        categories=("Bulk",),
        reasons=("List-Unsubscribe header",),
    ),
}
"""Habits by verdict; every other verdict looks like clean mail."""
