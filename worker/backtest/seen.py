"""One event of the past, with what is known of it today."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.model.enrichment import LogEntry
from worker.model.known import Known
from worker.model.plans import Sighting

OPERATIONS = {"MOVE": "move", "QUARANTINE_RELEASE": "release", "SUBMISSION": "submit"}
"""What people do to messages in the vendor's words, and the kind of action that is the same."""


class Deed(NamedTuple):
    """Something that somebody else than the worker did to a message. `target` is empty where it is not known."""

    kind: str
    target: str = ""
    by: str = ""


class Seen(NamedTuple):
    """An event and when the worker came to see it, or would have (seconds since the epoch)."""

    sighting: Sighting
    at: float
    known: Known | None = None
    deeds: tuple[Deed, ...] | None = None
    """What people did to its message; None where nobody can tell."""


def deeds_of(log: Sequence[LogEntry]) -> tuple[Deed, ...]:
    """What the vendor's log tells of people, each once; what failed is left out."""
    told = (
        Deed(
            OPERATIONS[entry.operation],
            entry.folder or entry.requested_disposition or "",
            entry.requested_by or "",
        )
        for entry in log
        if entry.operation in OPERATIONS and entry.success is not False
    )
    return tuple(dict.fromkeys(told))
