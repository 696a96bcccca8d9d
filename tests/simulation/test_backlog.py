from __future__ import annotations

import io
import json
from contextlib import closing
from dataclasses import replace

import pytest

from tests.simulation.disk import Disk
from tests.simulation.law import BrokenLawError
from tests.simulation.plan import Plan
from tests.simulation.settling import settle
from tests.simulation.world import World
from worker.ops import logs
from worker.store.plans import caps

HOURS, EACH = 2, 2


def paused_for_hours(disk: Disk) -> None:
    """Every hour brings as much as an hour's cap allows, and none of it goes out before all of it is there."""
    world = World(1, replace(Plan(), playbook_per_hour=EACH), disk)
    with closing(world):
        world.pause()
        for _ in range(HOURS):
            for _ in range(EACH):
                world.arrive("SPAM")
            world.wait(10.0)
            world.stop()
            world.skip(4000.0)
            world.start()
        settle(world)


def test_a_backlog_goes_out_hour_by_hour(disk: Disk) -> None:
    """The caps bound what is sent in an hour, not only what is planned in one; it is said, and in the end all is done."""
    stream = io.StringIO()
    logs.configure(format="json", level="warning", stream=stream)
    paused_for_hours(disk)
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    (reason,) = {one["event.reason"] for one in told if one["event.action"] == "action.waiting"}
    assert reason == "the cap of 2 actions of junk-spam an hour is full"


def test_a_backlog_that_goes_out_at_once_is_noticed(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The law looks at what was sent: it sees a worker that never judges again what it once let through."""
    monkeypatch.setattr(caps, "in_room", lambda *args: (list(args[4]), {}))
    with pytest.raises(BrokenLawError, match="never more than the cap per hour: junk-spam, 3 > 2"):
        paused_for_hours(disk)
