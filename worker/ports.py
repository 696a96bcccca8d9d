"""Every seam of the worker in one place: what a part needs from the others, as protocols."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from worker.model.actions import Mode
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.enrichment import Details, LogEntry, Trace
from worker.model.events import Event
from worker.model.history import History
from worker.model.ledger import (
    BulkLane,
    Campaigns,
    Claimed,
    Closed,
    Confirmation,
    Cursor,
    Found,
    Grant,
    JobOrder,
    Keep,
    Left,
    Limits,
    Look,
    Loss,
    OpenJob,
    OurMove,
    Parked,
    Pause,
    Postponed,
    Pruned,
    Shadowed,
    TakenBack,
    TimeMark,
)
from worker.model.levels import Levels
from worker.model.plans import Ceilings, Decided, Poll, Sighting
from worker.model.sweeps import Campaign


class Lane(StrEnum):
    """What a request is for, in order of priority when the request budget runs low."""

    ACTION = "action"
    READ_BACK = "read_back"
    POLL = "poll"
    ENRICH = "enrich"


class Kept(StrEnum):
    """What the daemon keeps in the ledger over restarts, for itself and for `worker status`."""

    BREAKERS = "breakers"
    QUARANTINE = "quarantine"
    PLAYBOOKS = "playbooks"


@dataclass(frozen=True, slots=True)
class Observation:
    """One request that was sent, or tried: what metrics and the budget may know of it. Never an id, never mail."""

    endpoint: str
    """A template such as `GET investigate/{id}`: safe as the label of a metric."""
    status: int | None
    """The HTTP status; None where no answer came."""
    seconds: float
    retry_after: float | None = None
    """Seconds, 0.1 to 300; None where the answer has no usable `retry-after`."""
    remaining: int | None = None
    """`r` of the `Ratelimit` header: requests left in the vendor's window."""
    resets_in: float | None = None
    """`t` of the `Ratelimit` header: seconds until that window ends."""
    quota: int | None = None
    """`q` of its `Ratelimit-Policy`: requests that window allows in all."""
    server_time: float | None = None
    """The `Date` header: the vendor's clock, seconds since the epoch."""


class Gate(Protocol):
    """The request budget, as the client sees it."""

    async def admit(self, lane: Lane) -> None:
        """Waits until one read may be sent. Writes do not ask: their token was taken when they were claimed."""
        ...

    def observe(self, seen: Observation) -> None:
        """Is told of every request, failed and cancelled ones too. Must not raise and must not block."""
        ...


class Room(Protocol):
    """The request budget, as those see it who need not wait for it."""

    def refused_for(self) -> float:
        """Seconds that a 429 is still in force; nothing at all may be sent."""
        ...

    def pressure(self) -> float:
        """Share of the budget in use, 0 to 1, as last seen."""
        ...


class Budget(Gate, Room, Protocol):
    """The request budget, as those who act and poll see it."""

    def blocked_for(self) -> float:
        """Seconds until anything may be sent: after a 429, or because the budget is used up; 0 for now."""
        ...

    def exhausted(self, wait: float) -> None:
        """A claim was granted nothing; there is something again in `wait` seconds."""
        ...


class HasRaw(Protocol):
    """The message as text."""

    @property
    def raw(self) -> str: ...


class Messages(Protocol):
    """What the vendor tells of one message."""

    async def detections(self, investigate_id: str, *, lane: Lane) -> Details:
        """What the filter found; `Refused` for a benign message."""
        ...

    async def action_log(self, investigate_id: str, *, lane: Lane) -> tuple[LogEntry, ...]:
        """What was done to it."""
        ...

    async def trace(self, investigate_id: str, *, lane: Lane) -> Trace:
        """Its way through the mail servers."""
        ...

    async def raw(self, investigate_id: str, *, lane: Lane) -> HasRaw:
        """The message as it was sent; `Refused` for a benign message."""
        ...


class Waiting(Protocol):
    """Where events wait for the message that they are about."""

    async def waiting(self, source: str) -> list[tuple[Event, float]]:
        """Those of a source, each with the time at which it was first seen."""
        ...

    async def wait_for_message(self, events: Sequence[Sighting]) -> None:
        """These wait from now on, or go on waiting."""
        ...


