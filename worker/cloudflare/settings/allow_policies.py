"""Mail that is let through (API reference, Email Security, Allow policies). Each of these opens a hole on purpose."""

from __future__ import annotations

from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled, PatternType
from worker.cloudflare.collection import Batched, Replaceable, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane


class AllowPolicy(Setting, frozen=True, kw_only=True):
    """One policy."""

    pattern: str | None = None
    pattern_type: str | None = None
    is_regex: bool | None = None
    is_acceptable_sender: bool | None = None
    """Passes as spam, spoof or bulk alone."""
    is_exempt_recipient: bool | None = None
    """Nothing to this recipient is looked at."""
    is_trusted_sender: bool | None = None
    """Nothing from this sender is looked at, and no link is followed."""
    verify_sender: bool | None = None
    comments: str | None = None


class NewAllowPolicy(Body, frozen=True, kw_only=True):
    """What a policy needs. An IP must be a public one."""

    pattern: Filled
    pattern_type: PatternType
    is_regex: bool
    is_acceptable_sender: bool
    is_exempt_recipient: bool
    is_trusted_sender: bool
    verify_sender: bool
    comments: Comment | UnsetType | None = UNSET


class AllowPolicyChange(Body, frozen=True, kw_only=True):
    """What of a policy is to change."""

    pattern: Filled | UnsetType = UNSET
    pattern_type: PatternType | UnsetType = UNSET
    is_regex: bool | UnsetType = UNSET
    is_acceptable_sender: bool | UnsetType = UNSET
    is_exempt_recipient: bool | UnsetType = UNSET
    is_trusted_sender: bool | UnsetType = UNSET
    verify_sender: bool | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET


class AllowPolicyQuery(Sorted, total=False):
    """Filters."""

    order: Literal["pattern", "created_at"]
    pattern: str
    pattern_type: PatternType
    is_acceptable_sender: bool
    is_exempt_recipient: bool
    is_trusted_sender: bool
    verify_sender: bool


class AllowPolicies(
    Batched[AllowPolicy, NewAllowPolicy, AllowPolicyChange, NewAllowPolicy],
    Replaceable[AllowPolicy, NewAllowPolicy, AllowPolicyChange, NewAllowPolicy],
):
    """`settings.allow_policies`."""

    path, row = "settings/allow_policies", AllowPolicy

    def list(self, *, lane: Lane, **query: Unpack[AllowPolicyQuery]) -> Listing[AllowPolicy]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
