"""One tenant, one database, one worker after another: everything that can happen to them, and what time does."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Literal, get_args

from msgspec.structs import replace
from pydantic import SecretStr
from sqlalchemy import Connection, select

from tests.simulation import playbooks
from tests.simulation.disk import Disk, SteppedStore
from tests.simulation.ears import Ears
from tests.simulation.law import law
from tests.simulation.laws import Laws
from tests.simulation.loop import VirtualLoop
from tests.simulation.plan import HTTP_TIMEOUT, Plan
from tests.simulation.process import Process
from tests.simulation.ticks import Ticks
from tests.simulation.times import Times
from tests.simulation.wire import Network, Vendor
from worker import ids
from worker.bootstrap import Outside, assemble
from worker.model.actions import Mode, State
from worker.ops.metrics import Metrics
from worker.playbooks.declaration import Caps
from worker.service import Service
from worker.settings import Settings
from worker.simulator import actions as people
from worker.simulator.config import SimulatorConfig
from worker.simulator.faults import Fault
from worker.simulator.generate import Generator
from worker.simulator.rows import Destination, Row
from worker.simulator.tenant import Message, Tenant
from worker.store import flags, schema
from worker.store.people import reviews

FOLDERS: tuple[Destination, ...] = get_args(Destination)
Call = Literal["approve", "reject", "retry"]
_metrics = Metrics()


class World:
    """A history in the making. Every method is something that happens; time passes only in `wait`."""

    def __init__(
        self, seed: int, plan: Plan, disk: Disk, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self.chance = Random(f"{seed}/world")
        self.plan = plan
        self.disk = disk
        self.trace: list[str] = []
        self._tell = tell
        self.ears = Ears()
        self.stats: Counter[str] = Counter()
        self.loop = VirtualLoop()
        self.times = Times(self.loop)
        disk.clear()
        random.seed(f"{seed}/jitter")
        self._defaults = ids.new_id.__defaults__
        ids.new_id.__defaults__ = (self.times.wall, Random(f"{seed}/ids").getrandbits)
        config = SimulatorConfig(
            seed=seed,
            messages=0,
            reports=0,
            clock=self.times.true,
            action_log_lag=plan.log_lag,
            submission_lag=plan.log_lag,
            verdict_delay=plan.verdict_delay,
            deprecated=False,
        )
        self.tenant = Tenant(config)
        self.vendor = Vendor(self.tenant, plan.page)
        self.laws = Laws(self)
        self.mail = Generator(f"{seed}/mail", config.mix)
        self.versions = playbooks.Versions(
            mended=False, trial=Mode.SHADOW, caps=Caps(plan.playbook_per_poll, plan.playbook_per_hour)
        )
        self.mode = plan.mode
        self.account = config.account_id
        self.lives = 0
        self.arrived: dict[str, float] = {}
        self._faults: list[Fault] = []
        self._crash_in = 0
        self.start()

    # The worker's lives.

    def start(self) -> None:
        """A new process on the same file."""
        self.lives += 1
        self.disk.reopen()
        self.loop.signals.clear()
        self.process = Process(self.loop, Random(self.chance.random()))
        self.settings = Settings(
            cloudflare_account_id=self.account,
            cloudflare_api_token=self.tenant.config.token,
            cloudflare_base_url="http://127.0.0.1:1/client/v4",
            worker_mode=str(self.mode),
            worker_poll_interval=self.plan.poll_interval,
            worker_poll_overlap=self.plan.overlap,
            worker_initial_lookback=self.plan.lookback,
            worker_request_budget=self.plan.budget,
            worker_read_back_delay=self.plan.read_back_delay,
            worker_cap_per_poll=self.plan.cap_per_poll,
            worker_cap_per_hour=self.plan.cap_per_hour,
            worker_drain_timeout=self.plan.drain,
            worker_move_batch=self.plan.batch,
            worker_reclassify_via=self.plan.via,
            worker_database_url=SecretStr(f"sqlite:///{self.disk.path}"),
        )
        self.catalogue = playbooks.build(self.versions)
        store = SteppedStore(self.disk, self.process, self.laws.committed)
        self.network = Network(self.vendor, self.process, self.times.true, self.laws.arriving, self.lives)
        outside = Outside(
            clock=self.times.clock,
            connect=self.network.connect,
            ticker=lambda pollers, interval, _: Ticks(self.loop, self.process, pollers, interval),
            http_timeout=HTTP_TIMEOUT,
        )
        parts = assemble(self.settings, self.catalogue, store, _metrics, outside)
        self.task = self.loop.create_task(Service(parts).run(), name="service")
        self.tell(f"life {self.lives} begins, mode {self.mode}")

    def wait(self, seconds: float) -> None:
        """Time passes; a life that ends in a crash is followed by another."""
        until = self.loop.elapsed + seconds
        while (left := until - self.loop.elapsed) > 0:
            self.loop.run_until_complete(self._until(left))
            self.check()
            if self.process.dead:
                self.bury()
                self.stats["crashes"] += 1
                self.start()
            elif self.task.done():
                raise AssertionError(f"the service ended by itself: {self.task}")

    def check(self) -> None:
        """Whether all is well so far."""
        if self.laws.broken is not None:
            raise self.laws.broken
        law(not self.ears.heard, "no task fails unseen", *self.ears.heard[:1])
        law(not self.loop.complaints, "no task fails unseen", self.loop.complaints[:1])

    async def _until(self, seconds: float) -> None:
        ends: list[asyncio.Future[Any]] = [self.process.gone, self.task]
        await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def bury(self) -> None:
        """The process is gone: what it was about to do is not done."""
        self.tell(f"life {self.lives} ends: {self.process.died_at}")
        self.process.die("killed")
        for _ in range(10):
            mine = asyncio.all_tasks(self.loop) - self.vendor.tasks
            if not mine:
                break
            for task in mine:
                task.cancel()
            self.loop.run_until_complete(_ended(mine))

    def stop(self) -> None:
        """SIGTERM, and the worker drains."""
        self.tell("the worker is asked to stop")
        asked = self.loop.elapsed
        # Whoever does not listen yet is ended by it.
        self.loop.signals.get(signal.SIGTERM, lambda: self.process.die("SIGTERM"))()
        bound = self.plan.drain + HTTP_TIMEOUT + 1.0
        while not self.task.done() and not self.process.dead and self.loop.elapsed < asked + bound:
            self.loop.run_until_complete(self._until(0.5))
        self.check()
        if not self.process.dead:
            assert self.task.done(), f"did not stop within {bound} s"
            assert self.task.result() == 0
        self.bury()

    def skip(self, seconds: float) -> None:
        """A long time passes while no worker runs."""
        self.tell(f"{seconds:.0f} s without a worker")
        self.loop.run_for(seconds)

    # What happens at the vendor.

    def arrive(
        self, disposition: str, *, late: float = 0.0, word: str = "", quarantined: bool = False
    ) -> str:
        """A message arrives; `late`: it shows only now, so long after it was scanned."""
        row = self.mail.message(int((self.times.true() - late) * 1000), disposition)
        # Not in the subject: a poisoned row would lose it.
        row.from_name = word or row.from_name
        row.is_quarantined = quarantined
        row.delivery_status = ["quarantined" if quarantined else "delivered"]
        return self.show(row)

    def show(self, row: Row) -> str:
        """From now on the vendor lists this message."""
        row.is_phish_submission = False
        self.tenant.add(row)
        self.arrived[row.id] = self.times.true()
        self.tell(f"mail {row.id}: {row.final_disposition} {row.from_name} {row.delivery_status}")
        self.stats["messages"] += 1
        return row.id

    def report(self, message_id: str, postfix_id: str | None = None) -> None:
        """A user reports a message; `postfix_id` names one that is not there (yet)."""
        row = self.tenant.messages[message_id].row
        told = self.mail.report(len(self.tenant.reports) + 1, row, self.tenant.now_ms)
        if postfix_id is not None:
            told.fields.postfix_id = postfix_id
        self.tenant.add_report(told)
        self.tell(f"report about {message_id} ({postfix_id})")
        self.stats["reports"] += 1

    def judge(self, message_id: str, disposition: str) -> None:
        """The vendor changes its verdict."""
        self.tenant.set_verdict(self.tenant.messages[message_id], disposition)
        self.tell(f"verdict of {message_id}: {disposition}")
        self.stats["verdicts changed"] += 1

    def analyst_moves(self, message_id: str, folder: Destination) -> None:
        """A person moves a message."""
        people.move(self.tenant, self.tenant.messages[message_id], folder, people.ANALYST)
        self.tell(f"an analyst moves {message_id} to {folder}")
        self.stats["moved by an analyst"] += 1

    def analyst_releases(self, message_id: str) -> None:
        """A person releases a message."""
        people.release(self.tenant, self.tenant.messages[message_id], people.ANALYST)
        self.tell(f"an analyst releases {message_id}")
        self.stats["released by an analyst"] += 1

    def fault(self, fault: Fault) -> None:
        """The vendor, or the way to it, fails for a few requests."""
        if fault.on == "reclassify" and self.plan.via == "submissions":
            fault = replace(fault, on="submit")
        self._faults = [*self._faults[-2:], fault]
        self.vendor.gate.faults.replace(self._faults)
        self.tell(f"fault {fault}")
        self.stats[f"fault {fault.kind}{' after the effect' if fault.after else ''}"] += fault.count or 1

    def refuse_connections(self, count: int) -> None:
        """No connection for a few requests."""
        self.network.refused += count
        self.tell(f"{count} connections will be refused")
        self.stats["fault no connection"] += count

    # What happens to the machine.

    def crash_in(self, points: int) -> None:
        """The process will be killed at one of its next points."""
        self.process.crash_in = points
        self.tell(f"will be killed in {points} points")

    def set_clock(self, offset: float) -> None:
        """Somebody sets the machine's clock: wrong by `offset` seconds from here on."""
        self.tell(f"the clock goes from {self.times.offset:+.0f} to {offset:+.0f} s")
        self.times.offset = offset
        self.stats["clock set"] += 1

    # What people do.

    def people_say(self, call: Call, action_ids: Sequence[str], *, checked: bool = False) -> None:
        """`worker actions approve|reject|retry`, beside the running worker."""
        done: Any = {"approve": reviews.approve, "reject": reviews.reject, "retry": reviews.retry}[call]
        more = {"checked": checked} if call == "retry" else {}
        review = self.disk.run(done, self.account, list(action_ids), "operator", self.times.wall(), **more)
        for one in review.verdicts:
            self.tell(f"{call} {one.action_id}: {one.message}")
            if one.ok:
                self.stats[call] += 1
                self.laws.decided_by_person(one.action_id, call)

    def pause(self) -> None:
        """`worker pause`."""
        self.disk.run(flags.pause, self.account, "test", "operator", self.times.wall())
        self.laws.paused_at = self.times.true()
        self.tell("paused")
        self.stats["pause"] += 1

    def resume(self) -> None:
        """`worker resume`."""
        self.disk.run(flags.resume, self.account, "operator", self.times.wall())
        self.laws.paused_at = None
        self.tell("resumed")

    # What can be seen.

    def tell(self, what: str) -> None:
        """Notes it in the history."""
        self.trace.append(f"{self.loop.elapsed:10.3f} {what}")
        self._tell(self.trace[-1])

    def rows(self, *states: State) -> list[dict[str, Any]]:
        """The ledger's actions as they stand."""

        def read(conn: Connection) -> list[dict[str, Any]]:
            query = select(schema.actions).order_by(schema.actions.c.created_at, schema.actions.c.id)
            if states:
                query = query.where(schema.actions.c.state.in_(states))
            return [dict(row) for row in conn.execute(query).mappings()]

        return self.disk.run(read)

    def message(self, message_id: str) -> Message:
        """A message as the vendor holds it."""
        return self.tenant.messages[message_id]

    def close(self) -> None:
        """Gives back what is shared with other histories."""
        with suppress(Exception):
            self.bury()
            pending = asyncio.all_tasks(self.loop)
            for task in pending:
                task.cancel()
            self.loop.run_until_complete(_ended(pending))
        ids.new_id.__defaults__ = self._defaults
        self.loop.close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=1.0)
