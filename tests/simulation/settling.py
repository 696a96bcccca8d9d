"""The end of a history: everything works again, until nothing is left to do, and then the laws must hold."""

from __future__ import annotations

from tests.simulation.ends import Ends
from tests.simulation.process import NEVER
from tests.simulation.world import World
from worker.model.actions import Mode, State
from worker.model.plans import DETECTIONS, PHISHGUARD, SOURCES
from worker.store import waiting
from worker.store.plans import closing

SWEEPS = 3
LONGEST_REST = 400.0
"""Longer than the window of the request budget may keep the worker waiting."""


def settle(world: World) -> None:
    """Everything works again: in the end nothing is left to do, and the laws hold."""
    world.vendor.gate.faults.replace([])
    world.network.refused = 0
    world.process.crash_in = NEVER
    if world.times.offset:
        world.set_clock(0.0)
    if world.laws.paused_at is not None:
        world.resume()
    world.tell("everything works again")
    _work_off(world, 0.0)
    for _ in range(SWEEPS):
        requests = len(world.laws.posts)
        world.stop()
        # The next poll is a sweep over the day, and reports have waited long enough for their messages.
        world.skip(3700.0)
        world.start()
        _work_off(world, world.times.true())
        waits = any(world.disk.run(waiting.waiting, world.account, source) for source in SOURCES)
        if len(world.laws.posts) == requests and not waits:
            break
    Ends(world, world.laws).check()


def _work_off(world: World, since: float) -> None:
    """Until nothing is left to do and both sources have been swept `since` then."""
    world.wait(world.plan.poll_interval)
    until = world.loop.elapsed + LONGEST_REST
    while world.loop.elapsed < until:
        if not (_busy(world) or world.tenant.verdicts or _unswept(world, since)):
            break
        world.wait(2.0)


def _unswept(world: World, since: float) -> bool:
    cursors = [world.disk.run(closing.cursor, world.account, source) for source in (DETECTIONS, PHISHGUARD)]
    return any(one is None or one.swept_at < since for one in cursors)


def _busy(world: World) -> bool:
    """Whether the worker has something left that it can do by itworld."""
    if world.rows(State.OPEN, State.SUBMITTED):
        return True
    if any(row["due_at"] is not None for row in world.rows(State.UNKNOWN)):
        return True
    ready = world.rows(State.READY)
    if world.mode is Mode.APPROVE:
        ready = [row for row in ready if row["approved_at"] is not None]
    return bool(ready) and world.mode is not Mode.SHADOW
