"""The worker's life: recover, poll, act, stop. Consumers outlive pollers, so that what came in is still worked on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import TypeVar

from worker.clock import utc
from worker.errors import StoreError
from worker.model.actions import State
from worker.ops.logs import get_logger
from worker.parts import Parts
from worker.playbooks.reviewing import due
from worker.process import signals
from worker.working_off import work_off

log = get_logger()
T = TypeVar("T")

HOUSEKEEPING_SECONDS = 1.0
COUNTING_SECONDS = 15.0
REMIND_SECONDS = 86400.0
ONCE_SECONDS = 1.0
"""What a single run spends on removing old rows; the next one goes on."""
EXIT_KILLED = 130


class Service:
    """Runs the parts: as a daemon, or once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._recovered = False
        self._keeping: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._counts: dict[tuple[str, str], int] = {}
        self.undone = ""
        """What a single run had to leave, in a line."""
        parts.metrics.action_counts(lambda: self._counts)

    def ready(self) -> dict[str, bool | str]:
        """What readiness depends on: storage, playbooks, recovery. Not Cloudflare. A text is why it is not."""
        parts = self._parts
        return {
            "database": parts.storage.reason or True,
            "playbooks": bool(parts.intake.rules.current.playbooks),
            "recovery": self._recovered,
        }

    async def run(self) -> int:
        """Until SIGTERM or SIGINT: stop intake, drain, exit 0. A second signal ends it at once."""
        parts = self._parts
        self._listen_to_signals()
        if parts.health is not None:
            await parts.health.start()
        try:
            await self._start()
            await self._work()
            await self._kept()
            await self._leave_word()
        finally:
            if parts.health is not None:
                await parts.health.stop()
        log.info("service.stopped")
        return 0

    async def run_once(self) -> int:
        """One poll of every source, then everything open is carried out or parked. Exit code 0, 1 or 3."""
        self._listen_to_signals()
        await self._start(at_once=True)
        parts = self._parts
        await parts.pausing.look()
        polled = True
        await parts.reconciler.expire()
        for poller in parts.pollers:
            # Detections first: reports then find their messages in the same run.
            done = await self._unless_stopped(poller.try_poll(last_chance=True))
            # Who stops it knows that it has not polled.
            polled = polled and (done is True or self._stop.is_set())
        if not self._stop.is_set():
            await parts.expiry.step()
            await self._unless_stopped(work_off(parts))
            await parts.expiry.step()
            await self._unless_stopped(parts.confirmer.step())
        await self._drain()
        await parts.retention.turn(0.0, ONCE_SECONDS)
        await self._kept()
        await self._leave_word()
        counts = await parts.ledger.counts_by_kind()
        stuck = sum(count for _, state, count in counts if state in ("dead", "unknown"))
        left = await parts.ledger.left(parts.ceilings.mode)
        log.info("service.stopped", stuck=stuck, polled=polled, ready=left.ready)
        under_way = sum(count for _, state, count in counts if state == State.SUBMITTED)
        self.undone = "; ".join(await self._undone(left.ready, under_way, polled=polled))
        if stuck:
            return 3
        # A token that is refused matters where something waits for it.
        short = any(parts.dispatcher.wait(kind) is None for kind, _ in left.kinds)
        return 0 if polled and not short else 1

    async def _undone(self, ready: int, under_way: int, *, polled: bool) -> list[str]:
        """What nobody may believe done although the run has ended."""
        found = []
        if not polled:
            found.append("a source could not be read; the log says which, and why")
        if ready and await self._parts.ledger.paused() is not None:
            found.append(f"{ready} actions are ready and wait for `worker resume`")
        elif ready and not self._stop.is_set():
            # A 429 without end, a message that cannot be looked up.
            found.append(
                f"{ready} actions are ready and could not be sent; `worker run --once` again, or the log"
            )
        if under_way:
            found.append(
                f"{under_way} actions are under way, in a bulk job or without an answer; the next run looks for them"
            )
        return found

    async def close(self) -> None:
        """Closes the connections to the vendor; may be called twice."""
        await self._parts.cloudflare.close()
        if self._parts.webhook is not None:
            await self._parts.webhook.close()

    async def _start(self, *, at_once: bool = False) -> None:
        """`at_once`: whoever asks for a single run wants a kind of action tried whose breaker was left open."""
        parts = self._parts
        await parts.cloudflare.open()
        await self._meet_the_ledger()
        await parts.budget.restore()
        await parts.dispatcher.restore(at_once=at_once)
        orphans = await parts.ledger.recover(parts.timing.read_back_delay)
        if orphans:
            log.warning("ledger.recovered", count=len(orphans))
        if parked := await self._count_parked():
            # Said again at every start: a crash may have come between the parking and its line in the log.
            log.warning("readback.waiting", count=parked)
        lowered = await parts.ledger.lower_ceiling(parts.ceilings)
        if lowered:
            log.warning("config.mode_lowered", mode=parts.ceilings.mode, count=lowered)
        await parts.ledger.introduce(
            {
                "pid": os.getpid(),
                "mode": parts.ceilings.mode,
                "request_budget": parts.budget.limit,
                "cap_per_hour": parts.ceilings.per_hour,
                "cap_per_poll": parts.ceilings.per_poll,
                "approval_timeout": parts.ceilings.hold_seconds,
                "cap_per_day": parts.ceilings.per_day,
                "sources": [poller.source.name for poller in parts.pollers],
            }
        )
        await parts.tell_playbooks()
        await parts.intake.decider.restore()
        await parts.sweeper.follow()
        await parts.intake.again.redecide()
        self._recovered = True
        parts.metrics.mode(parts.ceilings.mode)
        log.info(
            "service.started",
            mode=parts.ceilings.mode,
            playbooks=len(parts.catalogue.playbooks),
            budget=parts.budget.limit,
        )

    async def _work(self) -> None:
        parts = self._parts
        ticker = parts.ticker()
        async with asyncio.TaskGroup() as group:
            acting = [
                group.create_task(parts.dispatcher.run(), name="dispatcher"),
                group.create_task(parts.reconciler.run(), name="reconciler"),
            ]
            keeping = [
                group.create_task(self._housekeeping(), name="housekeeping"),
                group.create_task(parts.retention.run(), name="retention"),
                group.create_task(parts.confirmer.run(), name="confirmer"),
                group.create_task(parts.expiry.run(), name="expiry"),
                group.create_task(parts.sweeper.run(), name="sweeper"),
                group.create_task(parts.jobs.run(), name="jobs"),
            ]
            keeping.append(group.create_task(self._remind(), name="reminder"))
            if parts.reloader is not None:
                keeping.append(group.create_task(parts.reloader.run(), name="reloader"))
            polling = [
                group.create_task(poller.run(), name=f"poller {poller.source.name}")
                for poller in parts.pollers
            ]
            ticker.start()
            await self._stop.wait()
            ticker.stop()
            # A page that is cut off is read again under the same poll: nothing is gained by waiting for it.
            for task in polling:
                task.cancel()
            await self._wind_down(acting)
            for task in keeping:
                task.cancel()

    async def _remind(self) -> None:
        """Names the lists that nobody has looked through for long, at start and once a day."""
        parts = self._parts
        while True:
            today = utc(parts.clock.now()).date()
            for one in due(parts.intake.rules.loaded.lists, today, parts.review_days):
                log.warning("lists.review_due", file=one.path.name, reason=one.message)
            await parts.clock.sleep(REMIND_SECONDS)

    async def _wind_down(self, acting: Sequence[asyncio.Task[None]]) -> None:
        """Lets what is in flight be answered and settled within the drain timeout; names what is then given up."""
        parts = self._parts
        parts.dispatcher.stop()
        parts.reconciler.stop()
        _, stuck = await asyncio.wait(acting, timeout=parts.timing.drain_timeout)
        if stuck:
            names = [task.get_name() for task in stuck]
            log.error("service.stuck", tasks=names, lanes=parts.dispatcher.in_flight)
        for task in stuck:
            task.cancel()

    async def _kept(self) -> None:
        """A pause by signal is written down before the process ends, if the database lets it."""
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=self._parts.timing.drain_timeout)

    async def _meet_the_ledger(self) -> None:
        """Is it the one that ran here last? What an older copy knows nothing of may have been done already."""
        ledger = self._parts.ledger
        why = await ledger.suspicion()
        await self._parts.timekeeper.begin()
        if why is not None:
            unfinished = await ledger.begin_loss(self._parts.timing.read_back_delay, why)
            log.warning("ledger.restored", reason=why, count=sum(unfinished.values()))
        await ledger.keep_head()

    async def _leave_word(self) -> None:
        with suppress(StoreError):  # which the store itself tells; the word of a second ago will do
            await self._parts.ledger.keep_head()

    async def _drain(self) -> None:
        parts = self._parts
        parts.dispatcher.stop()
        try:
            async with asyncio.timeout(parts.timing.drain_timeout):
                await parts.dispatcher.settled()
        except TimeoutError:
            lanes = parts.dispatcher.in_flight
            log.error("service.stuck", lanes=lanes)  # noqa: TRY400 - the time-out itself tells nothing

    async def _unless_stopped(self, work: Coroutine[object, object, T]) -> T | None:
        """The result of the work, or None where a signal came first."""
        task = asyncio.create_task(work)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            return None
        return task.result()

    async def _housekeeping(self) -> None:
        """Once a second: is the database there, is there a pause, does the loop keep up."""
        parts = self._parts
        counted = -COUNTING_SECONDS
        while not self._stop.is_set():
            before = parts.clock.monotonic()
            await parts.clock.sleep(HOUSEKEEPING_SECONDS)
            parts.metrics.loop_lag(max(0.0, parts.clock.monotonic() - before - HOUSEKEEPING_SECONDS))
            try:
                await parts.pausing.look()
                await parts.timekeeper.look()
                parts.timekeeper.compare()
                if before - counted >= COUNTING_SECONDS:
                    self._counts = {row[:2]: row[2] for row in await parts.ledger.counts_by_kind()}
                    await self._count_parked()
                    await parts.ledger.lower_ceiling(parts.ceilings)
                    counted = before
                await parts.ledger.keep_head()
                if parts.storage.reason is not None:
                    await parts.ledger.probe()
                    parts.storage.wrote()
            except StoreError:
                continue  # which the store itself tells

    async def _count_parked(self) -> int:
        parked = await self._parts.ledger.parked_actions()
        self._parts.metrics.parked(parked)
        return parked

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, signal.Signals(number).name)
        loop.add_signal_handler(signal.SIGUSR1, self._pause)
        signals.let_in()

    def _pause(self) -> None:
        """SIGUSR1 pauses and never resumes: pulled twice in a hurry, a brake must not let go."""
        log.info("service.signal", signal="SIGUSR1")
        self._parts.pausing.signalled("SIGUSR1")
        task = asyncio.create_task(self._parts.pausing.keep(), name="pause")
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    def _signalled(self, name: str) -> None:
        log.info("service.signal", signal=name)
        if self._stop.is_set():
            # The second signal: nothing more is awaited; what is in flight is read back after the next start.
            os._exit(EXIT_KILLED)
        log.info("service.stopping")
        self._stop.set()
