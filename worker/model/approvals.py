"""What an approval is bound to: the exact actions as the person saw them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

BOUND = ("id", "account_id", "message_id", "kind", "target", "params", "cause")
"""Columns of an action that say what will be sent; if one of them changes, the approval is void."""

_encode = msgspec.json.Encoder().encode


def action_digest(bound: Sequence[str]) -> str:
    """SHA-256 in hex over what would be sent for one action: its values of BOUND, in that order."""
    return sha256(_encode(bound)).hexdigest()


def set_digest(digests: Iterable[str]) -> str:
    """SHA-256 in hex over a set of actions, in whatever order they come."""
    return sha256(_encode(sorted(digests))).hexdigest()
