"""Parts that are wrong on purpose: what a hurried engineer might write. The simulation has to notice each of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import structs

from worker.deciding import enrichment
from worker.executors import move
from worker.executors.base import Effect, Executor, ReadBack, from_error
from worker.model import admission
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.ledger import Grant, Look
from worker.pollers import poller, windows
from worker.pollers.poller import Poller
from worker.store import budget, flags, redating
from worker.store.calls import claims, outcomes
from worker.store.ledger import StoreLedger
from worker.store.plans import intake

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake, and the promise that it breaks, in the law's own words."""

    name: str
    make: Callable[[Patch], None]
    breaks: tuple[str, ...]
    often: tuple[str, ...] = ()
    """What happens more often than usual while it is looked for, so that a few histories are enough."""
    first: int = 1
    """The history to begin with: those before it do not show the mistake, and take their time."""


def _resend(patch: Patch) -> None:
    """A lost answer is taken for a refusal."""

    def guess(call: Call, error: Any, delay: float, **more: Any) -> Answered:
        answered = from_error(call, error, delay, **more)
        again = (
            structs.replace(one, state=State.READY, due_in=0.0) if one.state is State.UNKNOWN else one
            for one in answered.outcomes
        )
        return structs.replace(answered, outcomes=tuple(again))

    patch.setattr("worker.dispatcher.from_error", guess)


def _impatient(patch: Patch) -> None:
    """Reads back at once, before the vendor's log can show the effect."""
    orphans = outcomes.recover
    patch.setattr(
        "worker.dispatcher.from_error", lambda call, error, _, **more: from_error(call, error, 0.0, **more)
    )
    patch.setattr(outcomes, "recover", lambda conn, account_id, now, _: orphans(conn, account_id, now, 0.0))


def _optimist(patch: Patch) -> None:
    """What the answer does not name is taken for done."""

    def done(item: Item, why: str, delay: float) -> Outcome:
        return Outcome(item.action_id, State.SUCCEEDED)

    def guess(call: Call, error: Any, delay: float, **more: Any) -> Answered:
        answered = from_error(call, error, delay, **more)
        ends = (
            structs.replace(one, state=State.SUCCEEDED, due_in=None) if one.state is State.UNKNOWN else one
            for one in answered.outcomes
        )
        return structs.replace(answered, outcomes=tuple(ends))

    patch.setattr(move, "unmatched", done)
    patch.setattr("worker.dispatcher.from_error", guess)


def _watermark_first(patch: Patch) -> None:
    """The window counts as read before it is."""
    honest = Poller._read

    async def hasty(self: Poller, poll: Any, *, last_chance: bool) -> None:
        cursor = windows.advance(await self._cursor(), poll)
        await self._ledger.close(poll, self._intake._ceilings, cursor)
        await honest(self, poll, last_chance=last_chance)

    patch.setattr(Poller, "_read", hasty)


def _no_sweep(patch: Patch) -> None:
    """Late mail is never looked for."""

    def regular(source: str, cursor: Any, now: float, reach: Any) -> Any:
        recent = cursor._replace(swept_at=now)
        return windows.next_poll(source, recent, now, reach)

    patch.setattr(poller, "next_poll", regular)


def _no_look(patch: Patch) -> None:
    """Acts on what it saw when it decided, however long ago that was."""

    async def blind(self: StoreLedger, lane: Any, ceiling: Any, most: int) -> list[Item]:
        items, _ = await self.store.run(honest, self.account_id, lane, self._clock.now(), ceiling, most)
        looks = [Look(item.action_id, State.READY) for item in items]
        await self.apply_looks(3600.0, looks)
        return []

    honest = claims.unverified
    patch.setattr(StoreLedger, "unverified", blind)


def _no_intent(patch: Patch) -> None:
    """The audit log hears of a call only when it is over."""
    patch.setattr(claims, "append", lambda *_: None)


def _late_claim(patch: Patch) -> None:
    """The state is written after the request, not before it."""
    patch.setattr(claims, "_submit", lambda *_: None)


def _forgetful(patch: Patch) -> None:
    """A start takes up nothing that the last process left behind."""
    patch.setattr(outcomes, "recover", lambda *_: [])


