"""From a number to a history: what is drawn, in which order, and how long the pauses are."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import closing
from random import Random

from tests.simulation import plan
from tests.simulation.disk import Disk
from tests.simulation.plan import HTTP_TIMEOUT
from tests.simulation.playbooks import FRAGILE, PURGED
from tests.simulation.settling import settle
from tests.simulation.world import FOLDERS, World
from worker.model.actions import Mode, State
from worker.simulator.faults import IN_HANDLER, Fault, Kind, PathClass

MIX = {
    "SPAM": 5, "MALICIOUS": 5, "SUSPICIOUS": 4, "BULK": 3, "SPOOF": 2, "MALICIOUS-BEC": 1, "ENCRYPTED": 1, "EXTERNAL": 1,
    "NONE": 2,
}  # fmt: skip
ACTED_ON: dict[PathClass, tuple[str, ...]] = {
    "move": ("SPAM", "MALICIOUS"),
    "release": ("BULK",),
    "reclassify": ("SUSPICIOUS",),
    "detections": ("SUSPICIOUS",),
}
WRITES: tuple[PathClass, ...] = ("move", "release", "reclassify")
LOSSES: tuple[Kind, ...] = ("drop", "500", "empty", "html", "slow")
FAULTS: tuple[Kind, ...] = (*LOSSES[:2], "slow", "429", "401", "202", "success_false", "poison", "partial")
STEPS = (6, 22)
OFTEN = 60
"""The weight of what is wanted often, beside about 120 of everything."""
CLASSES: tuple[PathClass, ...] = (
    "list", "get", "action_log", "move", "release", "reclassify", "submissions", "reports", "search",
    "detections",
)  # fmt: skip
"""What the worker of a history asks for; a seed draws from it, so an addition changes every history."""


class History:
    """Draws one event after another and lets it happen."""

    def __init__(self, seed: int, world: World, often: Collection[str] = ()) -> None:
        self._draw = Random(f"{seed}/history")
        self._world = world
        self._steps: list[tuple[Callable[[], None], int]] = [
            (self._mail, 30),
            (self._late_mail, 6),
            (self._verdict, 8),
            (self._analyst, 6),
            (self._report, 5),
            (self._lost_answer, 14),
            (self._lost_read, 6),
            (self._fault, 12),
            (self._no_connection, 3),
            (self._crash, 16),
            (self._restart, 3),
            (self._mend, 2),
            (self._operator, 10),
            (self._pause, 3),
            (self._clock, 4),
        ]

        for name in often:
            step = getattr(self, f"_{name.replace(' ', '_')}")
            self._steps.append((step, OFTEN))

    def play(self) -> None:
        """Some events, with time in between; then everything works again."""
        steps, weights = zip(*self._steps, strict=True)
        self._mail()
        for _ in range(self._draw.randint(*STEPS)):
            self._draw.choices(steps, weights)[0]()
            self._world.stats["steps"] += 1
            self._world.wait(self._draw.choice((0.05, 0.3, 1.0, 3.0)) * self._draw.uniform(0.5, 1.5))
        settle(self._world)

    def _mail(self) -> None:
        for _ in range(self._draw.randint(1, 5)):
            word = self._draw.choices(("", FRAGILE, PURGED), (85, 10, 5))[0]
            self._world.arrive(self._verdict_of_mail(), word=word, quarantined=self._draw.random() < 0.3)

    def _verdict_of_mail(self) -> str:
        return self._draw.choices(tuple(MIX), tuple(MIX.values()))[0]

    def _mail_for(self, kind: PathClass) -> None:
        """What a fault of this kind of request can strike."""
        for _ in range(self._draw.randint(1, 3)):
            self._world.arrive(self._draw.choice(ACTED_ON[kind]), quarantined=kind == "release")

    def _late_mail(self) -> None:
        late = self._draw.choice((10.0, 100.0, 2000.0, 7000.0))
        self._world.arrive(self._verdict_of_mail(), late=self._draw.uniform(0, late))

    def _message(self) -> str:
        return self._draw.choice(list(self._world.tenant.messages))

    def _verdict(self) -> None:
        self._world.judge(self._message(), self._verdict_of_mail())

    def _analyst(self) -> None:
        message_id = self._message()
        if self._world.message(message_id).row.is_quarantined:
            self._world.analyst_releases(message_id)
        else:
            self._world.analyst_moves(message_id, self._draw.choice(FOLDERS))

    def _report(self) -> None:
        unknown = "unknown" if self._draw.random() < 0.2 else None
        self._world.report(self._message(), unknown)

    def _lost_answer(self) -> None:
        on = self._draw.choice(WRITES)
        kind = self._draw.choice(LOSSES)
        after = self._draw.random() < 0.6 or kind in ("empty", "html")
        seconds = 20 * HTTP_TIMEOUT if after else self._world.plan.longest_slow
        fault = Fault(
            on=on,
            kind=kind,
            after=after,
            seconds=seconds,
            count=self._draw.randint(1, 3),
            skip=self._draw.choice((0, 0, 1)),
        )
        self._world.fault(fault)
        self._mail_for(on)

    def _lost_read(self) -> None:
        """What a playbook needs of a message cannot be fetched for a while."""
        kind = self._draw.choice((*LOSSES, "429", "success_false"))
        seconds = self._draw.uniform(0.2, 2 * HTTP_TIMEOUT)
        self._world.fault(Fault(on="detections", kind=kind, count=self._draw.randint(1, 8), seconds=seconds))
        self._mail_for("detections")

    def _fault(self) -> None:
        on = self._draw.choice(CLASSES)
        kind = self._draw.choice(FAULTS)
        if on not in IN_HANDLER.get(kind, CLASSES):
            on = self._draw.choice(sorted(IN_HANDLER[kind].intersection(CLASSES)))
        fault = Fault(
            on=on,
            kind=kind,
            count=self._draw.randint(1, 4),
            seconds=self._draw.uniform(0.2, self._world.plan.longest_slow),
            retry_after=self._draw.choice(("seconds", "http-date", "absurd", "missing")),
            poison=self._draw.choice(("types", "missing", "surrogate", "enum", "nan")),
        )
        self._world.fault(fault)
        if on in ACTED_ON:
            self._mail_for(on)

    def _no_connection(self) -> None:
        self._world.refuse_connections(self._draw.randint(1, 6))

    def _crash(self) -> None:
        self._world.crash_in(self._draw.choice((1, 2, 3, 5, 8, 13, 21, 34)) + self._draw.randint(0, 5))

    def _restart(self) -> None:
        world = self._world
        world.stop()
        if self._draw.random() < 0.5:
            world.mode = self._draw.choice((world.plan.mode, Mode.SHADOW, Mode.APPROVE, Mode.ENFORCE))
        world.skip(self._draw.choice((0.1, 30.0, 400.0, 4000.0)))
        world.start()

    def _mend(self) -> None:
        world = self._world
        trial = self._draw.choice((Mode.SHADOW, Mode.APPROVE, Mode.ENFORCE))
        world.stop()
        world.versions = world.versions._replace(mended=True, trial=trial)
        world.start()

    def _operator(self) -> None:
        world = self._world
        held = [row["id"] for row in world.rows(State.HELD)]
        # Only what the operator has looked at, and found without an effect, as the command asks.
        done = {(one.id, one.kind) for one in world.tenant.effects}
        stuck = [
            row
            for row in world.rows(State.FAILED, State.DEAD, State.UNKNOWN)
            if (row["message_id"], row["kind"]) not in done
            and (row["state"] != State.UNKNOWN or row["due_at"] is None)
        ]
        choice = self._draw.random()
        if stuck and choice < 0.4:
            world.people_say("retry", [self._draw.choice(stuck)["id"]], checked=True)
        elif held and choice < 0.8:
            world.people_say("approve", self._some(held))
        elif held:
            world.people_say("reject", self._some(held))

    def _some(self, ids: list[str]) -> list[str]:
        return self._draw.sample(ids, self._draw.randint(1, min(3, len(ids))))

    def _pause(self) -> None:
        if self._world.laws.paused_at is None:
            self._world.pause()
        else:
            self._world.resume()

    def _clock(self) -> None:
        reach = self._draw.choice((5.0, 100.0, 1000.0, 8000.0, 90000.0))
        self._world.set_clock(self._draw.choice((0.0, self._draw.uniform(-reach, reach))))


def play(
    seed: int,
    disk: Disk,
    tell: Callable[[str], None] = lambda _: None,
    often: Collection[str] = (),
    *,
    listen: bool = True,
) -> World:
    """The history of a seed, to its end; `tell` is given every line of it. BrokenLawError where a law is broken."""
    world = World(seed, plan.of(seed), disk, tell)
    with closing(world):
        try:
            if listen:
                world.ears.listen()
            History(seed, world, often).play()
        except Exception as error:
            error.add_note(f"replay it: python -m tests.simulation {seed}")
            raise
    return world
