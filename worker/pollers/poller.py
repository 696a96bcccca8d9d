"""One source's life: a window at every tick, an edge-triggered word when it fails and when it recovers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from msgspec.structs import replace

from worker.clock import Clock, VendorTime
from worker.errors import Refused, StoreError, Unauthorized, WorkerError
from worker.intake import Intake
from worker.model.ledger import Cursor
from worker.model.plans import REDECIDE, REFRESH, Poll
from worker.model.storable import storable
from worker.ops.exceptions import describe
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.pollers.source import Page, Source
from worker.pollers.windows import SWEEP, Reach, advance, begin, next_poll, resumed
from worker.ports import Budget, Ledger
from worker.retry import GrowingWaits, source_delay

log = get_logger()

RELAXED = 0.5
"""Share of the budget up to which the interval is kept; above it, it stretches."""
FIRST_SWEEP_WAIT, LONGEST_SWEEP_WAIT = 60.0, 3600.0
"""Seconds until a sweep that has failed is tried again: doubling."""
LONGEST_ERROR = 500
"""Characters that `worker status` shows of why a source cannot be read."""


class InterruptedPollError(WorkerError):
    """The worker is stopping: the page in hand is recorded, the poll goes on after the next start."""


@dataclass(slots=True)
class Tick:
    """The clock's hand: the scheduler sets it, the poller takes it. Overlapping ticks are one."""

    due: asyncio.Event
    polling: bool = False


