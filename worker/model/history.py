"""What the worker did before, as far as a playbook may know of it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

HISTORY_LIMIT = 20
"""The most past actions that a playbook is shown of one message, and of one sender."""
SENDER_DAYS = 30
"""How far the history of a sender reaches back: as far as the vendor's own, unless asked otherwise."""


class PastAction(msgspec.Struct, frozen=True):
    """Something that the worker did, or wanted to do, before."""

    kind: str
    """Such as `move`."""
    target: str
    """The folder, verdict or pattern; empty where the kind has none."""
    state: str
    """Where it stands, such as `succeeded`: docs/runbook.md has all states."""
    playbook: str
    """The playbook's id."""
    at: datetime
    """When it came to that state."""


class History(NamedTuple):
    """Past actions, newest first: on a message, and because of other mail of the same sender."""

    message: tuple[PastAction, ...] = ()
    sender: tuple[PastAction, ...] = ()


NO_HISTORY = History()


def recorded(context: Mapping[str, Any]) -> History:
    """The histories of a context as the log keeps it.

    Raises:
        msgspec.ValidationError: they are none.
    """
    own, others = (context.get(name, ()) for name in ("history", "sender_history"))
    past = tuple[PastAction, ...]
    return History(msgspec.convert(own, past), msgspec.convert(others, past))
