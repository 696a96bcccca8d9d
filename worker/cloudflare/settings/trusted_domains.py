"""Domains that are not suspicious for being new or alike (API reference, Email Security, Trusted domains)."""

from __future__ import annotations

from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled
from worker.cloudflare.collection import Batched, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane


class TrustedDomain(Setting, frozen=True, kw_only=True):
    """One domain, or a pattern of some."""

    pattern: str | None = None
    is_regex: bool | None = None
    is_recent: bool | None = None
    """May be newly registered."""
    is_similarity: bool | None = None
    """May look like one of ours."""
    comments: str | None = None


class NewTrustedDomain(Body, frozen=True, kw_only=True):
    """What a trusted domain needs."""

    pattern: Filled
    is_regex: bool
    is_recent: bool
    is_similarity: bool
    comments: Comment | UnsetType | None = UNSET


class TrustedDomainChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    pattern: Filled | UnsetType = UNSET
    is_regex: bool | UnsetType = UNSET
    is_recent: bool | UnsetType = UNSET
    is_similarity: bool | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET


class TrustedDomainQuery(Sorted, total=False):
    """Filters."""

    order: Literal["pattern", "created_at"]
    pattern: str
    is_recent: bool
    is_similarity: bool


class TrustedDomains(Batched[TrustedDomain, NewTrustedDomain, TrustedDomainChange, NewTrustedDomain]):
    """`settings.trusted_domains`."""

    path, row = "settings/trusted_domains", TrustedDomain

    def list(self, *, lane: Lane, **query: Unpack[TrustedDomainQuery]) -> Listing[TrustedDomain]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
