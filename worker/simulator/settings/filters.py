"""The parameters with which each settings resource is listed."""

from __future__ import annotations

from typing import Literal

from worker.simulator.paging import Paging

from .bodies import DeliveryMode, PatternType, Provenance


class ListParams(Paging, frozen=True, kw_only=True):
    """Parameters of every list; what a subclass adds has to equal the entry's field of that name."""

    direction: Literal["asc", "desc"] = "asc"
    order: str = "created_at"
    search: str | None = None


class PatternParams(ListParams, frozen=True, kw_only=True):
    """Entries with a pattern."""

    order: Literal["pattern", "created_at"] = "created_at"
    pattern: str | None = None


class TypedPatternParams(PatternParams, frozen=True, kw_only=True):
    """Entries whose pattern has a type."""

    pattern_type: PatternType | None = None


class AllowParams(TypedPatternParams, frozen=True, kw_only=True):
    """Allow policies."""

    is_acceptable_sender: bool | None = None
    is_exempt_recipient: bool | None = None
    is_trusted_sender: bool | None = None
    verify_sender: bool | None = None


class TrustedParams(PatternParams, frozen=True, kw_only=True):
    """Trusted domains."""

    is_recent: bool | None = None
    is_similarity: bool | None = None


class ContentParams(ListParams, frozen=True, kw_only=True):
    """Content policies."""

    order: Literal["name", "created_at"] = "created_at"
    enabled: bool | None = None
    name: str | None = None


class RestrictionParams(ListParams, frozen=True, kw_only=True):
    """Sending-domain restrictions."""

    order: Literal["domain", "created_at"] = "created_at"


class RegistryParams(ListParams, frozen=True, kw_only=True):
    """Impersonation registry."""

    order: Literal["name", "email", "created_at"] = "created_at"
    provenance: Provenance | None = None


class DomainParams(RestrictionParams, frozen=True, kw_only=True):
    """Domains."""

    domain: tuple[str, ...] | None = None
    status: Literal["PENDING", "ACTIVE", "FAILED", "TIMEOUT"] | None = None
    integration_id: str | None = None
    active_delivery_mode: DeliveryMode | None = None
    allowed_delivery_mode: DeliveryMode | None = None
