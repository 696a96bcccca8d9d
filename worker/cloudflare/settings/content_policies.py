"""Patterns in subjects and bodies (API reference, Email Security, Content policies)."""

from __future__ import annotations

from typing import Annotated, Literal, Unpack

from msgspec import UNSET, Meta, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled
from worker.cloudflare.collection import Batched, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane

Targets = Annotated[tuple[Literal["SUBJECT", "BODY"], ...], Meta(min_length=1)]


class ContentPolicy(Setting, frozen=True, kw_only=True):
    """One policy."""

    name: str | None = None
    pattern: str | None = None
    targets: tuple[str, ...] = ()
    enabled: bool | None = None
    notes: str | None = None


class NewContentPolicy(Body, frozen=True, kw_only=True):
    """What a policy needs."""

    name: Filled
    pattern: Filled
    targets: Targets
    enabled: bool
    notes: Comment | UnsetType | None = UNSET


class ContentPolicyChange(Body, frozen=True, kw_only=True):
    """What of it is to change."""

    name: Filled | UnsetType = UNSET
    pattern: Filled | UnsetType = UNSET
    targets: Targets | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    notes: Comment | UnsetType | None = UNSET


class ContentPolicyQuery(Sorted, total=False):
    """Filters."""

    order: Literal["name", "created_at"]
    name: str
    enabled: bool


class ContentPolicies(Batched[ContentPolicy, NewContentPolicy, ContentPolicyChange, NewContentPolicy]):
    """`settings.content_policies`."""

    path, row = "settings/content_policies", ContentPolicy

    def list(self, *, lane: Lane, **query: Unpack[ContentPolicyQuery]) -> Listing[ContentPolicy]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
