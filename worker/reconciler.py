"""Lost answers are read back, never guessed: intent, one request, look, decide. A release is left to a person."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import structs

from worker.acting.resting import EVERY, Rests, silent
from worker.clock import Clock, VendorTime
from worker.errors import BadAnswer, Refused, StoreError, VendorError
from worker.executors.base import Effect, Executor, ReadBack
from worker.model.actions import PARTLY, SOME_MOVED, State
from worker.model.calls import Item, Outcome
from worker.model.kinds import kind_of
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Ledger
from worker.retry import action_delay, unusable_delay

log = get_logger()

MAX_SENDS = 5
"""A call that was lost this often without effect is given up."""
PARKING_READS = 2
"""Looks without effect, one delay apart, after which a release waits for a person, as does what cannot be told."""
UNTOLD = "the vendor did not tell of it"
"""The error of what a look could not be had of: it stands in the ledger, for the next look after whatever restart."""
USELESS_READS = 8
"""Answers in a row that cannot be believed, each wait twice as long, after which one counts as no answer for good."""
CLOCKS_APART = 30.0
"""Seconds between two beliefs about the time that matter: what is less, every kind allows for by itself."""
AT_ONCE = 8
IDLE_SECONDS = 1.0


class Reconciler:
    """Reads back what is unknown when it falls due."""

    def __init__(
        self,
        ledger: Ledger,
        executors: dict[str, Executor],
        clock: Clock,
        metrics: Metrics,
        read_back_delay: float,
        vendor_time: VendorTime | None = None,
        token: Callable[[], str] = str,
    ) -> None:
        self._ledger = ledger
        self._executors = executors
        self._clock = clock
        self._metrics = metrics
        self._delay = read_back_delay
        self._vendor_time = vendor_time or VendorTime(clock)
        self._stopping = asyncio.Event()
        self._failed: dict[str, int] = {}
        self._unusable: dict[str, int] = {}
        self._rests = Rests(clock, token)
        self._strange: set[str] = set()

    def stop(self) -> None:
        """No further read-back from here on."""
        self._stopping.set()

    async def run(self) -> None:
        """Works until `stop`."""
        while not self._stopping.is_set():
            try:
                busy = await self.step()
                await self.expire()
            except StoreError:
                busy = 0
            if not busy:
                await self._nap()

    async def step(self) -> int:
        """Reads back what is due, each once; how many that was."""
        resting = self._rests.resting()
        if EVERY in resting:
            return 0
        items = await self._ledger.due_read_backs(AT_ONCE, without=resting | self._strange)
        return await self.read_back_all(items)

    async def read_back_all(self, items: Sequence[Item]) -> int:
        """Reads back all of these, a few at once, but those that the vendor lets nobody ask about; how many."""
        known = [item for item in items if self._can_read_back(item)]
        asked = 0
        for start in range(0, len(known), AT_ONCE):
            chosen = self._rests.allowed(known[start : start + AT_ONCE])
            await asyncio.gather(*(self.read_back(item) for item in chosen))
            asked += len(chosen)
        return asked

    def _can_read_back(self, item: Item) -> bool:
        """Whether anybody can; what a newer version has sent waits for it, and that is said once."""
        if item.kind in self._executors:
            return True
        if item.kind not in self._strange:
            self._strange.add(item.kind)
            log.error("readback.unknown_kind", kind=item.kind)
        return False

    async def read_back(self, item: Item) -> Outcome:
        """Looks once at one action's effect and settles what that proves."""
        executor = self._executors[item.kind]
        try:
            seen = await self._look(item, executor)
        except StoreError:
            raise
        except Exception as error:
            if not isinstance(error, VendorError):
                log.exception("task.failed", task=f"read-back {item.action_id}")
            # What will be no other the next time; a mistake of ours, too, is not made for ever.
            unusable = isinstance(error, BadAnswer) or not isinstance(error, VendorError)
            self._note(item, error, unusable=unusable)
            told = isinstance(error, Refused) and not error.unrouted
            if not told and not (unusable and self._has_enough(item)):
                return await self._later(item, error)
            seen = ReadBack(Effect.CANNOT_TELL, {"error": str(error)})
        else:
            self._rests.note_answer(item.kind)
        outcome = self.judge(item, executor, seen)
        if seen.effect is not Effect.CANNOT_TELL or outcome.due_in is None:
            self._failed.pop(item.action_id, None)
            self._unusable.pop(item.action_id, None)
        # What showed nothing is no proof of anything.
        counted = seen.effect is not Effect.CANNOT_TELL
        if await self._ledger.settle_read_back(outcome, counted=counted, sent_at=item.submitted_at):
            self._tell(item, outcome, seen)
        return outcome

    def _note(self, item: Item, error: Exception, *, unusable: bool) -> None:
        """Counts reads in a row that told nothing of this action; a vendor that cannot be asked at all gave no answer.

        Its errors pass, and make the waits longer; what cannot be believed is counted for itself.
        """
        if silent(error):
            self._rests.note(item.kind, error)
            return
        self._failed[item.action_id] = self._failed.get(item.action_id, 0) + 1
        if unusable:
            self._unusable[item.action_id] = self._unusable.get(item.action_id, 0) + 1
        if isinstance(error, VendorError):
            self._rests.note_answer(item.kind)

    def _has_enough(self, item: Item) -> bool:
        """Whether so many answers about it could not be believed that no other will come."""
        return self._unusable.get(item.action_id, 0) >= USELESS_READS

    async def _later(self, item: Item, error: Exception) -> Outcome:
        """Nothing is known, and nothing changes but the date."""
        log.warning("readback.failed", action_id=item.action_id, kind=item.kind, error=error)
        self._metrics.read_back(item.kind, "failed")
        first = max(action_delay(item.attempts), self._delay / 4)
        outcome = Outcome(
            item.action_id,
            State.UNKNOWN,
            _noted(item, f"cannot be read back yet: {type(error).__name__}: {error}"[:500]),
            unusable_delay(first, max(self._failed.get(item.action_id, 0) - 1, 0)),
        )
        await self._ledger.settle_read_back(outcome, counted=False, sent_at=item.submitted_at)
        return outcome

    async def _look(self, item: Item, executor: Executor) -> ReadBack:
        """What the vendor shows; asked for once more where its answers only now tell how far our clock is from its own.

        After a start nothing is known of that, and where our clock is wrong an effect lies outside of what was asked for.
        """
        sent, until = self._span(item)
        seen = await executor.read_back(structs.replace(item, submitted_at=sent), until)
        earlier, later = self._span(item)
        if seen.effect is Effect.NOT_DONE and max(sent - earlier, later - until) > CLOCKS_APART:
            seen = await executor.read_back(structs.replace(item, submitted_at=earlier), later)
        return seen

    def _span(self, item: Item) -> tuple[float, float]:
        """From its request until now: what holds its effect by the vendor's clock and by ours."""
        now = self._clock.now()
        sent = now if item.submitted_at is None else min(item.submitted_at, now)
        return self._vendor_time.earliest(sent), self._vendor_time.latest(now)

    def judge(self, item: Item, executor: Executor, seen: ReadBack) -> Outcome:
        """What the looks so far prove, per kind (docs/architecture.md: an action's life)."""
        if seen.effect is Effect.DONE:
            return Outcome(
                item.action_id,
                State.SUCCEEDED,
                None,
                detail=seen.seen,
                made=seen.made,
                comments=seen.comments,
            )
        if seen.effect is Effect.PARTLY:
            why = f"{PARTLY}; the answer was lost, and the message shows that its move failed for others"
            return Outcome(item.action_id, State.FAILED, why, detail=seen.seen)
        return self._doubted(item, executor, seen)

    def _doubted(self, item: Item, executor: Executor, seen: ReadBack) -> Outcome:
        """What is proven where no effect was seen, or nothing."""
        looks, some = item.read_backs + 1, _some_moved(item)
        if seen.effect is Effect.NOT_DONE and not some and executor.proofs and looks >= executor.proofs:
            if item.attempts >= MAX_SENDS:
                why = f"given up: sent {item.attempts} times, and no effect was seen"
                return Outcome(item.action_id, State.DEAD, why, detail=seen.seen)
            return Outcome(item.action_id, State.READY, "read back without effect", 0.0, detail=seen.seen)
        if seen.effect is Effect.CANNOT_TELL:
            tried_for = self._clock.now() - (item.submitted_at or 0.0)
            # After an outage one such answer may be a stray one: it is asked for once more, whenever it was sent.
            twice = (item.error or "").endswith(UNTOLD) or self._has_enough(item)
            parked = tried_for >= PARKING_READS * self._delay and twice
        else:
            parked = looks >= max(PARKING_READS, executor.proofs)
        if parked and some and seen.effect is Effect.NOT_DONE:
            why = f"{PARTLY}; {some.partition(': ')[2]}, and no effect was seen"
            return Outcome(item.action_id, State.FAILED, why, detail=seen.seen)
        if parked:
            why = _noted(item, _left_to_a_person(item))
            return Outcome(item.action_id, State.UNKNOWN, why, None, detail=seen.seen)
        why = UNTOLD if seen.effect is Effect.CANNOT_TELL else "no effect seen yet"
        return Outcome(item.action_id, State.UNKNOWN, _noted(item, why), self._delay, detail=seen.seen)

    def _tell(self, item: Item, outcome: Outcome, seen: ReadBack) -> None:
        fields = {
            "action_id": item.action_id,
            "message_id": item.message_id,
            "playbook": item.playbook,
            "playbook_version": item.playbook_version,
            "kind": item.kind,
            "target": item.target,
            "state": outcome.state,
        }
        if outcome.state is State.SUCCEEDED:
            result = "confirmed"
            log.info("readback.confirmed", **fields)
        elif outcome.state is State.FAILED:
            result = "partly"
            log.warning("readback.partly", **fields, reason=outcome.error)
        elif outcome.state is State.UNKNOWN and outcome.due_in is None:
            result = "parked"
            log.error("readback.parked", **fields, reason=outcome.error)
        else:
            result = "cannot_tell" if seen.effect is Effect.CANNOT_TELL else "no_effect"
            log.warning("readback.no_effect", **fields, reason=outcome.error)
        self._metrics.read_back(item.kind, result)
        if outcome.state in (State.SUCCEEDED, State.FAILED, State.DEAD):
            self._metrics.action(item.kind, outcome.state)
            write = {State.SUCCEEDED: log.info, State.FAILED: log.warning}.get(outcome.state, log.error)
            write("action.finished", **fields, attempts=item.attempts, reason=outcome.error)

    async def expire(self) -> None:
        """What nobody approved, or what was approved but not sent, in time ends here."""
        for row in await self._ledger.expire():
            if row["state"] is State.UNKNOWN:
                continue  # looked at once more before that, which its read-back tells
            self._metrics.action(row["kind"], State.EXPIRED)
            log.warning(
                "action.expired",
                action_id=row["id"],
                message_id=row["message_id"],
                playbook=row["playbook"],
                kind=row["kind"],
                target=row["target"],
                reason=row["why"],
            )

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            pass


def _left_to_a_person(item: Item) -> str:
    remedy = "`worker actions retry ID --i-checked`, or `reject ID` where it is done"
    if kind_of(item.kind).collection:
        remedy = (
            "`worker actions retry ID --i-checked`, which takes over an entry that it has made; "
            "`reject ID` leaves that to you"
        )
    return f"no answer, and no effect seen: a person must look, then {remedy}"


def _some_moved(item: Item) -> str:
    """What its answer said of some of its recipients; empty for most. Sent again it would act on them twice."""
    told = (item.error or "").partition("; ")[0]
    return told if told.startswith(SOME_MOVED) else ""


def _noted(item: Item, why: str) -> str:
    """The next error of an action in doubt: what its answer said of some recipients stays in front of it."""
    some = _some_moved(item)
    return f"{some}; {why}" if some else why
