"""Ready actions go out: look before acting, claim, send once, settle. Nothing here decides what should be done.

One task a lane at a time, so that work which falls due while a call is in flight shares the next one; a deep
queue is given more calls at once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from worker.acting.looks import Looked, look
from worker.acting.pace import Pace
from worker.acting.proof import Proof
from worker.acting.standing import Standing
from worker.clock import Clock, VendorTime
from worker.cloudflare import Cloudflare
from worker.errors import AnswerLost, StoreError, Transient, VendorError
from worker.executors.base import FEW, Elsewhere, Executor, check_named, from_error, not_sent
from worker.model.actions import State
from worker.model.breaker import Turn
from worker.model.calls import Answered, Call, Item
from worker.model.events import Detection
from worker.model.kinds import APART, FINDS, carrier
from worker.model.ledger import BulkLane, Limits, Look
from worker.model.plans import Ceilings
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Budget, Kept, Ledger

log = get_logger()

IDLE_SECONDS = 1.0
"""How often the ledger is asked for work that another process made ready."""
LOOKS_AT_ONCE = 500
"""Messages that share the lists of one look, also where each is a call of its own; they are sent within a minute."""
FEW_SECONDS = 600.0
"""How long a lane is looked at in small parts after a look at all of it took too long."""


@dataclass(frozen=True, slots=True)
class DispatchOptions:
    """The operator's choices that concern acting. Times in seconds."""

    ceilings: Ceilings
    budget: int
    read_back_delay: float
    http_timeout: float
    vendor_time: VendorTime | None = None

    @property
    def lease(self) -> float:
        """How long a claim is good for; it is not sent in the last two time-outs of it."""
        return 4 * self.http_timeout


@dataclass(frozen=True, slots=True)
class Line:
    """What actions wait for: how much may be asked of the other side now, and how the worker stands with it."""

    budget: Budget
    standing: Standing

    def open(self, kind: str) -> bool:
        """Whether a request of this kind may go out now."""
        return not self.budget.blocked_for() and self.standing.may_send(kind)


