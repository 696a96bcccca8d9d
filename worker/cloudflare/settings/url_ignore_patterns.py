"""Links that are not followed (API reference, Email Security, URL ignore patterns)."""

from __future__ import annotations

from typing import Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled
from worker.cloudflare.collection import Collection
from worker.cloudflare.listing import Listing, Paged
from worker.cloudflare.wire import Setting
from worker.ports import Lane


class UrlIgnorePattern(Setting, frozen=True, kw_only=True):
    """One pattern."""

    pattern: str | None = None
    comments: str | None = None


class NewUrlIgnorePattern(Body, frozen=True, kw_only=True):
    """What a pattern needs."""

    pattern: Filled
    comments: Comment | UnsetType | None = UNSET


class UrlIgnorePatternChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    pattern: Filled | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET


class UrlIgnorePatterns(Collection[UrlIgnorePattern, NewUrlIgnorePattern, UrlIgnorePatternChange]):
    """`settings.url_ignore_patterns`; it has no filters and no batch."""

    path, row = "settings/url_ignore_patterns", UrlIgnorePattern

    def list(self, *, lane: Lane, **query: Unpack[Paged]) -> Listing[UrlIgnorePattern]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
