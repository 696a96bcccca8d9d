"""A decision as the log recorded it, to be made again, and what that showed. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


class Replayed(StrEnum):
    """What became of one recorded decision when it was to be made again."""

    SAME = "same"
    DIFFERENT = "different"
    EVIDENCE_CHANGED = "evidence_changed"
    """The evidence is not what was seen then: somebody wrote to it."""
    VERSION_GONE = "version_gone"
    """The playbook is there no more, or in another version."""
    LISTS_CHANGED = "lists_changed"
    """The playbook looks at lists, and they are not what they were."""
    EVIDENCE_GONE = "evidence_gone"
    """Too old: it is not kept any more."""
    SEEN_AGAIN = "seen_again"
    """The message came again under the same verdict: the later sight is what is kept."""


WRONG = (Replayed.DIFFERENT, Replayed.EVIDENCE_CHANGED)
"""What must not be."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One recorded decision: an action on the event's message and the playbooks, with versions, that wanted it."""

    seq: int
    action_id: str
    kind: str
    params: Mapping[str, Any]
    reason: str
    playbooks: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PastDecision:
    """Everything that was decided on one event at one time, with what it was decided on."""

    source: str
    key: str
    revision: str
    message_id: str | None
    at: str
    digest: str
    """SHA-256 of the evidence as it was seen."""
    context: Mapping[str, Any] | None
    wanted: tuple[Wanted, ...]
    body: str = ""
    """The evidence."""
    enrichment_sha256: str | None = None
    """SHA-256 of what was fetched for the decision, where something was."""
    enrichment: str = ""
    """That, as it is stored."""
    spoiled: Replayed | None = None
    """Why the evidence cannot be decided on again, where it cannot."""


class Judgement(NamedTuple):
    """What the replay of one recorded decision showed."""

    seq: int
    action_id: str
    result: Replayed
    detail: str = ""