class Dispatcher:
    """Sends what is ready.

    `redecide` is given rows whose verdict has changed since the decision, and when they were read; it says of which that
    is the verdict still. What leaves the vendor alone has a line of its own, whose budget is `pace`: neither holds the
    other up.
    """

    def __init__(
        self,
        ledger: Ledger,
        cloudflare: Cloudflare,
        executors: dict[str, Executor],
        budget: Budget,
        clock: Clock,
        metrics: Metrics,
        options: DispatchOptions,
        redecide: Callable[[Sequence[Detection], float], Awaitable[Sequence[Detection]]],
        token: Callable[[], str],
        pace: Budget | None = None,
    ) -> None:
        self._ledger = ledger
        self._cloudflare = cloudflare
        self._executors = executors
        self._vendor = Line(budget, Standing(clock, token, metrics))
        self._apart = Line(pace or Pace(clock, metrics), Standing(clock, lambda: "", metrics))
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._redecide = redecide
        self._remembered: dict[str, Any] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._strange: set[str] = set()
        self._few_until: dict[str, float] = {}

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    def stop(self) -> None:
        """No new claim from here on; `run` returns when what is in flight is settled."""
        self._stopping = True
        self._wake.set()

    @property
    def in_flight(self) -> list[str]:
        """The lanes that are being worked on."""
        return sorted(self._busy)

    async def run(self) -> None:
        """Works until `stop`."""
        try:
            while not self._stopping:
                self._wake.clear()
                await self.step()
                await self._nap()
            await self.settled()
        finally:
            # Only a drain that took too long gets here with work in flight: it is read back after the next start.
            for task in self._busy.values():
                task.cancel()

    async def step(self) -> bool:
        """Starts work on every lane that is due and idle; True where something is in flight."""
        try:
            lanes = await self._ledger.lanes(self._options.ceilings.mode)
        except StoreError:
            # Which the store itself tells: nothing starts before it works again.
            return bool(self._busy)
        for lane in lanes:
            if lane.kind in FINDS or not self._can_carry_out(lane):
                continue
            if lane.name not in self._busy and not self._stopping and self._line(lane.kind).open(lane.kind):
                task = asyncio.create_task(self._work(lane), name=f"lane {lane.name}")
                self._busy[lane.name] = task
                task.add_done_callback(partial(self._finished, lane.name))
        return bool(self._busy)

    def _can_carry_out(self, lane: BulkLane) -> bool:
        """Whether anybody can; what a newer version has planned waits for it, and that is said once."""
        if carrier(lane.name, lane.kind) in self._executors:
            return True
        if lane.kind not in self._strange:
            self._strange.add(lane.kind)
            log.error("dispatch.unknown_kind", kind=lane.kind, count=lane.waiting)
        return False

    async def settled(self) -> None:
        """Waits until nothing is in flight."""
        while self._busy:
            await asyncio.wait(list(self._busy.values()))
            await asyncio.sleep(0)

    def wait(self, kind: str) -> float | None:
        """Seconds until this kind may be sent again, None where nobody can say: see `Standing.wait`."""
        return self._line(kind).standing.wait(kind)

    def _line(self, kind: str) -> Line:
        return self._apart if kind in APART else self._vendor

    async def restore(self, *, at_once: bool = False) -> None:
        """Breakers that were open when the worker stopped still are; `at_once`: each may be tried now."""
        self._remembered = await self._ledger.recall(Kept.BREAKERS) or {}
        for kind, told in self._remembered.items():
            self._line(kind).standing.circuits.restore({kind: told}, at_once=at_once)

    async def _nap(self) -> None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _finished(self, lane: str, task: asyncio.Task[None]) -> None:
        del self._busy[lane]
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, StoreError):
            kind = lane.partition(":")[0]
            self._line(kind).standing.note_failure(kind)
            log.error("task.failed", task=f"lane {lane}", exc_info=error)
        self._wake.set()

    async def _work(self, lane: BulkLane) -> None:
        executor = self._executors[carrier(lane.name, lane.kind)]
        # What has been looked at goes first: it would be too old once everything else has been looked at too.
        await self._send_verified(lane, executor)
        blocked = self._line(lane.kind).budget.blocked_for()
        if not self._stopping and not blocked and await self._look(lane, executor):
            await self._send_verified(lane, executor)

    async def _send_verified(self, lane: BulkLane, executor: Executor) -> None:
        deep = lane.waiting > executor.most
        # Two turns at a deep queue: while one waits for the vendor, the other claims.
        turns, calls = (2, executor.parallel // 2) if deep else (1, 1)
        await asyncio.gather(*(self._send_all(lane, executor, calls) for _ in range(turns)))

    async def _send_all(self, lane: BulkLane, executor: Executor, parallel: int) -> None:
        """Claims and sends until the lane is empty, the budget is used up or the worker stops."""
        limits = Limits(self._options.ceilings, self._options.budget, self._options.lease)
        line = self._line(lane.kind)
        circuits = line.standing.circuits
        while not self._stopping and line.open(lane.kind):
            if circuits.turn(lane.kind) is Turn.ALL:
                if not await self._send_some(lane, executor, limits, executor.most, parallel):
                    return
                continue
            circuits.probe(lane.kind)
            try:
                if not await self._send_some(lane, executor, limits, 1, 1):
                    return
            finally:
                circuits.forgo(lane.kind)

    async def _send_some(
        self, lane: BulkLane, executor: Executor, limits: Limits, most: int, parallel: int
    ) -> bool:
        """Claims and sends up to so many calls; False where there was none to send."""
        claimed = await self._ledger.claim(lane, limits, most=most, calls=parallel)
        self._tell_put_back(claimed.put_back)
        if claimed.wait:
            self._line(lane.kind).budget.exhausted(claimed.wait)
        # All at once: what is claimed must not wait for its turn, or a pause would come too late.
        await asyncio.gather(*(self._send(executor, call) for call in claimed.calls))
        return bool(claimed.calls)

    async def _look(self, lane: BulkLane, executor: Executor) -> bool:
        """Reads again what was seen too long ago; False where there was nothing, or the lane has to wait."""
        most = max(executor.most * executor.parallel, LOOKS_AT_ONCE)
        if self._clock.monotonic() < self._few_until.get(lane.name, 0.0):
            most = FEW
        items = await self._ledger.unverified(lane, self._options.ceilings, most)
        if approved := [item.action_id for item in items if item.approved_at is not None]:
            # Nothing is asked of the vendor about what nobody approved as it is now.
            back = await self._ledger.review(lane, approved, self._options.ceilings.hold_seconds)
            self._tell_put_back(back)
            gone = {row["id"] for row in back}
            items = [item for item in items if item.action_id not in gone]
        if not items:
            return False
        standing = self._line(lane.kind).standing
        try:
            looked = await look(items, executor, self._cloudflare, self._clock, await self._proof())
        except VendorError as error:
            standing.note_refusal(lane.kind, error)
            log.warning(
                "state.refresh_failed", kind=lane.kind, target=lane.target, count=len(items), error=error
            )
            standing.note_stumble(lane.kind)
            return False
        await self._ledger.apply_looks(self._options.ceilings.hold_seconds, looked.looks)
        if looked.few:
            self._few_until[lane.name] = self._clock.monotonic() + FEW_SECONDS
        if not looked.helps(self._clock.now()):
            log.warning("state.too_slow", kind=lane.kind, target=lane.target, count=len(looked.looks))
            standing.note_stumble(lane.kind)
            return False
        standing.note_steady(lane.kind)
        count = len(looked.looks) + len(looked.changed)
        log.info("state.refreshed", kind=lane.kind, target=lane.target, count=count)
        by_id = {item.action_id: item for item in items}
        ended = [one for one in looked.looks if one.state is not State.READY]
        self._tell_ends(lane.kind, [(by_id[one.action_id], one.state, one.why) for one in ended])
        if looked.changed:
            await self._decide_anew(items, looked)
        return True

    async def _proof(self) -> Proof | None:
        loss = await self._ledger.loss()
        options = self._options
        return Proof(loss, options.read_back_delay, self._clock, options.vendor_time) if loss else None

    async def _decide_anew(self, items: Sequence[Item], looked: Looked) -> None:
        """The new verdict replaces what was wanted under the old one, also where it had been decided before."""
        rows = await self._redecide(looked.changed, looked.read_at)
        verdicts = {row.id: row.final_disposition or "none" for row in rows}
        looks = [
            Look(item.action_id, State.SKIPPED, f"the verdict changed to {verdicts[item.message_id]}")
            for item in items
            if item.message_id in verdicts
        ]
        await self._ledger.apply_looks(self._options.ceilings.hold_seconds, looks)

    async def _send(self, executor: Executor, call: Call) -> None:
        log.info("call.submitted", call_id=call.id, kind=call.kind, target=call.target, count=len(call.items))
        answered = await self._answer(executor, call)
        level = log.info if answered.event in ("call.answered", "call.not_needed") else log.warning
        level(
            answered.event,
            call_id=call.id,
            kind=call.kind,
            target=call.target,
            count=len(call.items),
            status=answered.status,
            ray=answered.ray,
            error=answered.error,
        )
        await self._settle(call, answered)
        items = {item.action_id: item for item in call.items}
        self._tell_ends(
            call.kind, [(items[one.action_id], one.state, one.error) for one in answered.outcomes]
        )
        await self._keep_breakers()

    async def _keep_breakers(self) -> None:
        """For `worker status` and the next start; where the database refuses, the next call's end tries again."""
        breakers = self._vendor.standing.circuits.snapshot() | self._apart.standing.circuits.snapshot()
        if breakers != self._remembered:
            with suppress(StoreError):  # which the store itself tells
                await self._ledger.remember(Kept.BREAKERS, breakers)
                self._remembered = breakers

    async def _answer(self, executor: Executor, call: Call) -> Answered:
        line = self._line(call.kind)
        stale = self._clock.now() > call.lease_until - 2 * self._options.http_timeout
        if stale or self._clock.monotonic() > call.send_by:
            return not_sent(call, "the claim was too old to be sent")
        if (refused := line.budget.refused_for()) > 0:
            return not_sent(call, "429 had been answered before it could be sent", refused)
        try:
            if not isinstance(executor, Elsewhere):
                check_named(call)
            answered = await executor.execute(call)
        except VendorError as error:
            line.standing.note_refusal(call.kind, error)
            line.standing.circuits.note_error(call.kind, error, len(call.items))
            if isinstance(error, Transient):
                line.standing.note_unreachable(call.items[0].refusals)
            return from_error(call, error, self._options.read_back_delay, proofs=executor.proofs)
        except StoreError as error:
            # Executors ask the ledger before they send; what they have sent is not theirs to write down.
            return not_sent(call, f"the ledger could not be asked: {error}")
        except Exception as error:
            # Whatever it is, the request may have had its effect.
            log.exception("task.failed", task=f"call {call.id}")
            lost = AnswerLost(f"the answer could not be read: {type(error).__name__}")
            line.standing.circuits.note_error(call.kind, lost)
            return from_error(call, lost, self._options.read_back_delay)
        line.standing.note_accepted(call.kind)
        line.standing.circuits.note_success(call.kind)
        return answered

    async def _settle(self, call: Call, answered: Answered) -> None:
        """What was sent must be written down: tries until the database takes it or the process ends."""
        while True:
            try:
                await self._ledger.settle(call, answered)
            except StoreError:
                await self._clock.sleep(IDLE_SECONDS)
            else:
                return

    def _tell_put_back(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Says which approvals do not stand any more, and what waits for a person, or has expired, because of it."""
        over = {(row["approval_id"], row["why"], row["state"]) for row in rows}
        for approval_id, why, state in sorted(over, key=str):
            if state is State.HELD:
                log.error("approval.void", approval_id=approval_id, reason=why)
        # What is looked at once more is told by its read-back.
        for row in (row for row in rows if row["state"] is not State.UNKNOWN):
            self._metrics.action(row["kind"], row["state"])
            log.warning(
                "action.held" if row["state"] is State.HELD else "action.expired",
                action_id=row["id"],
                message_id=row["message_id"],
                playbook=row["playbook"],
                kind=row["kind"],
                target=row["target"],
                state=row["state"],
                reason=row["why"],
            )

    def _tell_ends(self, kind: str, ends: Sequence[tuple[Item, State, str | None]]) -> None:
        """Counts and logs what became of actions of one kind."""
        by_state: dict[State, list[tuple[Item, str | None]]] = defaultdict(list)
        for item, state, why in ends:
            by_state[state].append((item, why))
        now = self._clock.now()
        for state, ended in by_state.items():
            self._metrics.action(kind, state, len(ended))
            if state in (State.READY, State.UNKNOWN, State.SUBMITTED):
                continue
            if state is State.SUCCEEDED:
                visible = (item.message_until for item, _ in ended)
                self._metrics.effects(kind, (now - since for since in visible if since is not None))
            good = state in (State.SUCCEEDED, State.SKIPPED)
            log.each(
                "info" if good else "warning",
                "action.held" if state is State.HELD else "action.finished",
                (_told(item, why) for item, why in ended),
                kind=kind,
                state=state,
                outcome="success" if good else "failure",
            )


def _told(item: Item, why: str | None) -> dict[str, object]:
    return {
        "action_id": item.action_id,
        "message_id": item.message_id,
        "playbook": item.playbook,
        "playbook_version": item.playbook_version,
        "target": item.target,
        "attempts": item.attempts + 1,
        "reason": why,
    }
