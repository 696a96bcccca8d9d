"""What has been fetched about one message, what could not be had and why, and how a playbook sees it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, Self

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, replace

from worker.model.enrichment import Attachment, Details, LogEntry, Raw, Trace
from worker.model.events import Detection, Event
from worker.model.needs import NEEDS, UnfetchedError

REFUSED, GONE, TOO_LARGE, UNREADABLE = "refused", "gone", "too_large", "unreadable"
"""The first word of why something is missing for good."""


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched, as it is stored; None where the vendor does not give it, and `missing` says why."""

    details: Details | UnsetType | None = UNSET
    action_log: tuple[LogEntry, ...] | UnsetType | None = UNSET
    trace: Trace | UnsetType | None = UNSET
    raw: Raw | UnsetType | None = UNSET
    attachments: tuple[Attachment, ...] | UnsetType | None = UNSET
    missing: dict[str, str] = msgspec.field(default_factory=dict)


class Rested(NamedTuple):
    """What a decision rested on beside its event: an `Enrichment` as JSON, and the SHA-256 that names it."""

    body: str
    sha256: str


class Late(NamedTuple):
    """Why something is not there yet, and when to try again (seconds)."""

    why: str
    again_in: float = 0.0
    tries: int = 0


@dataclass(slots=True)
class Known:
    """Of one message; it grows while it is being fetched. `tries`: how often that has failed before.

    `detected`: its row says that the filter has something against it.
    """

    found: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    late: dict[str, Late] = field(default_factory=dict)
    tries: int = 0
    detected: bool = False

    @classmethod
    def of(cls, stored: Enrichment) -> Self:
        """What a recorded decision saw."""
        there: dict[str, Any] = {name: getattr(stored, name) for name in NEEDS}
        return cls({name: value for name, value in there.items() if value is not UNSET}, dict(stored.missing))

    def has(self, need: str) -> bool:
        """Whether the question is settled: it is there, or it is missing for good."""
        return need in self.found

    def add(self, need: str, value: object) -> None:
        """It is there."""
        self.found[need] = value

    def miss(self, need: str, why: str) -> None:
        """It will never be there."""
        self.found[need] = None
        self.missing[need] = why

    def rested(self, needs: Collection[str]) -> Rested:
        """What playbooks with these needs were shown, for the evidence."""
        shown = {need: value for need, value in self.found.items() if need in needs}
        missing = {need: why for need, why in self.missing.items() if need in needs}
        body = msgspec.json.encode(Enrichment(**shown, missing=missing), order="deterministic")
        return Rested(body.decode(), sha256(body).hexdigest())


class Enriched(Detection, frozen=True, kw_only=True):
    """A message as a playbook with needs sees it: these alone, whatever else has been fetched."""

    _known: Known
    _needs: frozenset[str]

    def _fetched(self, need: str) -> Any:
        if need not in self._needs or not self._known.has(need):
            raise UnfetchedError(need)
        return self._known.found[need]

    def why_missing(self, need: str) -> str:
        self._fetched(need)
        return self._known.missing.get(need, "")


def known_of(message: Detection) -> Known:
    """All that has been fetched of it."""
    return message._known if isinstance(message, Enriched) else Known()  # noqa: SLF001 - its own module's


def view(event: Event, known: Known, needs: frozenset[str]) -> Event:
    """The event as a playbook with these needs sees it."""
    if not needs:
        return event
    if isinstance(event, Detection):
        return Enriched(**asdict(event), _known=known, _needs=needs)
    return event if event.message is None else replace(event, message=view(event.message, known, needs))


def decode(body: str) -> Known:
    """What a recorded decision saw. ValueError where the text is none that this program wrote."""
    return Known.of(msgspec.json.decode(body, type=Enrichment))


def lacking_for_attachments(known: Known) -> str | None:
    """What has to be fetched next before the attachments are known; None where they follow from what is there.

    The vendor's own list, which is short and has its verdicts, where it names the hash of each; else the message itself.
    """
    if not known.has("details"):
        return "details"
    return None if _all_hashed(known.found["details"]) or known.has("raw") else "raw"


def settle_attachments(known: Known) -> None:
    """Adds the attachments, once `lacking_for_attachments` says that nothing more is needed."""
    details, raw = known.found["details"], known.found.get("raw")
    if _all_hashed(details) or (raw is None and details is not None):
        known.add("attachments", details.attachments)
    elif raw is not None:
        known.add("attachments", raw.attachments)
    else:
        known.miss("attachments", known.missing["raw"])


def _all_hashed(details: Details | None) -> bool:
    return details is not None and all(one.sha256 and one.name for one in details.attachments)


Views = Mapping[str, Known]
"""What is known, by the message's id."""
