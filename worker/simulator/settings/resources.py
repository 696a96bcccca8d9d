"""The settings resources, one description each: bodies, filters, orders, what is peculiar.

A new resource, field or filter is a line here, in `bodies` or in `filters`; nothing else knows the resources one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import msgspec

from worker.simulator.rows import parse_rfc3339

from . import bodies, checks, filters
from .bodies import Body, partial

_SETTLED_MS = 60_000
"""How long a new domain is pending."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind of settings; `new` is the body of a POST."""

    name: str
    id_name: str
    new: type[Body]
    params: type[filters.ListParams]
    put: type[Body] | None = None
    """The body of a PUT, also inside a batch; None: as `new`."""
    replaceable: bool = False
    """Whether there is a PUT of one entry, not only inside a batch."""
    batch: Literal["all", "deletes"] | None = None
    atomic: bool = True
    """Whether a batch that fails leaves nothing behind."""
    clearable: bool = False
    """Whether DELETE without an id deletes all."""
    never_null: tuple[str, ...] = ()
    """Fields that a PATCH cannot empty, although a POST may leave them out."""
    check: Callable[[checks.Entry | None, checks.Entry], None] = checks.check_nothing
    """Raises ValueError for an entry (before, after) that the vendor refuses."""
    added: Mapping[str, Any] = field(default_factory=dict)
    """Fields of an answer that cannot be sent, with the values of a new entry."""
    shown: Callable[[dict[str, Any], int], dict[str, Any]] = lambda entry, _now_ms: entry
    """What time makes of an entry: (entry, milliseconds since 1970) to the entry that is shown."""
    matched: Mapping[str, Callable[[Any, dict[str, Any]], bool]] = field(default_factory=dict)
    """Filters that are more than equality: (wanted, entry) to whether it matches."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Deprecated fields of an answer, each with the one that holds its value today."""

    @property
    def whole(self) -> type[Body]:
        """The body of a PUT."""
        return self.put or self.new

    @cached_property
    def part(self) -> type[msgspec.Struct]:
        """The body of a PATCH."""
        return partial(self.whole, never_null=self.never_null)


def _shown_domain(entry: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """The vendor's documents show the status in lower case, its SDK in upper case: here a domain keeps to one."""
    age = now_ms - parse_rfc3339(entry["created_at"])
    status = "ACTIVE" if age >= _SETTLED_MS else "PENDING"
    return entry | {"status": status.lower() if is_lower(entry["id"]) else status}


def is_lower(domain_id: str) -> bool:
    """Whether a domain's status is shown in lower case."""
    return int(domain_id[-1], 16) % 2 == 1


RESOURCES = (
    Resource(
        name="allow_policies",
        id_name="policy_id",
        new=bodies.AllowPolicy,
        params=filters.AllowParams,
        replaceable=True,
        batch="all",
        check=checks.check_pattern,
        renamed={
            "is_recipient": "is_exempt_recipient",
            "is_sender": "is_trusted_sender",
            "is_spoof": "is_acceptable_sender",
        },
    ),
    Resource(
        name="block_senders",
        id_name="pattern_id",
        new=bodies.BlockSender,
        params=filters.TypedPatternParams,
        batch="all",
        check=checks.check_pattern,
    ),
    Resource(
        name="trusted_domains",
        id_name="trusted_domain_id",
        new=bodies.TrustedDomain,
        params=filters.TrustedParams,
        batch="all",
    ),
    Resource(
        name="content_policies",
        id_name="policy_id",
        new=bodies.ContentPolicy,
        params=filters.ContentParams,
        batch="all",
    ),
    Resource(
        name="sending_domain_restrictions",
        id_name="sending_domain_restriction_id",
        new=bodies.SendingDomainRestriction,
        params=filters.RestrictionParams,
        batch="deletes",
    ),
    Resource(
        name="url_ignore_patterns",
        id_name="pattern_id",
        new=bodies.UrlIgnorePattern,
        params=filters.ListParams,
    ),
    Resource(
        name="impersonation_registry",
        id_name="impersonation_registry_id",
        new=bodies.ImpersonationEntry,
        params=filters.RegistryParams,
        check=checks.check_not_synced,
    ),
    Resource(
        name="domains",
        id_name="domain_id",
        new=bodies.Domain,
        put=bodies.DomainSettings,
        params=filters.DomainParams,
        replaceable=True,
        batch="all",
        atomic=False,
        clearable=True,
        never_null=("lookback_hops", "require_tls_inbound", "require_tls_outbound", "transport"),
        added={
            "authorization": None,
            "dmarc_status": "none",
            "spf_status": "none",
            "emails_processed": None,
            "inbox_provider": "Microsoft",
            "o365_tenant_id": None,
        },
        shown=_shown_domain,
        matched={
            "domain": lambda wanted, entry: entry["domain"] in wanted,
            "status": lambda wanted, entry: entry["status"].upper() == wanted,
            "active_delivery_mode": lambda wanted, entry: wanted in entry["allowed_delivery_modes"][:1],
            "allowed_delivery_mode": lambda wanted, entry: wanted in entry["allowed_delivery_modes"],
        },
    ),
)
"""In the order in which the vendor lists them."""
