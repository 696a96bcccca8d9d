"""What a client may send for an entry of each settings resource, as the vendor's OpenAPI description has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from worker.simulator.rows import Verdict

Text = Annotated[str, msgspec.Meta(max_length=1024)]
PatternType = Literal["EMAIL", "DOMAIN", "IP", "UNKNOWN"]
DeliveryMode = Literal["DIRECT", "BCC", "JOURNAL", "API", "RETRO_SCAN"]
Provenance = Literal["A1S_INTERNAL", "SNOOPY-CASB_OFFICE_365", "SNOOPY-OFFICE_365", "SNOOPY-GOOGLE_DIRECTORY"]


class Body(msgspec.Struct):
    """A whole entry without what the vendor adds; unknown fields are ignored."""


class AllowPolicy(Body, kw_only=True):
    """Whose mail is let through."""

    pattern: Text
    pattern_type: PatternType
    is_regex: bool
    is_trusted_sender: bool
    is_exempt_recipient: bool
    is_acceptable_sender: bool
    verify_sender: bool
    comments: Text | None = None


class BlockSender(Body, kw_only=True):
    """Whose mail is blocked."""

    pattern: Text
    pattern_type: PatternType
    is_regex: bool
    comments: Text | None = None


class TrustedDomain(Body, kw_only=True):
    """A domain that may be new, or look like another one."""

    pattern: Text
    is_regex: bool
    is_recent: bool
    is_similarity: bool
    comments: Text | None = None


class ContentPolicy(Body, kw_only=True):
    """A pattern in subject or body."""

    name: str
    pattern: Text
    targets: list[Literal["SUBJECT", "BODY"]]
    enabled: bool
    notes: Text | None = None


class SendingDomainRestriction(Body, kw_only=True):
    """A domain whose mail has to come over TLS."""

    domain: str
    exclude: list[str]
    comments: Text | None = None


class UrlIgnorePattern(Body, kw_only=True):
    """Links that are not followed."""

    pattern: Text
    comments: Text | None = None


class ImpersonationEntry(Body, kw_only=True):
    """A person who is protected from impersonation."""

    name: Text
    email: Text
    is_email_regex: bool
    comments: Text | None = None
    directory_id: int | None = None
    directory_node_id: int | None = None
    external_directory_node_id: str | None = None
    provenance: Provenance | None = None


class DomainSettings(Body, kw_only=True):
    """How a protected domain gets its mail; its name cannot be changed."""

    allowed_delivery_modes: list[DeliveryMode]
    drop_dispositions: list[Verdict]
    ip_restrictions: list[str]
    regions: list[Literal["GLOBAL", "AU", "DE", "IN", "US"]]
    folder: Literal["AllItems", "Inbox"] | None = None
    integration_id: str | None = None
    lookback_hops: Annotated[int, msgspec.Meta(ge=1, le=20)] | None = None
    require_tls_inbound: bool | None = None
    require_tls_outbound: bool | None = None
    transport: str | None = None


class Domain(DomainSettings, kw_only=True):
    """A domain to protect."""

    domain: str


def partial(kind: type[Body], *, never_null: tuple[str, ...] = ()) -> type[msgspec.Struct]:
    """The body of a PATCH: the same fields, of which only those that are sent are changed."""
    fields: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(kind):
        known = [
            one for one in _alternatives(field.type) if one is not type(None) or field.name not in never_null
        ]
        kinds: Any = msgspec.UnsetType
        for one in known:
            kinds = kinds | one
        fields.append((field.name, kinds, msgspec.UNSET))
    return msgspec.defstruct(f"{kind.__name__}Patch", fields, kw_only=True)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__args__", ()) if type(None) in getattr(kind, "__args__", ()) else (kind,)
