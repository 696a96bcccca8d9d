"""One life of the worker: what a crash takes away, and the points at which it may come."""

from __future__ import annotations

import asyncio
from random import Random

from tests.simulation.loop import VirtualLoop

NEVER = 10**9


class Process:
    """Alive until its countdown of points ends: every commit and every request is one, before and after."""

    def __init__(self, loop: VirtualLoop, chance: Random) -> None:
        self.chance = chance
        self.dead = False
        self.crash_in = NEVER
        self.died_at = ""
        self.gone: asyncio.Future[None] = loop.create_future()

    def passes(self, point: str) -> bool:
        """Whether the process is still there after this point."""
        self.crash_in -= 1
        if self.crash_in <= 0:
            self.die(point)
        return not self.dead

    def die(self, point: str) -> None:
        """SIGKILL: nothing that it tries from here on happens."""
        if not self.dead:
            self.dead = True
            self.died_at = point
            if not self.gone.done():
                self.gone.set_result(None)

    async def survive(self, point: str) -> None:
        """Goes on where the process does; otherwise never."""
        if self.dead or not self.passes(point):
            await asyncio.get_running_loop().create_future()
