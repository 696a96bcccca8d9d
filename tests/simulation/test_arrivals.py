from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from random import Random

import pytest

from tests.simulation.disk import Disk
from tests.simulation.plan import Plan
from tests.simulation.settling import settle
from tests.simulation.world import World
from worker.model.actions import State
from worker.simulator.config import DISPOSITIONS
from worker.simulator.generate import Generator
from worker.simulator.rows import Row

SEEDS = 6
SOAK_SEEDS = int(os.environ.get("WORKER_SIMULATION_ARRIVALS", "1000"))
MESSAGES = 12
HOUR = 3600.0
MOVED = ("SPAM", "MALICIOUS", "SPOOF", "NONE")
"""Verdicts between which the vendor changes its mind."""

End = set[tuple[str, str, str, str]]


def messages(seed: int, start: float) -> list[Row]:
    """Mail of the last half hour; the same for the same seed, whenever it shows."""
    draw = Random(f"{seed}/messages")
    mail = Generator(f"{seed}/mail", {"NONE": 100.0})
    rows = [
        mail.message(int((start - draw.uniform(0, HOUR / 2)) * 1000), draw.choice(DISPOSITIONS))
        for _ in range(MESSAGES)
    ]
    for row in rows:
        row.is_quarantined = row.final_disposition == "BULK"
        row.delivery_status = ["quarantined" if row.is_quarantined else "delivered"]
    return rows


def end_of(seed: int, order: int, disk: Disk, *, changing: bool) -> End:
    """What becomes of the seed's mail in one of its orders: hours late, over restarts and crashes, verdicts changing."""
    draw = Random(f"{seed}/{order}")
    plan = replace(Plan(), page=draw.choice((1, 3, 50)), overlap=draw.choice((1.0, 10.0)), lookback=4 * HOUR)
    world = World(seed, plan, disk)
    world.ears.listen()
    with closing(world):
        waiting = messages(seed, world.times.true())
        draw.shuffle(waiting)
        while waiting:
            row = waiting.pop()
            verdict = row.final_disposition
            if changing and verdict in MOVED and draw.random() < 0.5:
                row.final_disposition = draw.choice(MOVED)
            world.show(row)
            world.wait(draw.choice((0.0, 0.3, 1.5)))
            if row.final_disposition != verdict:
                world.judge(row.id, str(verdict))
            if draw.random() < 0.4:
                _interrupt(world, draw)
        settle(world)
        return _ends(world)


def _interrupt(world: World, draw: Random) -> None:
    if draw.random() < 0.6:
        world.crash_in(draw.randint(1, 30))
    else:
        world.stop()
        world.skip(draw.choice((1.0, HOUR)))
        world.start()
    world.wait(draw.choice((0.3, 2.0)))


def _ends(world: World) -> End:
    """What has become of each wish on the messages' last verdicts.

    A release that a crash cut off before it went out is never sent by itself: a person has the last word.
    """
    done = {(effect.kind, effect.id) for effect in world.tenant.effects}
    ends = set()
    for row in world.rows():
        state = row["state"]
        if row["kind"] == "release" and state == State.UNKNOWN:
            assert ("release", row["message_id"]) not in done, f"{row['id']}: its effect was not found"
            state = State.SUCCEEDED
        if row["verdict"] == world.message(row["message_id"]).row.final_disposition:
            ends.add((row["message_id"], row["kind"], row["target"], str(state)))
    return ends


def check(seeds: range, disk: Disk, *, changing: bool) -> None:
    """Two orders of each seed's mail come to the same end."""
    for seed in seeds:
        first, second = (end_of(seed, order, disk, changing=changing) for order in (1, 2))
        assert first, seed
        assert first == second, f"seed {seed}: {sorted(first ^ second)}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("changing", [False, True], ids=["late", "changed"])
def test_shuffled_arrivals_come_to_the_same_end(changing: bool, disk: Disk) -> None:
    """In whatever order mail and verdicts show, each is acted on once: overlap and seen-set survive everything."""
    check(range(1, SEEDS + 1), disk, changing=changing)


@pytest.mark.soak
@pytest.mark.parametrize("changing", [False, True], ids=["late", "changed"])
def test_many_shuffled_arrivals_come_to_the_same_end(changing: bool, disk: Disk) -> None:
    """The same with WORKER_SIMULATION_ARRIVALS seeds, 1,000 unless it says otherwise."""
    check(range(1, SOAK_SEEDS + 1), disk, changing=changing)
