"""The settings that a tenant has from the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from worker.simulator.mailworld import CHIEF, CORP, NAMES, PARTNER, STAFF
from worker.simulator.rows import to_rfc3339

from .collection import Collection, Entry
from .resources import is_lower

_DAY_MS = 24 * 3600 * 1000
_DIRECTORY = "SNOOPY-OFFICE_365"

_GIVEN: Mapping[str, tuple[dict[str, Any], ...]] = {
    "allow_policies": (
        {
            "pattern": PARTNER, "pattern_type": "EMAIL", "is_regex": False, "is_trusted_sender": False,
            "is_exempt_recipient": False, "is_acceptable_sender": True, "verify_sender": True,
            "comments": "Invoices of our partner",
        },
        {
            "pattern": "legacy-gateway", "pattern_type": "UNKNOWN", "is_regex": False, "is_trusted_sender": True,
            "is_exempt_recipient": False, "is_acceptable_sender": False, "verify_sender": False, "comments": None,
        },
    ),
    "block_senders": (
        {"pattern": "lottery-club.example", "pattern_type": "DOMAIN", "is_regex": False, "comments": "Spam"},
        {"pattern": r".*@.*\.invalid", "pattern_type": "EMAIL", "is_regex": True, "comments": None},
        {"pattern": "203.0.113.0/28", "pattern_type": "IP", "is_regex": False, "comments": "Old campaign"},
    ),
    "trusted_domains": (
        {
            "pattern": "corp-newsletter.example", "is_regex": False, "is_recent": True, "is_similarity": True,
            "comments": "Ours, though it looks like somebody else's",
        },
    ),
    "content_policies": (
        {
            "name": "Gift cards", "pattern": "gift card", "targets": ["SUBJECT", "BODY"], "enabled": True,
            "notes": None,
        },
    ),
    "sending_domain_restrictions": (
        {"domain": "bank.example", "exclude": ["news.bank.example"], "comments": "TLS or nothing"},
    ),
    "url_ignore_patterns": ({"pattern": "https://unsubscribe.example/*", "comments": None},),
    "impersonation_registry": (
        {
            "name": CHIEF, "email": f"grace.kim@{CORP}", "is_email_regex": False, "comments": "Chief executive",
            "directory_id": None, "directory_node_id": None, "external_directory_node_id": None,
            "provenance": "A1S_INTERNAL",
        },
        *(
            {
                "name": name, "email": address, "is_email_regex": False, "comments": None, "directory_id": 1,
                "directory_node_id": number, "external_directory_node_id": None, "provenance": _DIRECTORY,
            }
            for number, (name, address) in enumerate(zip(NAMES[:3], STAFF[:3], strict=True), start=1)
        ),
    ),
    "domains": tuple(
        {
            "domain": name, "allowed_delivery_modes": modes, "drop_dispositions": ["MALICIOUS"],
            "ip_restrictions": [], "regions": ["GLOBAL"], "folder": "AllItems" if "API" in modes else None,
            "integration_id": None, "lookback_hops": 2, "require_tls_inbound": True,
            "require_tls_outbound": False, "transport": f"mail.{name}", "dmarc_status": "good",
            "spf_status": "good",
        }
        for name, modes in (
            (CORP, ["DIRECT"]),
            (f"eu.{CORP}", ["API", "RETRO_SCAN"]),
            (f"old.{CORP}", ["BCC", "JOURNAL"]),
        )
    ),
}  # fmt: skip


def furnish(collection: Collection) -> None:
    """Puts in what was there before the start, a day between two entries."""
    given = _GIVEN[collection.resource.name]
    now_ms = int(collection.clock() * 1000)
    entries: dict[str, Entry] = {}
    for number, fields in enumerate(given):
        at = to_rfc3339(now_ms - (len(given) - number) * _DAY_MS)
        name = _draw_id(collection, lower=number % 2 == 1)
        dates = {"id": name, "created_at": at, "modified_at": at}
        entries[name] = dates | dict(collection.resource.added) | fields
    collection.entries = entries


def _draw_id(collection: Collection, *, lower: bool) -> str:
    """An id; with those of domains both spellings of their status are there from the start."""
    while is_lower(name := collection.draw_id()) != lower:
        pass
    return name
