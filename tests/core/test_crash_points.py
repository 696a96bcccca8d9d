from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.builders import ENFORCE, catalogue, detection, playbook
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock, OpenBudget
from worker.clock import VendorTime
from worker.dispatcher import Dispatcher, DispatchOptions
from worker.executors import executors
from worker.intake import Intake
from worker.model.actions import Move, Reclassify, Release
from worker.model.events import Detection
from worker.ops.metrics import Metrics
from worker.pollers.detections import DetectionSource
from worker.pollers.poller import Poller
from worker.pollers.windows import Reach
from worker.reconciler import Reconciler
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.migrate import migrate

DELAY, TIMEOUT = 30.0, 30.0
MAIL = (
    detection("move"),
    detection("reclassify"),
    detection("release", is_quarantined=True, delivery_status=("quarantined",)),
)
NEVER = 10**9


class CrashError(Exception):
    """The process is gone: nothing that it tries from here on happens."""


class Power:
    """Goes off before a commit or a request, and with it everything: what was not committed never happened."""

    def __init__(self, engine: Engine) -> None:
        self.steps = 0
        self.off_at = NEVER
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", lambda _: self.step())

    def _statement(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith("ROLLBACK"):  # which a real crash leaves to the next start
            self.check()

    def step(self) -> None:
        """Something that others can see is about to happen."""
        self.steps += 1
        self.check()

    def check(self) -> None:
        """Raises where the power is off."""
        if self.steps >= self.off_at:
            raise CrashError


class World:
    """One tenant and one database; `start` is a new process on them."""

    def __init__(self, path: Path) -> None:
        engine = sqlite_engine(path)
        # A crash of the process loses nothing that the system has taken: no need to wait for the disk.
        event.listen(engine, "connect", lambda conn, _: conn.execute("PRAGMA synchronous=OFF"))
        transact(engine, migrate)
        self.clock = ManualClock()
        self.power = Power(engine)
        self.store = Store(engine)
        self.store.start()
        self.desk = Desk(self.store, self.clock)
        self.tenant = Tenant(self.clock)
        self.tenant.power = self.power
        self.tenant.per_page = 2
        self.tenant.add(*MAIL)

    async def start(self) -> None:
        """Everything that lives in the memory of one process."""
        ledger, metrics, budget = self.desk.ledger, Metrics(), OpenBudget()
        known = executors(self.tenant.client, ledger, DELAY, 250)
        intake = Intake(
            ledger, catalogue(playbook(wanted)), ENFORCE, self.clock, metrics, lambda: None, keep_all=False
        )
        options = DispatchOptions(ENFORCE, 600, DELAY, TIMEOUT)
        self.dispatcher = Dispatcher(
            ledger,
            self.tenant.client,
            known,
            budget,
            self.clock,
            metrics,
            options,
            intake.refresh,
            lambda: "t",
        )
        self.reconciler = Reconciler(ledger, known, self.clock, metrics, DELAY)
        vendor_time = VendorTime(self.clock)
        self.poller = Poller(
            DetectionSource(self.tenant.client, self.clock, vendor_time),
            intake,
            ledger,
            budget,
            self.clock,
            metrics,
            reach=Reach(3000.0, 900.0),
            interval=30.0,
            vendor_time=vendor_time,
        )
        await ledger.recover(DELAY)

    async def turn(self) -> None:
        """A poll, everything that is ready, everything that is to be read back."""
        await self.poller.try_poll()
        for _ in range(2):
            await self.dispatcher.step()
            await self.dispatcher.settled()
        await self.reconciler.step()
        self.clock.pass_time(DELAY)


class Tenant(FakeCloudflare):
    """Takes no request from a process that is gone."""

    power: Power

    async def answer(self, *args: Any, **kwargs: Any) -> Any:
        self.power.step()
        return await super().answer(*args, **kwargs)


def wanted(message: Detection) -> Any:
    """One action of each kind."""
    if message.id == "move":
        return Move(message, to="JunkEmail")
    return Release(message) if message.id == "release" else Reclassify(message, to="SPAM")


@contextmanager
def quiet() -> Iterator[None]:
    """A crash is expected."""
    with suppress(CrashError):
        yield


async def live(path: Path, off_at: int) -> World:
    """A life with one crash before this step, and what follows it."""
    world = World(path)
    world.power.off_at = off_at
    with quiet():
        await world.start()
        await world.turn()
        world.power.check()
    world.power.off_at = NEVER
    await whole(world)
    await world.start()
    for _ in range(6):
        await world.turn()
        if await settled(world):
            break
    return world


async def settled(world: World) -> bool:
    """Whether nothing is left to do, for the worker at least."""
    return all(
        row["state"] == "succeeded" or (row["state"] == "unknown" and row["due_at"] is None)
        for row in await world.desk.rows()
    )


async def whole(world: World) -> None:
    """What must hold at any moment: the watermark stands for rows that are recorded and closed."""
    states = await world.desk.states()
    cursor = await world.desk.ledger.cursor("detections")
    if cursor is not None and cursor.watermark > cursor.floor:
        assert set(states) == {one.id for one in MAIL}
        assert all(state != "open" for group in states.values() for state in group)
    assert all(len(group) == 1 for group in states.values())
    assert await world.desk.intact()


async def steps(path: Path) -> int:
    """How many commits and requests a life without a crash takes."""
    world = World(path)
    await world.start()
    await world.turn()
    assert await settled(world)
    count = world.power.steps
    await world.store.close()
    return count


@pytest.mark.timeout(60)
async def test_a_crash_before_any_commit_or_request_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """Each message is acted on exactly once; only a release whose sending is in doubt waits for a person."""
    count = await steps(tmp_path / "whole.db")
    assert count > 20
    for at in range(1, count + 1):
        world = await live(tmp_path / f"{at}.db", at)
        effects = sorted(kind for kind, _, _ in world.tenant.effects)
        states = {name: group[0] for name, group in (await world.desk.states()).items()}
        told = f"crash before step {at} of {count}: {effects} {states}"
        assert effects in (["move", "reclassify", "release"], ["move", "reclassify"]), told
        assert states["move"] == states["reclassify"] == "succeeded", told
        assert states["release"] == ("succeeded" if "release" in effects else "unknown"), told
        await whole(world)
        await world.store.close()
