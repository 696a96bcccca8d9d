"""What is sent: structs that are checked against their own annotations before anything leaves the worker."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

MAX_PATTERN = 1024
"""Characters of a pattern or comment (API reference, allow policies)."""

Disposition = Literal["MALICIOUS", "SUSPICIOUS", "SPOOF", "SPAM", "BULK", "NONE"]
"""Verdicts that can be asked for; `Verdict` also has those that can only be met."""
Verdict = Literal[
    "MALICIOUS",
    "MALICIOUS-BEC",
    "SUSPICIOUS",
    "SPOOF",
    "SPAM",
    "BULK",
    "ENCRYPTED",
    "EXTERNAL",
    "UNKNOWN",
    "NONE",
]
Destination = Literal[
    "Inbox", "JunkEmail", "DeletedItems", "RecoverableItemsDeletions", "RecoverableItemsPurges"
]
DeliveryStatus = Literal[
    "delivered", "moved", "quarantined", "rejected", "deferred", "bounced", "queued", "move_failed"
]
MessageAction = Literal["PREVIEW", "QUARANTINE_RELEASED", "MOVED"]
"""As the filters spell it; rows say MOVE and QUARANTINE_RELEASE."""
PatternType = Literal["EMAIL", "DOMAIN", "IP"]
"""UNKNOWN can be met, and asked for no more."""
Direction = Literal["asc", "desc"]

Filled = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=MAX_PATTERN)]
"""Neither empty nor blank: an empty pattern may mean everything to a server."""
Comment = Annotated[str, msgspec.Meta(max_length=MAX_PATTERN)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A field that is UNSET is left out; None is sent as null."""


def plain(body: Body) -> dict[str, Any]:
    """The body as JSON has it.

    Raises:
        ValueError: a value that its annotation does not allow; nothing has been sent.
    """
    values: dict[str, Any] = msgspec.to_builtins(body)
    msgspec.convert(values, type(body))
    return values


def changes(body: Body) -> dict[str, Any]:
    """The body of a PATCH, which must change something."""
    values = plain(body)
    if not values:
        raise ValueError("nothing is to be changed: set at least one field")
    return values
