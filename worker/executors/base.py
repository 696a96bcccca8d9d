"""What every kind of action has in common: how an error becomes outcomes, and what a read-back can say."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar, runtime_checkable

from msgspec.structs import replace

from worker.cloudflare.operations import segment
from worker.errors import (
    BadAnswer,
    RateLimited,
    Refused,
    StoreError,
    Transient,
    Unauthorized,
    VendorError,
)
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.ops.logs import get_logger
from worker.retry import action_delay, unusable_delay

log = get_logger()
T = TypeVar("T")

BLOCK_SECONDS = 10.0
"""How long an action waits after a 429 that named no time; the budget pauses everything beside it."""
AUTH_SECONDS = 30.0
"""How long a kind of action waits before the same token is tried again."""
POSTPONED_SECONDS = 30.0
"""How long an action waits at first that the vendor cannot tell of; the others go on."""
FEW = 3
"""Actions that are looked up one by one; for more a whole collection is listed once."""
NOT_FOUND = 404
CLIENT_ERRORS = range(400, 500)


class Effect(StrEnum):
    """What a read-back shows of a write whose answer was lost."""

    DONE = "done"
    PARTLY = "partly"
    """In some mailboxes only."""
    NOT_DONE = "not_done"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The effect, and what was seen, for the audit log."""

    effect: Effect
    seen: Mapping[str, Any] = field(default_factory=dict)
    made: str | None = None
    """The vendor's id of what was made, where something was."""
    comments: str = ""
    """What it says of itself, where it can."""


class Carrier(Protocol):
    """One kind of action: one request, its answer settled action by action, its read-back. Be one of the two below."""

    kind: str
    most: int
    """Actions in one call."""
    parallel: int
    """Calls in flight at once, at least two."""
    proofs: int
    """Read-backs without effect, one delay apart, after which the kind may be sent again; 0: never by itself."""

    shows: bool
    """Whether the look before acting shows that this was done already."""

    async def execute(self, call: Call) -> Answered:
        """Sends the call's one request. VendorError where there is no answer to settle."""
        ...

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Looks whether the effect is there. VendorError where the vendor cannot be asked."""
        ...


class OnMessages(Carrier, Protocol):
    """Acts on the message: what is seen of it anew says whether to go on."""

    async def look(self, item: Item, row: Detection) -> Look:
        """Whether acting still makes sense, the message being as `row` shows it."""
        ...


@runtime_checkable
class Elsewhere(Carrier, Protocol):
    """Acts on something else, and knows where to look; the message is not asked for."""

    async def survey(self, items: Sequence[Item], now: float) -> Sequence[Look]:
        """Whether acting still makes sense, for each of the items. VendorError where the vendor cannot be asked."""
        ...


Executor = OnMessages | Elsewhere


def from_error(call: Call, error: VendorError, read_back_delay: float, *, proofs: int = 1) -> Answered:
    """The outcome of every action of a call that got no answer to settle.

    429, 401/403, a connection that was never made and a gateway without a route prove that nothing was accepted; any
    other 4xx of the API that it never will be; everything else leaves the effect unknown until it is read back.
    `proofs` as the kind's executor has it.
    """
    text = f"{type(error).__name__}: {error}"
    answer = Answered((), "call.refused", error.status, error.ray, text)
    again_in = _again_in(error, call.items[0].refusals)
    if again_in is not None:
        return _all(call, answer, State.READY, again_in)
    if isinstance(error, Refused):
        if len(call.items) == 1:
            return _all(call, answer, State.FAILED, None)
        # One bad id spoils a bulk call: halves find it without giving up the others. Of what must not happen twice each
        # is looked at before that: the call may have been carried out in part.
        wait = 0.0 if proofs or error.status is None else read_back_delay
        return _all(call, replace(answer, event="call.split"), State.READY, wait, batch=len(call.items) // 2)
    # What somebody between refuses may be too much for him.
    half = len(call.items) // 2 or None if error.status in CLIENT_ERRORS else None
    return _all(call, replace(answer, event="call.lost"), State.UNKNOWN, read_back_delay, batch=half)


def _again_in(error: VendorError, refusals: int) -> float | None:
    """Seconds until the same may be sent again after an error that has nothing to do with what was sent."""
    if isinstance(error, RateLimited):
        return error.retry_after or BLOCK_SECONDS
    if isinstance(error, Unauthorized):
        # The dispatcher waits for another token; the action itself is due as soon as there is one.
        return 0.0
    if isinstance(error, Transient):
        return action_delay(refusals + 1)
    if isinstance(error, Refused) and error.unrouted:
        return unusable_delay(POSTPONED_SECONDS, refusals)
    return None


def not_sent(call: Call, why: str, due_in: float = 1.0) -> Answered:
    """Something came between the claim and its request: nothing left this process."""
    return _all(call, Answered((), "call.not_sent", error=why), State.READY, due_in)


def refused(call: Call, why: str) -> Answered:
    """It cannot be asked for at all: nothing left this process, and nothing will."""
    return _all(call, Answered((), "call.not_sent", error=why), State.FAILED, None)


def not_needed(call: Call, why: str) -> Answered:
    """There is nobody to ask: nothing left this process, and nothing is amiss."""
    return _all(call, Answered((), "call.not_needed", error=why), State.SKIPPED, None)


def _all(
    call: Call, answer: Answered, state: State, due_in: float | None, *, batch: int | None = None
) -> Answered:
    outcomes = tuple(Outcome(item.action_id, state, answer.error, due_in, batch) for item in call.items)
    return replace(answer, outcomes=outcomes)


def unmatched(item: Item, why: str, read_back_delay: float) -> Outcome:
    """What the answer does not name is unknown, not success."""
    return Outcome(item.action_id, State.UNKNOWN, why, read_back_delay)


def moment(value: datetime | None) -> float | None:
    """Seconds since the epoch, or None."""
    return value.timestamp() if value else None


def latest(entries: Iterable[Any]) -> list[Any]:
    """Log entries by their time, the newest last; those without a time keep the vendor's order before the others."""
    return sorted(entries, key=lambda entry: moment(entry.completed_at) or moment(entry.started_at) or 0.0)


