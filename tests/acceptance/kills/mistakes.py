"""Mistakes to be made in a process under test: some that a worker must survive, and some that a kill must expose."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from sqlalchemy import Connection, update

from worker import bootstrap
from worker import dispatcher as dispatcher_module
from worker.acting import looks
from worker.acting.looks import TOO_OLD_SECONDS, Looked
from worker.clock import SteadyClock
from worker.dispatcher import Dispatcher
from worker.errors import AnswerLost, StoreError, VendorError
from worker.executors.base import Executor, ReadBack, from_error
from worker.executors.move import MoveExecutor
from worker.model.actions import PARTLY, Mode, State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.caps import HOUR
from worker.model.events import Detection
from worker.model.ledger import BulkLane, Look
from worker.model.plans import Ceilings
from worker.reconciler import Reconciler
from worker.store import engine, schema, seen
from worker.store.calls import outcomes
from worker.store.ledger import StoreLedger

SHORT_TIMEOUT = 0.3


class SlipError(Exception):
    """Nobody foresaw this."""


def impatient() -> None:
    """A locked database is given up after a tenth of a second rather than five."""
    engine.BUSY_SECONDS = 0.1


def hasty() -> None:
    """A request is given up, and a claim too old, after a third of a second rather than half a minute."""
    bootstrap.HTTP_TIMEOUT = SHORT_TIMEOUT


def unwilling_store() -> None:
    """The database refuses the first settlement, and the first question for work after it."""
    settle, lanes = StoreLedger.settle, StoreLedger.lanes
    refuses_settle, refuses_lanes = _once(), _once()
    asked = count()

    async def settle_(self: StoreLedger, call: Call, answered: Answered) -> int:
        if refuses_settle():
            raise StoreError("database: disk I/O error; made up by a test")
        return await settle(self, call, answered)

    async def lanes_(self: StoreLedger, ceiling: Mode) -> list[BulkLane]:
        if next(asked) and refuses_lanes():
            raise StoreError("database: disk I/O error; made up by a test")
        return await lanes(self, ceiling)

    StoreLedger.settle, StoreLedger.lanes = settle_, lanes_  # type: ignore[method-assign]


def dawdles_once() -> None:
    """The first request waits until its claim is too old."""
    _wait_before_sending(2.2, _once())


def hesitates() -> None:
    """Every move waits a little, so that other answers come between its claim and its request."""
    _wait_before_sending(0.3, lambda: True)


def _wait_before_sending(seconds: float, times: Callable[[], bool]) -> None:
    honest = Dispatcher._answer

    async def answer(self: Dispatcher, executor: Executor, call: Call) -> Answered:
        if call.kind == "move" and times():
            await asyncio.sleep(seconds)
        return await honest(self, executor, call)

    Dispatcher._answer = answer  # type: ignore[method-assign]


def slip_in_look() -> None:
    """The first look at a moved message fails in a way that nobody foresaw."""
    honest, times = MoveExecutor.look, _once()

    async def look(self: MoveExecutor, item: Item, row: Detection) -> Look:
        if times():
            raise SlipError
        return await honest(self, item, row)

    MoveExecutor.look = look  # type: ignore[method-assign]


def slip_in_lane() -> None:
    """The first time that anything is to be looked at fails in a way that nobody foresaw."""
    honest, times = StoreLedger.unverified, _once()

    async def unverified(self: StoreLedger, lane: BulkLane, ceilings: Ceilings, most: int) -> list[Item]:
        if times():
            raise SlipError
        return await honest(self, lane, ceilings, most)

    StoreLedger.unverified = unverified  # type: ignore[method-assign]


def squints() -> None:
    """The first look takes so long that what it saw is too old, and the next one asks about a few only."""
    honest, times = looks.look, _once()

    async def look(*given: Any) -> Looked:
        looked = await honest(*given)
        if looked.changed or not times():
            return looked
        long_ago = time.time() - 2 * TOO_OLD_SECONDS
        old = tuple(one._replace(read_at=long_ago) for one in looked.looks)
        return replace(looked, looks=old, few=True)

    dispatcher_module.look = look  # type: ignore[assignment, attr-defined]


def learns_the_time_late() -> None:
    """What the vendor's clock says is known only after the first question of each read-back."""
    honest, asked = Reconciler._span, count()

    def span(self: Reconciler, item: Item) -> tuple[float, float]:
        since, until = honest(self, item)
        return (since, until) if next(asked) % 2 else (since + HOUR, until - HOUR)

    Reconciler._span = span  # type: ignore[method-assign]