def _deaf(patch: Patch) -> None:
    """A pause is written down, and that is all."""
    patch.setattr(flags, "paused", lambda *_: None)


def _spendthrift(patch: Patch) -> None:
    """Counts requests, but says yes to all of them."""
    patch.setattr(budget, "take", lambda conn, account_id, now, wanted, limit: Grant(wanted, 0, 0.0))


def _greedy(patch: Patch) -> None:
    """No cap holds a plan."""
    patch.setattr(admission, "_breaches", lambda *_: {})


def _fickle(patch: Patch) -> None:
    """A changed verdict is an event that was seen before."""

    def unseen(conn: Any, account_id: str, sightings: Any, *more: Any) -> Any:
        return [one for one in honest(conn, account_id, sightings, *more) if not one.changed]

    honest = intake.unseen
    patch.setattr(intake, "unseen", unseen)


def _blind_reconciler(patch: Patch) -> None:
    """Every read-back finds nothing."""

    async def nothing(self: Executor, item: Item, now: float) -> ReadBack:
        return ReadBack(Effect.NOT_DONE)

    patch.setattr(move.MoveExecutor, "read_back", nothing)


def _clock_believer(patch: Patch) -> None:
    """Dates nothing anew when the clock is set."""
    for part in ("_actions", "_requests", "_approvals", "_waiting", "_cursors"):
        patch.setattr(redating, part, lambda *_: None)
    honest = intake.unseen
    patch.setattr(
        intake,
        "unseen",
        lambda conn, account, sightings, read_at=None, now=0.0: honest(
            conn, account, sightings, read_at, math.inf
        ),
    )


NOTHING_TWICE = (
    "nothing is done twice",
    "what is read back as without effect had none",
    "a call is sent once",
)
NOTHING_LOST = ("no detection is lost", "nothing is left undone", "no report is lost")
INTENT = ("an intent is committed before any POST", "the intent is in the audit log before any POST")

LOSSES = ("lost answer", "crash")


def _hasty_reader(patch: Patch) -> None:
    """What could not be fetched is taken for what the vendor does not have."""
    patch.setattr(enrichment, "verdict", lambda error, *_, **__: f"refused: {error}")


def _slovenly(patch: Patch) -> None:
    """What waits for something to be fetched is never looked at again."""

    async def nothing(self: StoreLedger, source: str, playbooks: Any, most: int) -> list[Any]:
        return []

    patch.setattr(StoreLedger, "due_events", nothing)


MISTAKES = (
    Wrong("sends again where an answer was lost", _resend, NOTHING_TWICE, LOSSES),
    Wrong("reads back before the log can know", _impatient, NOTHING_TWICE, LOSSES),
    Wrong("every read-back finds nothing", _blind_reconciler, NOTHING_TWICE, LOSSES),
    Wrong("takes a lost answer for success", _optimist, ("what succeeded took place",), LOSSES),
    Wrong(
        "moves the watermark before the rows", _watermark_first, ("a window is read", "the watermark never")
    ),
    Wrong("never sweeps", _no_sweep, NOTHING_LOST, ("late mail",), first=2),
    Wrong("acts without looking", _no_look, ("what somebody moved first",), ("analyst", "pause", "restart")),
    Wrong("writes no intent", _no_intent, INTENT),
    Wrong("claims after it has sent", _late_claim, INTENT),
    Wrong(
        "forgets what a crash has orphaned",
        _forgetful,
        ("every intent has an outcome", *NOTHING_LOST),
        LOSSES,
        first=27,
    ),
    Wrong("is deaf to a pause", _deaf, ("no new write more than 5 s after a pause",), ("pause",)),
    Wrong("never runs out of budget", _spendthrift, ("never more than the request budget",), first=13),
    Wrong("knows no cap", _greedy, ("never more than the cap",)),
    Wrong("takes a failed read for an answer", _hasty_reader, NOTHING_LOST, ("lost read",)),
    Wrong("never fetches again", _slovenly, NOTHING_LOST, ("lost read",)),
    Wrong("ignores changed verdicts", _fickle, NOTHING_LOST, ("verdict",)),
    Wrong(
        "believes its clock", _clock_believer, (*NOTHING_LOST, *NOTHING_TWICE, "never more than"), ("clock",)
    ),
)
