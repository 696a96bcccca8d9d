"""Senders whose mail is blocked (API reference, Email Security, Block senders)."""

from __future__ import annotations

from typing import Literal, Unpack

from msgspec import UNSET, UnsetType

from worker.cloudflare.bodies import Body, Comment, Filled, PatternType
from worker.cloudflare.collection import Batched, Sorted
from worker.cloudflare.listing import Listing
from worker.cloudflare.wire import Setting
from worker.ports import Lane


class BlockSender(Setting, frozen=True, kw_only=True):
    """One pattern."""

    pattern: str | None = None
    pattern_type: str | None = None
    is_regex: bool | None = None
    comments: str | None = None


class NewBlockSender(Body, frozen=True, kw_only=True):
    """What a pattern needs."""

    pattern: Filled
    pattern_type: PatternType
    is_regex: bool
    comments: Comment | UnsetType | None = UNSET


class BlockSenderChange(Body, frozen=True, kw_only=True):
    """What of a pattern is to change."""

    pattern: Filled | UnsetType = UNSET
    pattern_type: PatternType | UnsetType = UNSET
    is_regex: bool | UnsetType = UNSET
    comments: Comment | UnsetType | None = UNSET


class BlockSenderQuery(Sorted, total=False):
    """Filters."""

    order: Literal["pattern", "created_at"]
    pattern: str
    pattern_type: PatternType


class BlockSenders(Batched[BlockSender, NewBlockSender, BlockSenderChange, NewBlockSender]):
    """`settings.block_senders`."""

    path, row = "settings/block_senders", BlockSender

    def list(self, *, lane: Lane, **query: Unpack[BlockSenderQuery]) -> Listing[BlockSender]:
        """Awaited a page, iterated all."""
        return self._list(query, lane)