class Ledger(Waiting, Protocol):
    """The outbox of one account; every call is one durable transaction. StoreError where the database refuses."""

    async def unseen(self, sightings: Sequence[Sighting], read_at: float | None = None) -> list[Sighting]:
        """Those whose verdict is new; a page of `read_at` says nothing against a verdict that was read later."""
        ...

    async def record(
        self,
        poll: Poll,
        sightings: Sequence[Sighting],
        decided: Sequence[Decided],
        *,
        rows: int,
        read_at: float | None,
        keep_all: bool,
    ) -> list[dict[str, Any]]:
        """Commits one page of an open poll; returns the unsent actions that changed verdicts replaced."""
        ...

    async def close(self, poll: Poll, ceilings: Ceilings, advance: Cursor | None) -> Closed:
        """Closes the poll's plans and moves the cursor: from here on its actions can be claimed."""
        ...

    async def begin(self, source: str, first: Cursor) -> Cursor:
        """How far the source has been read; before its first poll it is `first`, which is kept."""
        ...

    async def open_polls(self, source: str) -> list[Poll]:
        """Polls that were cut off, oldest first."""
        ...

    async def quarantine(self, source: str, rows: Sequence[BadRow]) -> list[BadRow]:
        """Keeps rows that could not be read; returns those not seen before."""
        ...

    async def parked_for(self) -> list[tuple[str, str]]:
        """The playbooks, with their versions, for which events are parked."""
        ...

    async def parked_events(self, source: str, playbook: str, version: str, most: int) -> list[Parked]:
        """Events of a source parked for one version of a playbook, with their evidence, oldest first."""
        ...

    async def unasked_events(self, source: str, playbook: str, version: str, most: int) -> list[Parked]:
        """Those of a source that the playbook was not asked about while in quarantine, newest first."""
        ...

    async def due_events(self, source: str, playbooks: Sequence[str], most: int) -> list[Parked]:
        """Events for which what these playbooks wait for is to be fetched now, the longest due first."""
        ...

    async def postpone(self, rows: Sequence[Postponed]) -> None:
        """Fetches later what could not be fetched now."""
        ...

    async def redecide(self, poll: Poll, rows: Sequence[Parked], decided: Sequence[Decided]) -> None:
        """Replaces parked events by their new decisions, in an open poll."""
        ...

    async def shadowed(
        self, source: str, playbooks: Sequence[str], since: float, most: int
    ) -> list[Shadowed]:
        """What shadow recorded of a source for these playbooks since then (seconds since the epoch), oldest first."""
        ...

    async def decide_again(self, poll: Poll, old: Sequence[Shadowed], decided: Sequence[Decided]) -> None:
        """Replaces shadowed actions by new decisions on their events, in an open poll."""
        ...

    async def campaigns(self, hold_seconds: float) -> Campaigns:
        """Begins campaigns for new sweeps, ends those that are over; those that are open, and those that ended."""
        ...

    async def freeze(
        self, campaign: Campaign, found: Found, decided: Sequence[Decided], ceilings: Ceilings
    ) -> Closed | None:
        """Freezes the list of siblings and closes its plan; None where the campaign is not searched for any more."""
        ...

    async def job_order(self, call: Call) -> JobOrder | None:
        """What the bulk job of a call has to find; None where the call does not hold the whole frozen list."""
        ...

    async def no_job(self, call_id: str) -> None:
        """From here on the call's actions are moves by their ids like any others."""
        ...

    async def open_jobs(self) -> list[OpenJob]:
        """Calls that were sent as bulk jobs and are not settled."""
        ...

    async def job_call(self, call_id: str) -> Call:
        """Such a call with all its items."""
        ...

    async def note_job(self, call_id: str, told: Mapping[str, Any]) -> None:
        """Writes into the audit log what is done with a bulk job."""
        ...

    async def fail_campaign(self, campaign_id: str, why: str) -> bool:
        """Gives a search up; False where there is none."""
        ...

    async def histories(self, senders: Mapping[str, str]) -> dict[str, History]:
        """What the worker did before, to these messages (by id, with the sender's address) and about their senders."""
        ...

    async def lanes(self, ceiling: Mode) -> list[BulkLane]:
        """Lanes with work that is due and allowed; none while paused."""
        ...

    async def unverified(self, lane: BulkLane, ceilings: Ceilings, most: int) -> list[Item]:
        """Due actions whose message has to be looked at first."""
        ...

    async def claim(self, lane: BulkLane, limits: Limits, *, most: int, calls: int) -> Claimed:
        """Claims calls: approvals compared, intent and budget, all in one transaction."""
        ...

    async def review(
        self, lane: BulkLane, action_ids: Sequence[str], hold_seconds: float
    ) -> list[dict[str, Any]]:
        """Puts back those of these actions whose approval does not stand any more; returns them."""
        ...

    async def settle(self, call: Call, answered: Answered) -> int:
        """Writes the outcomes where the call still owns its actions; returns how many it owned."""
        ...

    async def recover(self, delay: float) -> list[str]:
        """At start: submitted calls are orphaned, their actions unknown. Returns the actions' ids."""
        ...

    async def apply_looks(self, hold_seconds: float, looks: Sequence[Look]) -> int:
        """Writes what looks before acting showed, each as old as its reading."""
        ...

    async def our_moves(self, message_id: str) -> list[OurMove]:
        """The moves of the message by the worker itself, oldest first."""
        ...

    async def due_read_backs(self, most: int, without: Collection[str] = ()) -> list[Item]:
        """Unknown actions whose read-back has fallen due, `without` these kinds."""
        ...

    async def coming_read_backs(self) -> list[tuple[str, float]]:
        """The ids of unknown actions that will be read back, and when (seconds since the epoch)."""
        ...

    async def parked_actions(self) -> int:
        """How many unknown actions wait for a person to look."""
        ...

    async def settle_read_back(
        self, outcome: Outcome, *, counted: bool, sent_at: float | None = None
    ) -> bool:
        """Writes what a read-back of the request of `sent_at` showed, unless another has been sent since."""
        ...

    async def made(self, collection: str, entry_ids: Sequence[str]) -> dict[str, dict[str, Any] | None]:
        """Of these entries of a collection of the settings the worker's own as they were made, by the vendor's ids.

        None for one that was left to a person.
        """
        ...

    async def shared_names(self, items: Sequence[Item]) -> set[tuple[str, str]]:
        """Of the postfix ids and targets of these, those for which the same verdict was wanted of several messages."""
        ...

    async def due_confirmations(self, most: int) -> list[Item]:
        """Reclassifications that were taken and are to be looked for now."""
        ...

    async def confirm(self, seen: Sequence[Confirmation]) -> None:
        """Records what was found of them, or when to look again."""
        ...

    async def expire(self) -> list[dict[str, Any]]:
        """Expires what nobody approved, and what was approved but not sent, in time; returns it."""
        ...

    async def lower_ceiling(self, ceilings: Ceilings) -> int:
        """At start under a lower WORKER_MODE: holds what nobody approved."""
        ...

    async def left(self, ceiling: Mode) -> Left:
        """What is left to do."""
        ...

    async def paused(self) -> Pause | None:
        """The pause in force, however it came about, if any."""
        ...

    async def pause(self, pause: Pause) -> None:
        """Pauses as `worker pause` does."""
        ...

    async def note_pause_file(self, found: Pause | None) -> None:
        """Writes down that the file PAUSE is there, or is there no more."""
        ...

    async def note_source(self, source: str, since: float, error: str) -> None:
        """Tells `worker status` why a source cannot be read, and since when; an empty `error`: it can be."""
        ...

    async def remember(self, name: Kept, value: Any) -> None:
        """Keeps something, any JSON, over restarts and for commands beside the daemon."""
        ...

    async def recall(self, name: Kept) -> Any:
        """What was kept under this name; None where there is nothing."""
        ...

    async def introduce(self, daemon: dict[str, Any]) -> None:
        """Leaves word of the process that acts, for commands beside it: its mode and limits."""
        ...

    async def suspicion(self) -> str | None:
        """Why the ledger is an older copy of what ran here last, or from elsewhere; None where it is neither."""
        ...

    async def begin_loss(self, delay: float, why: str) -> dict[str, int]:
        """Nothing unfinished is sent before it was looked at. Returns how many there are, by state."""
        ...

    async def loss(self) -> Loss | None:
        """What a restore has left in doubt."""
        ...

    async def keep_head(self) -> None:
        """Leaves word, beside the ledger, of how far it has come."""
        ...

    async def levels(self) -> Levels:
        """How far people let playbooks go, where they have said so."""
        ...

    async def take_back(self, ceilings: Ceilings) -> TakenBack:
        """Plans the removal of entries whose time is over, and says which are no more. In shadow it only counts."""
        ...

    async def prune(self, keep: Keep, most: int, now: float) -> Pruned:
        """Looks at the next `most` rows and removes those that are too old at `now`, where it is time for that."""
        ...

    async def probe(self) -> None:
        """Writes something that says nothing. StoreError where the database takes no writes."""
        ...

    async def time_mark(self) -> TimeMark | None:
        """How the time was believed when the ledger was last in use."""
        ...

    async def follow_clock(self, step: float, mark: TimeMark) -> None:
        """The clock has been set by `step` seconds: dates anew what is due, and remembers the mark."""
        ...

    async def take_budget(self, limit: int) -> Grant:
        """Takes one request out of `limit` per window."""
        ...

    async def block_until(self, until: float) -> None:
        """Remembers a 429 over restarts; `until` in seconds since the epoch."""
        ...

    async def blocked_until(self) -> float:
        """When the vendor may be asked again; 0 where nothing is known."""
        ...

    async def counts_by_kind(self) -> list[tuple[str, str, int]]:
        """Actions by kind and state."""
        ...


class BadRow(Protocol):
    """A row of a page that could not be read; `raw` is bounded and escaped."""

    @property
    def row_id(self) -> str | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def raw(self) -> str: ...
