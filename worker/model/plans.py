"""From an event to what should be done about it: sightings, votes, wishes. Pure values, one direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from worker.model.actions import Action, Mode, highest_mode
from worker.model.events import Detection, Event, PhishReport, Submission, message_of
from worker.model.known import Rested
from worker.model.sweeps import Sibling

DETECTIONS = "detections"
PHISHGUARD = "phishguard"
SUBMISSIONS = "submissions"
SOURCES: Mapping[str, type[Event]] = {
    DETECTIONS: Detection,
    PHISHGUARD: PhishReport,
    SUBMISSIONS: Submission,
}
"""What each source's events are."""
REDECIDE, REFRESH, SWEEP = "redecide", "refresh", "sweep"
"""Kinds of poll that bring nothing new: they decide again what was polled before, or freeze the list of a sweep."""


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """One event as a source showed it; (source, key, revision) is its identity."""

    source: str
    key: str
    revision: str
    event: Event
    occurred_at: float | None
    changed: bool = False
    """Whether the same key was seen before under another revision."""

    @property
    def message(self) -> Detection | None:
        """The message that actions on this event concern."""
        return message_of(self.event)

    @property
    def news(self) -> str:
        """What is new about an event that has changed."""
        return news(self.source, self.revision)


def news(source: str, revision: str) -> str:
    """What is new about an event of that source that has come to this revision."""
    told = revision.split("|")
    if source == SUBMISSIONS:
        return f"the submission went on to {', '.join(filter(None, told)) or 'nothing'}"
    return f"the verdict changed to {told[0] or 'none'}"


def detection_sighting(row: Detection) -> Sighting:
    """A message and its verdict: a changed verdict is a new event, a move is not."""
    occurred = row.scanned_at.timestamp() if row.scanned_at else None
    return Sighting(DETECTIONS, row.id, row.final_disposition or "", row, occurred)


def report_sighting(report: PhishReport) -> Sighting:
    """A report; its disposition, priority and `updated_at` make the revision."""
    updated = report.updated_at.isoformat() if report.updated_at else ""
    revision = f"{report.disposition or ''}|{report.priority or ''}|{updated}"
    occurred = report.created_at.timestamp() if report.created_at else None
    return Sighting(PHISHGUARD, str(report.id), revision, report, occurred)


def submission_sighting(row: Submission) -> Sighting:
    """A submission; whatever tells how far it has come makes the revision."""
    told = (row.outcome_disposition, row.outcome, row.status, row.customer_status, row.escalated_as)
    occurred = row.requested_at.timestamp() if row.requested_at else None
    revision = "|".join(part or "" for part in told)
    return Sighting(SUBMISSIONS, row.submission_id, revision, row, occurred)


def sighting_of(event: Event) -> Sighting:
    """Any event as its source shows it."""
    if isinstance(event, Detection):
        return detection_sighting(event)
    return report_sighting(event) if isinstance(event, PhishReport) else submission_sighting(event)


class Vote(msgspec.Struct, frozen=True, gc=False):
    """One playbook's wish, with the effective mode and the caps under which it was cast."""

    playbook: str
    version: str
    mode: Mode
    per_poll: int
    per_hour: int
    per_day: int | None = None
    share: float | None = None


class Wish(msgspec.Struct, frozen=True, gc=False):
    """One action for one message and the playbooks that want it: the lowest id first, at least one."""

    action: Action
    votes: tuple[Vote, ...]
    refused: str = ""
    """Why it must not be done, whoever wants it; empty where it may."""
    sibling: Sibling | None = None
    """Where no playbook asked for it of this message, but a campaign that it belongs to."""

    @property
    def mode(self) -> Mode:
        """The highest effective mode among the votes: that one acts."""
        return self.owner.mode

    @property
    def owner(self) -> Vote:
        """The vote that acts: the first by its playbook's id among those of the highest mode."""
        if len(self.votes) == 1:
            return self.votes[0]
        highest = highest_mode(vote.mode for vote in self.votes)
        return next(vote for vote in self.votes if vote.mode is highest)


class Failure(msgspec.Struct, frozen=True, gc=False):
    """A playbook that could not decide an event; the event is parked for that playbook alone."""

    playbook: str
    version: str
    error: str
    asked: bool = True
    """False where the playbook is in quarantine and was not asked at all."""
    waits_for: str = ""
    """The need that is not there yet, where nothing else is wrong."""
    again_in: float | None = None
    """Seconds after which it is tried again by itself; None where only a new version can help."""
    tries: int = 0
    """How often in a row what it waits for could not be fetched."""


FILE = "file:"
"""Begins the name of whom an event is parked for where a whole file could not be loaded; the file's own follows."""


class Decided(msgspec.Struct, frozen=True, gc=False):
    """Everything that the playbooks said about one event."""

    sighting: Sighting
    wishes: tuple[Wish, ...] = ()
    failures: tuple[Failure, ...] = ()
    context: Mapping[str, Any] | None = None
    """What the playbooks that wanted something saw beside the event, where one of them looks at more than that."""
    rested: Rested | None = None
    """What was fetched for those playbooks, where one of them has needs."""
    excluded: str = ""
    """The list that names its message, because of which no playbook was asked."""

    @property
    def keeps_evidence(self) -> bool:
        """Whether a playbook decided on it, or still has to."""
        return bool(self.wishes or self.failures)


class Poll(msgspec.Struct, frozen=True, gc=False):
    """One window of one source, whatever pages and retries it takes. Times are seconds since the epoch."""

    id: str
    source: str
    kind: str
    start: float
    end: float


class Ceilings(msgspec.Struct, frozen=True, gc=False):
    """The operator's limits: no playbook gets past them."""

    mode: Mode = Mode.SHADOW
    per_poll: int = 1000
    per_hour: int = 5000
    hold_seconds: float = 86400.0
    """How long a held action waits for a person before it expires."""
    per_day: int | None = None
    share: float | None = None
    """Of the messages that a poll brings."""
    protected: frozenset[str] = frozenset()
    """Domains that no entry of the tenant's settings may cover."""


class ClosedPlan(msgspec.Struct, frozen=True, gc=False):
    """What became of one playbook's plan: counts by state, and why it was held, if it was."""

    plan_id: str
    playbook: str
    states: dict[str, int] = msgspec.field(default_factory=dict)
    held_because: str | None = None