class Poller:
    """Polls one source until told to stop."""

    def __init__(
        self,
        source: Source,
        intake: Intake,
        ledger: Ledger,
        budget: Budget,
        clock: Clock,
        metrics: Metrics,
        *,
        reach: Reach,
        interval: float,
        vendor_time: VendorTime,
    ) -> None:
        self.source = source
        self._intake = intake
        self._ledger = ledger
        self._budget = budget
        self._clock = clock
        self._metrics = metrics
        self._reach = reach
        self._interval = interval
        self._vendor_time = vendor_time
        self._tick = Tick(asyncio.Event())
        self._stopping = asyncio.Event()
        self._failures = 0
        self._unauthorized = False
        self._told = False
        self._failing_since = 0.0
        self._kept: str | None = None
        self._sweeps = GrowingWaits(FIRST_SWEEP_WAIT, LONGEST_SWEEP_WAIT, clock.monotonic)

    @property
    def failing(self) -> bool:
        """Whether the last poll failed."""
        return self._failures > 0

    def tick(self) -> None:
        """It is time for the next poll; counted where the last one is still under way."""
        if self._tick.due.is_set() or self._tick.polling:
            self._metrics.tick_overlapped(self.source.name)
            log.info("tick.overlapped", source=self.source.name)
        self._tick.due.set()

    def stop(self) -> None:
        """No new window from here on; the page in hand is still recorded."""
        self._stopping.set()
        self._tick.due.set()

    async def run(self) -> None:
        """Polls now and at every tick; a source that fails is asked again sooner, but ever more rarely."""
        while not self._stopping.is_set():
            self._tick.due.clear()
            started = self._clock.monotonic()
            succeeded = await self.try_poll()
            if self._stopping.is_set():
                return
            if not succeeded:
                await self._pause(source_delay(self._failures, self._interval))
                continue
            await self._pause(self._least_gap() - (self._clock.monotonic() - started))
            await self._tick.due.wait()

    async def try_poll(self, *, last_chance: bool = False) -> bool:
        """One poll; False where it failed, which is logged once."""
        self._tick.polling = True
        try:
            await self._poll_by_both_clocks(last_chance=last_chance)
        except InterruptedPollError:
            return True
        except ExceptionGroup as group:
            error = _first_of(group)
            if not isinstance(error, InterruptedPollError):
                await self._note_failure(error)
            return isinstance(error, InterruptedPollError)
        except Exception as error:  # noqa: BLE001 - whatever ails one source must not stop the others
            await self._note_failure(error)
            return False
        finally:
            self._tick.polling = False
        await self._note_success()
        return True

    async def _poll_by_both_clocks(self, *, last_chance: bool) -> None:
        """One poll; a second one where the refusal of the first was what told that the vendor's clock is behind."""
        known = self._vendor_time.behind
        try:
            await self.poll(last_chance=last_chance)
        except Exception as error:
            if known or not self._vendor_time.behind or not isinstance(_first_of(error), Refused):
                raise
            await self.poll(last_chance=last_chance)

    async def poll(self, *, last_chance: bool = False) -> None:
        """Finishes polls that were cut off under their own ids, then reads the next window."""
        # Its lag is told also where nothing can be read.
        cursor = await self._cursor()
        cut_off = await self._ledger.open_polls(self.source.name)
        for poll in cut_off:
            now = self._clock.now()
            # A window in the future is what a clock that was set back has left: the next ones cover it.
            if poll.kind in (REDECIDE, REFRESH) or poll.start > now:
                await self._intake.close(poll, None)
            else:
                again = resumed(poll, cursor, now, self._reach, behind=self._vendor_time.behind)
                await self._read_or_leave(again, last_chance=last_chance)
        if cut_off:
            # They may have been opened under a lower mode.
            await self._intake.again.take_up_trial(self.source.name)
        await self._intake.again.catch_up(self.source.name)
        await self._intake.again.readmit(self.source.name)
        await self._intake.again.take_up_due(self.source.name)
        cursor = await self._cursor()
        sweeps = self._sweeps.is_due(SWEEP)
        following = next_poll(
            self.source.name,
            cursor,
            self._clock.now(),
            self._reach,
            sweeps=sweeps,
            behind=self._vendor_time.behind,
        )
        await self._read_or_leave(following, last_chance=last_chance)

    async def _read_or_leave(self, poll: Poll, *, last_chance: bool) -> None:
        """Reads a window. A sweep that fails is left with what it has read, and tried anew later, ever more rarely.

        New mail must not wait for a day that cannot be read; the next sweep reads all of it again.
        """
        try:
            await self._read(poll, last_chance=last_chance)
        except Exception as error:
            if poll.kind != SWEEP or isinstance(_first_of(error), InterruptedPollError | StoreError):
                raise
            self._sweeps.note_failure(SWEEP)
            await self._intake.close(poll, None)
            raise
        if poll.kind == SWEEP:
            self._sweeps.forget(SWEEP)

    async def _cursor(self) -> Cursor:
        cursor = await self._ledger.begin(self.source.name, begin(self._clock.now(), self._reach))
        self._metrics.watermark(self.source.name, cursor.watermark)
        return cursor

    async def _read(self, poll: Poll, *, last_chance: bool) -> None:
        started = self._clock.monotonic()
        log.debug("poll.started", source=poll.source, poll_id=poll.id, window=poll.kind)
        rows = 0

        async def take(page: Page) -> None:
            nonlocal rows
            rows += page.rows
            await self._intake.take(self.source, poll, page, last_chance=last_chance)
            if self._stopping.is_set():
                raise InterruptedPollError

        await self.source.read(poll, take)
        # A clock that was set back while the window was read: no watermark lies in the future.
        until = replace(poll, end=min(poll.end, self._clock.now()))
        cursor = advance(await self._cursor(), until)
        closed = await self._intake.close(poll, cursor)
        self._metrics.watermark(poll.source, cursor.watermark)
        log.info(
            "sweep.completed" if poll.kind == SWEEP else "poll.completed",
            source=poll.source,
            poll_id=poll.id,
            window=poll.kind,
            rows=rows,
            new=closed.new_events,
            seconds=round(self._clock.monotonic() - started, 3),
        )

    def _least_gap(self) -> float:
        """Seconds that must lie between the starts of two polls beside the tick: actions come before polls.

        0 while at most half of the request budget is used.
        """
        pressure = self._budget.pressure()
        if pressure <= RELAXED:
            return 0.0
        return self._interval / (2 * (1 - pressure) + 0.05)

    async def _pause(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _note_failure(self, error: Exception) -> None:
        if not self._failures:
            self._failing_since = self._clock.now()
        self._failures += 1
        self._metrics.poll(self.source.name, "failed")
        if isinstance(error, Unauthorized) and not self._unauthorized:
            self._unauthorized = True
            log.error("auth.refused", source=self.source.name, error=error)
        if not self._told and not isinstance(error, StoreError):  # which the store itself tells
            self._told = True
            log.error("poll.failed", source=self.source.name, error=error)
        if not isinstance(error, StoreError):
            # As the log says it: the text of an exception may hold mail, or what no file can.
            kind, message, _ = describe(error)
            await self._keep(storable(f"{kind}: {message}")[:LONGEST_ERROR])

    async def _note_success(self) -> None:
        self._metrics.poll(self.source.name, "completed")
        if self._unauthorized:
            log.info("auth.recovered", source=self.source.name)
        if self._told:
            log.info("poll.recovered", source=self.source.name, attempts=self._failures)
        self._failures, self._unauthorized, self._told = 0, False, False
        await self._keep("")

    async def _keep(self, error: str) -> None:
        """For `worker status`: written where it is another than before; what was before a start nobody knows."""
        if error != self._kept:
            with suppress(StoreError):  # which the store itself tells
                await self._ledger.note_source(self.source.name, self._failing_since, error)
                self._kept = error


def _first_of(error: Exception) -> Exception:
    """The error itself, or the first of a group."""
    return _first_of(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