def slip_after_sending() -> None:
    """The first answer to a move breaks the code that reads it."""
    honest, times = MoveExecutor.execute, _once()

    async def execute(self: MoveExecutor, call: Call) -> Answered:
        answered = await honest(self, call)
        if times():
            raise SlipError
        return answered

    MoveExecutor.execute = execute  # type: ignore[method-assign]


def mumbles() -> None:
    """The answer to a move that failed for some recipients is lost."""
    honest = MoveExecutor.execute

    async def execute(self: MoveExecutor, call: Call) -> Answered:
        answered = await honest(self, call)
        if any((one.error or "").startswith(PARTLY) for one in answered.outcomes):
            raise AnswerLost("mumbled")
        return answered

    MoveExecutor.execute = execute  # type: ignore[method-assign]


def slip_in_read_back() -> None:
    """The first read-back of a move fails in a way that nobody foresaw."""
    honest, times = MoveExecutor.read_back, _once()

    async def read_back(self: MoveExecutor, item: Item, now: float) -> ReadBack:
        if times():
            raise SlipError
        return await honest(self, item, now)

    MoveExecutor.read_back = read_back  # type: ignore[method-assign]


def _once() -> Callable[[], bool]:
    left = iter([True])
    return lambda: next(left, False)


def done_before_acting() -> None:
    """Broken: success is written down first, then the request is sent."""
    honest = Dispatcher._answer

    async def answer(self: Dispatcher, executor: Executor, call: Call) -> Answered:
        done = tuple(Outcome(item.action_id, State.SUCCEEDED) for item in call.items)
        await self._settle(call, Answered(done, "call.answered", 200))
        return await honest(self, executor, call)

    Dispatcher._answer = answer  # type: ignore[method-assign]


def taken_for_never_sent() -> None:
    """Broken: what was in flight when the process died is taken for never sent."""
    honest = outcomes.recover

    def recover(conn: Connection, account_id: str, now: float, delay: float) -> list[str]:
        found = honest(conn, account_id, now, delay)
        a = schema.actions
        conn.execute(update(a).where(a.c.id.in_(found)).values(state=State.READY, due_at=now))
        return found

    outcomes.recover = recover


def forgets_what_it_saw() -> None:
    """Broken: events are marked as seen in one transaction and decided in the next."""
    honest, see = StoreLedger.record, seen.add
    seen.add = lambda *_: None

    async def record(self: StoreLedger, poll: Any, sightings: Sequence[Any], *args: Any, **more: Any) -> Any:
        await self.store.run(see, self.account_id, self._clock.now(), sightings)
        return await honest(self, poll, sightings, *args, **more)

    StoreLedger.record = record  # type: ignore[method-assign]


def resends_blindly() -> None:
    """Broken: a lost answer is taken for a refusal."""
    honest = from_error

    def from_lost(call: Call, error: VendorError, read_back_delay: float, *, proofs: int) -> Answered:
        answered = honest(call, error, read_back_delay, proofs=proofs)
        again = tuple(Outcome(one.action_id, State.READY, one.error, 0.0) for one in answered.outcomes)
        return Answered(again, answered.event, answered.status, answered.ray, answered.error)

    vars(dispatcher_module)["from_error"] = from_lost


def asleep_before_sending() -> None:
    """The machine sleeps for an hour after the first claim: its clocks have moved on when it wakes."""
    _leap_before_sending(wall=3600.0, steady=3600.0)


def set_back_before_sending() -> None:
    """As above, and somebody sets the clock back by as much meanwhile: only the steady clock tells."""
    _leap_before_sending(wall=0.0, steady=3600.0)


def set_ahead_before_sending() -> None:
    """Somebody sets the clock ahead by an hour after the first claim."""
    _leap_before_sending(wall=3600.0, steady=0.0)


def _leap_before_sending(*, wall: float, steady: float) -> None:
    honest, times, begin = Dispatcher._answer, _once(), SteadyClock.__init__
    leapt = {"wall": 0.0, "steady": 0.0}

    def init(self: SteadyClock, *args: Any, **more: Any) -> None:
        begin(self, *args, **more)
        true_wall, true_steady = self._wall, self._steady
        self._wall = lambda: true_wall() + leapt["wall"]
        self._steady = lambda: true_steady() + leapt["steady"]

    async def answer(self: Dispatcher, executor: Executor, call: Call) -> Answered:
        if times():
            leapt.update(wall=wall, steady=steady)
        return await honest(self, executor, call)

    Dispatcher._answer = answer  # type: ignore[method-assign]
    SteadyClock.__init__ = init  # type: ignore[method-assign]
