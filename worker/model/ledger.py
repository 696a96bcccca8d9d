"""What the ledger says to those who use it. Times are seconds since the epoch unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from worker.model.actions import State
from worker.model.calls import Call
from worker.model.plans import Ceilings, ClosedPlan
from worker.model.sweeps import Campaign

CLOCK_TOLERANCE = 1.0
"""Seconds that a clock may be off without a word: nothing that is stored hangs on less."""


class Cursor(NamedTuple):
    """How far a source has been read."""

    watermark: float
    floor: float
    swept_at: float


class Closed(NamedTuple):
    """What the closing of a poll decided: its plans, and the actions it set aside (shadowed, held), for the log."""

    plans: tuple[ClosedPlan, ...]
    set_aside: tuple[dict[str, Any], ...]
    rows: int
    new_events: int


class Aside(NamedTuple):
    """What was ready and does not go out, for the log: its event has changed, a wish contradicts it, a cap is full."""

    superseded: Sequence[Mapping[str, Any]] = ()
    held: Sequence[Mapping[str, Any]] = ()
    kind: str = ""
    waiting: Mapping[str, int] = {}
    """How many of this kind wait for a cap, by its name."""


class BulkLane(NamedTuple):
    """Ready work that may share calls; `oldest` is when the first of it fell due."""

    name: str
    kind: str
    target: str
    waiting: int
    oldest: float


class Limits(NamedTuple):
    """What a claim obeys: the operator's ceilings, the request budget and the lease in seconds."""

    ceilings: Ceilings
    budget: int
    lease: float


class Claimed(NamedTuple):
    """Calls to send, seconds to wait where the budget is used up, and approved actions that were put back.

    `waiting`: how many wait for a cap that is full, by its name.
    """

    calls: list[Call]
    wait: float
    put_back: list[dict[str, Any]] = []  # noqa: RUF012 - never changed
    waiting: Mapping[str, int] = {}


class Look(NamedTuple):
    """What a look at the message before acting showed: READY to go on, SKIPPED or HELD and why.

    `again_in`: it showed nothing; the action stays READY and is looked at again after so many seconds.
    `origin`: the folder that the message is in now, where the vendor's log told it.
    `unread`: the vendor's answer about it was of no use; what `again_in` grows with.
    """

    action_id: str
    state: State
    why: str = ""
    again_in: float | None = None
    origin: str | None = None
    unread: bool = False
    read_at: float | None = None
    """When the vendor was asked for what was seen, seconds since the epoch: it is no younger. None: just now."""


class OurMove(NamedTuple):
    """A move of a message by the worker itself: where to, when it was sent, and how many seconds ago that is."""

    action_id: str
    cause: str
    """The action that it undid; empty where it was no undo."""
    folder: str
    at: float
    age: float


class Confirmation(NamedTuple):
    """What a later look showed of an action that was taken: `found` (empty: nothing), or a further look is needed."""

    action_id: str
    found: dict[str, str]
    again_in: float | None = None


class Left(NamedTuple):
    """What is left to do: counts, and when the next of it falls due (None for never)."""

    ready: int
    next_ready: float | None
    unknown: int
    next_read_back: float | None
    kinds: tuple[tuple[str, float | None], ...] = ()
    """Of what is ready: each kind of action, and when the next of it falls due."""


class Pause(NamedTuple):
    """Why, since when, by whom and how (`command`, `signal` or `file`) nothing new is sent."""

    reason: str
    since: float
    by: str
    how: str = "command"


class UnderWay(NamedTuple):
    """A person's call to the tenant's settings of which it is not known what it did: being sent, or cut off."""

    call_id: str
    section: str
    at: float
    by: str


class TimeMark(NamedTuple):
    """How the time was last believed: which start of the machine, what is added to its steady clock, and when."""

    boot: str
    offset: float
    seen: float

    def step_to(self, here: TimeMark) -> float:
        """Seconds by which the clock has been set between this and `here`, as far as that is certain."""
        same = self.boot and self.boot == here.boot
        # Where the machine has been started since, only that time went back is certain.
        step = here.offset - self.offset if same else min(0.0, here.seen - self.seen)
        return step if abs(step) >= CLOCK_TOLERANCE else 0.0


class Grant(NamedTuple):
    """How many requests were granted, how many are used in the window, and when to ask again (seconds)."""

    granted: int
    used: int
    wait: float


class Loss(NamedTuple):
    """A stretch of time of which the restored ledger knows nothing: what was done then may have been done already."""

    since: float
    until: float

    def covers(self, message_from: float | None) -> bool:
        """Whether a message of that time (None: unknown) can have been acted on in the lost stretch."""
        return message_from is None or message_from <= self.until


class Keep(NamedTuple):
    """How old rows may grow, how far behind its watermark a window may reach back (both in seconds), and whose."""

    seconds: float
    reach: float
    sources: tuple[str, ...] = ()
    """Those that are polled; none named: all that ever were."""


class Ended(NamedTuple):
    """An entry of the settings that the worker made and that is no more its business; `state` is its removal's."""

    action_id: str
    entry_id: str
    state: str
    why: str


class TakenBack(NamedTuple):
    """Removals that were planned, entries that are over, and how many still stand long after their date."""

    planned: tuple[str, ...]
    ended: tuple[Ended, ...]
    overdue: int


class Pruned(NamedTuple):
    """One batch of old rows that went. `done`: nothing is left to do for now."""

    table: str
    removed: int
    done: bool


class Shadowed(NamedTuple):
    """An action that shadow only recorded: its event, who wanted it, and the evidence (empty: no longer current)."""

    action_id: str
    source: str
    key: str
    revision: str
    playbooks: tuple[str, ...]
    body: str


class Parked(NamedTuple):
    """An event that a playbook could not decide: its identity, its evidence, and under which version it failed."""

    source: str
    key: str
    revision: str
    playbook: str
    version: str
    body: str
    tries: int = 0
    """How often in a row what it waits for could not be fetched."""


class Postponed(NamedTuple):
    """A parked event whose playbook still waits: why, and when what it waits for is fetched again (seconds)."""

    row: Parked
    why: str
    again_in: float
    tries: int


class Found(NamedTuple):
    """What the search for a campaign's siblings came to: all of them, those within reach, and how much was read."""

    poll_id: str
    messages: tuple[str, ...]
    out_of_reach: int
    benign: int
    searched: int
    read_at: float
    """When the reading began: what was seen is no younger."""
    fits_job: bool = False
    """Whether a search of the vendor's own can find exactly these."""


class JobOrder(NamedTuple):
    """What a bulk job of a call is to find: its campaign's search, and how many messages and mailboxes it may touch."""

    shared: Mapping[str, str]
    since: float
    until: float
    messages: int


CANCEL_TAKEN = "cancel_taken"
"""What the audit log calls it that the vendor has accepted the cancel of a bulk job."""


class OpenJob(NamedTuple):
    """A call that may be a bulk job of the vendor's: nobody but who watches it settles its actions."""

    call_id: str
    target: str
    submitted_at: float
    messages: int
    mailboxes: int
    cancelled: bool = False
    """Whether the vendor has accepted its cancel."""


class CampaignEnd(NamedTuple):
    """A campaign whose time is over, or that somebody ended: how many siblings it had, and why."""

    campaign_id: str
    siblings: int
    late: int
    why: str


class Campaigns(NamedTuple):
    """The campaigns that are open, and those that have just ended."""

    open: tuple[Campaign, ...]
    ended: tuple[CampaignEnd, ...]