def ready(item: Item) -> Look:
    """Nothing speaks against acting."""
    return Look(item.action_id, State.READY)


def skipped(item: Item, why: str) -> Look:
    """The target state already holds, or there is nothing left to act on."""
    return Look(item.action_id, State.SKIPPED, why)


def unread(item: Item, why: str) -> Look:
    """Nothing could be learnt of this one: it waits, longer each time."""
    again_in = unusable_delay(POSTPONED_SECONDS, item.refusals)
    return Look(
        item.action_id, State.READY, f"cannot be looked up before acting: {why}", again_in, unread=True
    )


async def alone(item: Item, look: Awaitable[T]) -> T | Look:
    """What cannot be looked up waits alone. Raises what is about them all: the way to the vendor, the database."""
    try:
        return await look
    except VendorError as error:
        answered = error.status is not None or isinstance(error, BadAnswer)
        if not answered or isinstance(error, RateLimited | Unauthorized):
            raise
        return unread(item, str(error))
    except StoreError:
        raise
    except Exception as error:
        # A mistake of ours, or an id that no request can carry: its neighbours are not to wait for a release.
        log.exception("task.failed", task=f"look {item.action_id}")
        return unread(item, f"{type(error).__name__}: {error}")


def not_there(error: Refused) -> bool:
    """Whether it says of the thing that was asked for that it is not there, and not that nobody was asked."""
    return error.status == NOT_FOUND and not error.unrouted


def check_named(call: Call) -> None:
    """Raises `Refused` where no request can carry the id of one of its messages: nothing has left this process."""
    for item in call.items:
        try:
            segment(item.message_id)
        except ValueError as error:
            raise Refused(f"message {item.message_id!r} cannot be named to the vendor: {error}") from None
