"""A history written down: what Hypothesis found can be played again from one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

from tests.simulation.disk import Disk
from tests.simulation.plan import HTTP_TIMEOUT, Plan
from tests.simulation.settling import settle
from tests.simulation.world import World
from worker.model.actions import Mode, State
from worker.simulator.faults import Fault

Step = Sequence[Any]
SEED = 0


class Player:
    """Lets the steps of a script happen, one after another. Numbers that name a message or an action wrap around."""

    def __init__(
        self, disk: Disk, tell: Callable[[str], None] = lambda _: None, *, listen: bool = True
    ) -> None:
        self.world = World(SEED, Plan(), disk, tell)
        if listen:
            self.world.ears.listen()
        self.steps: list[Step] = []
        self.failed = False

    def do(self, name: str, *facts: Any) -> None:
        """One step; its error carries the command that replays it."""
        self.steps.append([name, *facts])
        try:
            getattr(self, f"_{name}")(*facts)
        except Exception as error:
            self.failed = True
            error.add_note(self.command)
            raise

    @property
    def command(self) -> str:
        """How to play this history again."""
        return f"replay it: python -m tests.simulation --script '{json.dumps(self.steps)}'"

    def _mail(self, verdict: str, late: float, quarantined: bool) -> None:
        self.world.arrive(verdict, late=late, quarantined=quarantined)

    def _wait(self, seconds: float) -> None:
        self.world.wait(seconds)

    def _verdict(self, number: int, verdict: str) -> None:
        if name := self._message(number):
            self.world.judge(name, verdict)

    def _analyst(self, number: int, folder: Any) -> None:
        if name := self._message(number):
            self.world.analyst_moves(name, folder)

    def _report(self, number: int) -> None:
        if name := self._message(number):
            self.world.report(name)

    def _fault(self, on: Any, kind: Any, after: bool, count: int) -> None:
        seconds = 20 * HTTP_TIMEOUT if after else self.world.plan.longest_slow
        self.world.fault(Fault(on=on, kind=kind, after=after, count=count, seconds=seconds))

    def _disconnect(self, count: int) -> None:
        self.world.refuse_connections(count)

    def _crash(self, points: int) -> None:
        self.world.crash_in(points)

    def _restart(self, seconds: float, mode: str) -> None:
        self.world.stop()
        self.world.mode = Mode(mode)
        self.world.skip(seconds)
        self.world.start()

    def _clock(self, offset: float) -> None:
        self.world.set_clock(offset)

    def _approve(self, number: int) -> None:
        self._say("approve", number, State.HELD)

    def _reject(self, number: int) -> None:
        self._say("reject", number, State.HELD, State.READY)

    def _pause(self) -> None:
        self.world.pause()

    def _resume(self) -> None:
        self.world.resume()

    def _settle(self) -> None:
        settle(self.world)

    def _message(self, number: int) -> str:
        names = list(self.world.tenant.messages)
        return names[number % len(names)] if names else ""

    def _say(self, call: Any, number: int, *states: State) -> None:
        if rows := self.world.rows(*states):
            self.world.people_say(call, [rows[number % len(rows)]["id"]])


def perform(
    steps: Iterable[Step], disk: Disk, tell: Callable[[str], None] = lambda _: None, *, listen: bool = True
) -> World:
    """Plays a script to its end. BrokenLawError where a law is broken."""
    player = Player(disk, tell, listen=listen)
    with closing(player.world):
        for name, *facts in steps:
            player.do(name, *facts)
    return player.world
