"""From a claimed call to the outcome of each of its actions. Pure values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from worker.model.actions import State


class Item(msgspec.Struct, frozen=True, gc=False):
    """One action as its executor needs it. Times are seconds since the epoch."""

    action_id: str
    message_id: str
    rfc_message_id: str | None
    postfix_id: str
    recipients: tuple[str, ...]
    kind: str
    target: str
    params: Mapping[str, Any]
    attempts: int
    is_submission: bool = False
    verdict: str | None = None
    message_from: float | None = None
    message_until: float | None = None
    submitted_at: float | None = None
    approved_at: float | None = None
    read_backs: int = 0
    refusals: int = 0
    cause: str = ""
    source: str = ""
    playbook: str = ""
    playbook_version: str = ""
    origin: str | None = None
    """What an earlier look has found: the folder that the message was in, or what another kind acts on."""
    reason: str = ""
    error: str | None = None
    """What is written of it now. Given, like `origin`, where it is looked at; with `reason` where it is completed."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One request that was recorded before it is sent; `id` is the fencing token."""

    id: str
    kind: str
    target: str
    items: tuple[Item, ...]
    submitted_at: float
    lease_until: float
    send_by: float = math.inf
    """Until when it may be sent, by the clock that nobody sets."""


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one action; `due_in` seconds until it is looked at again, None for never."""

    action_id: str
    state: State
    error: str | None = None
    due_in: float | None = None
    batch: int | None = None
    """How many messages may share its next call, where a refused bulk call is split."""
    detail: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """What was seen, for the audit log."""
    made: str | None = None
    """The vendor's id of the entry that it has made."""
    comments: str = ""
    """What that entry says of itself: a person who changes it takes the entry over."""


class Answered(msgspec.Struct, frozen=True, gc=False):
    """The outcomes of one call and what the audit log keeps of the answer."""

    outcomes: tuple[Outcome, ...]
    event: str
    """The log's `event.action`: call.answered, call.lost, call.refused, call.split, call.not_sent."""
    status: int | None = None
    ray: str | None = None
    error: str | None = None


def bare(message_id: str | None) -> str:
    """A Message-ID without brackets and spaces, which the vendor's answers leave out or not."""
    return (message_id or "").strip().strip("<>").strip()
