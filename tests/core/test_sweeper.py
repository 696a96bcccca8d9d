from __future__ import annotations

import asyncio

import pytest

from tests.builders import ENFORCE
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from tests.taking_in import Build
from worker.endless import FAILED_SECONDS
from worker.sweeper import Sweeper


class Stumbling(Sweeper):
    """Fails at its first steps as nobody has foreseen."""

    steps = 0
    enough: asyncio.Event

    async def step(self) -> bool:
        self.steps += 1
        if self.steps == 5:
            self.enough.set()
        if self.steps < 3:
            raise ValueError("year 0 is out of range")
        return await super().step()


async def test_no_campaign_ends_the_daemon(
    desk: Desk, tenant: FakeCloudflare, build: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever is wrong with one: it is told, and the sweeper goes on after a pause."""
    sweeper = Stumbling(desk.ledger, tenant.client, build(), ENFORCE, desk.clock)
    sweeper.enough = asyncio.Event()
    running = asyncio.create_task(sweeper.run())
    await sweeper.enough.wait()
    assert not running.done()
    running.cancel()
    assert desk.clock.slept[:2].count(FAILED_SECONDS) == 1
    assert "year 0 is out of range" in "".join(capsys.readouterr())
