"""Plans trials, runs them, and remembers at which lines a worker has been killed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, NamedTuple

from tests.acceptance.bench import Bench
from tests.acceptance.kills.acts import ACTS, told
from tests.acceptance.kills.laws import StarvedError
from tests.acceptance.kills.points import Point
from tests.acceptance.kills.stage import Stage
from tests.acceptance.tenants import open_tenant

Place = tuple[str, int]
SURVEYS = 8
"""How often all acts are played in search of lines that nobody has passed yet."""
ENDS = (0, 1, 3, -signal.SIGKILL, -signal.SIGTERM)
"""How a life may end by itself; SIGTERM is deadly to a process that does not listen yet."""
LOCKED = "database is locked"
"""What a process says that could not even begin: somebody else held the file for too long."""
START_SECONDS = 10.0
PATIENCE = 12
"""Times that a line is aimed at in vain before it is left alone."""


class Life(NamedTuple):
    """One start of the worker: the trouble around it, and where it is killed: at a line, some time, or at the end."""

    act: str
    point: Point | Literal["random", "end"]

    def __str__(self) -> str:
        return f"{self.act}@{self.point}"

    @classmethod
    def parse(cls, text: str) -> Life:
        """Reads what `str` wrote."""
        act, _, point = text.partition("@")
        return cls(act, point if point in ("random", "end") else Point.parse(point))  # type: ignore[arg-type]

    @property
    def line(self) -> Point | None:
        """The line, if it is one."""
        return self.point if isinstance(self.point, Point) else None


class Trial(NamedTuple):
    """A series of lives on one database."""

    seed: int
    lives: tuple[Life, ...]

    def __str__(self) -> str:
        return " ".join([str(self.seed), *map(str, self.lives)])

    @classmethod
    def parse(cls, text: str) -> Trial:
        """Reads what `str` wrote."""
        seed, *lives = text.split()
        return cls(int(seed), tuple(map(Life.parse, lives)))

    @property
    def command(self) -> str:
        """What runs it again."""
        return f"KILLS='{self}' make soak ARGS=tests/acceptance/kills"


@dataclass
class Tally:
    """What has been tried so far."""

    kills: int = 0
    starts: int = 0
    trials: int = 0
    starved: int = 0
    struck: set[Place] = field(default_factory=set)
    passed: dict[str, set[Place]] = field(default_factory=dict)
    """The lines that each act has been seen to pass."""
    missed: Counter[Place] = field(default_factory=Counter)
    """How often a line was aimed at in vain."""
    patience: float = 1.0
    """By how much longer than on a quiet machine each life lasts."""

    @property
    def reachable(self) -> set[Place]:
        """The lines that any act has passed."""
        return set().union(*self.passed.values())

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.starts} starts and {self.trials} trials, at {len(self.struck)} lines; "
            f"0 lost, 0 repeated ({self.starved} trials on a machine too slow to judge)"
        )


async def run(
    trial: Trial, make_bench: Callable[[], Bench], tally: Tally, breaks: Sequence[str] = ()
) -> None:
    """Runs a trial and judges it after every kill and at the end; AssertionError with the command that repeats it."""
    try:
        async with open_tenant(seed=trial.seed, limit=10**6) as tenant:
            stage = Stage(make_bench(), tenant, trial.seed)
            for life in trial.lives:
                await _live(stage, life, tally, breaks)
                await stage.check()
            await stage.settle()
            await stage.check_all()
    except StarvedError:
        tally.starved += 1
    except Exception as error:
        what = str(error) if isinstance(error, AssertionError) else repr(error)
        raise AssertionError(f"{what}\n\nto run it again:\n  {trial.command}\n") from error
    else:
        tally.trials += 1


async def _live(stage: Stage, life: Life, tally: Tally, breaks: Sequence[str]) -> None:
    act = ACTS[life.act]
    stage.make_due()
    await stage.deliver_some()
    await act.before(stage)
    await stage.tenant.faults(*act.faults)
    process = await stage.start(life.line, *act.command, breaks=(*act.breaks, *breaks), **act.env)
    tally.starts += 1
    trouble = asyncio.create_task(act.meanwhile(stage, process))
    if life.point == "random":
        await process.wait_at_most(stage.chance.uniform(0.05, act.seconds))
    else:
        # A busy machine needs its time to start it.
        await told(process, "service.started", START_SECONDS)
        await process.wait_at_most(act.seconds * tally.patience)
    by_itself = process.ended
    result = await process.kill()
    # To its end, lest nobody knows what it still did.
    await trouble
    stage.resume()
    _count(stage, life, tally, killed=result.code == -signal.SIGKILL)
    turned_away = result.code == 2 and LOCKED in result.err
    assert not by_itself or result.code in ENDS or turned_away, (result.code, result.err[-3000:])


def _count(stage: Stage, life: Life, tally: Tally, *, killed: bool) -> None:
    passed, struck = stage.passed()
    tally.passed.setdefault(life.act, set()).update(passed)
    tally.kills += killed
    if struck is not None:
        tally.struck.add(struck)
    elif life.line is not None:
        tally.missed[life.line.place] += 1


class Planner:
    """Aims at lines where nobody has been killed yet, in acts that are known to pass them."""

    def __init__(self, tally: Tally, core: set[Place], around: set[Place], *, seed: int, lives: int) -> None:
        self._tally = tally
        self._core = core
        self._wanted = core | around
        self._lives = lives
        self._chance = random.Random(seed)
        self._seeds = count(seed)
        self._aimed: set[Place] = set()

    def survey(self, *acts: str) -> Iterator[Trial]:
        """Every act once, to its end: shows which lines it passes."""
        names = list(acts or ACTS)
        for start in range(0, len(names), self._lives):
            chosen = names[start : start + self._lives]
            yield Trial(next(self._seeds), tuple(Life(name, "end") for name in chosen))

    def campaign(self, kills: int) -> Iterator[Trial]:
        """Until every line of the core, and every other that is passed, was struck, and so many kills were made."""
        for _ in range(SURVEYS):
            yield from self.survey()
            while self.to_strike() & self._core:
                yield self.next()
            if not self._core - self._tally.struck:
                break
            self._tally.patience += 0.5
        while self.to_strike() or self._tally.kills < kills:
            yield self.next()

    def next(self) -> Trial:
        """The next trial: lines that are still to be struck, then any."""
        return Trial(next(self._seeds), tuple(self._aim() for _ in range(self._lives)))

    def to_strike(self) -> set[Place]:
        """Lines that are known to be passed, that nobody has been killed at and that were not aimed at in vain."""
        tally = self._tally
        return {
            place for place in self._wanted & tally.reachable - tally.struck if tally.missed[place] < PATIENCE
        }

    def _aim(self) -> Life:
        tally = self._tally
        left = self.to_strike()
        left = left & self._core or left
        # Trials run side by side: they had better not aim at the same line.
        fresh = sorted(left - self._aimed) or sorted(left)
        if not fresh:
            return self._at_random()
        place = self._chance.choice(fresh)
        self._aimed.add(place)
        acts = [name for name in ACTS if place in tally.passed.get(name, ())]
        return Life(self._chance.choice(acts), Point(*place))

    def _at_random(self) -> Life:
        act = self._chance.choice(list(ACTS))
        places = sorted(self._tally.passed.get(act, set()) & self._wanted)
        match self._chance.choice(["line", "random", "end"]) if places else "end":
            case "line":
                return Life(act, Point(*self._chance.choice(places), self._chance.randint(1, 6)))
            case "random":
                return Life(act, "random")
            case _:
                return Life(act, "end")
