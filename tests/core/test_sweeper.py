from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import ENFORCE, catalogue, decided, detection, playbook, vote, wish
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from tests.taking_in import Build, page, take
from worker.campaigns.sweeper import Sweeper
from worker.cloudflare import Page
from worker.model.actions import Move
from worker.model.events import Detection
from worker.model.sweeps import Sweep
from worker.upkeep.endless import FAILED_SECONDS

HASH = "4a1f" * 16
MAIL = (("m1", "MALICIOUS"), ("m2", "SPAM"))


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


async def test_no_list_is_frozen_while_nobody_speaks_for_it(
    desk: Desk, tenant: FakeCloudflare, build: Build
) -> None:
    """Its playbook is unloaded while its siblings are searched for: an empty list would end the campaign in silence."""
    seed, sibling = (detection(name, edf_hash=HASH) for name in ("m1", "m2"))
    tenant.add(seed, sibling)
    sweep = Sweep(seed, by=["edf_hash"], then=Move(seed, to="JunkEmail"))
    await desk.take_in(decided(seed, wish(sweep, vote("junk"))))
    known = catalogue(playbook(lambda _: None))
    intake = build(*known.playbooks)
    sweeper = Sweeper(desk.ledger, tenant.client, intake, ENFORCE, desk.clock)

    def unloaded(**_: Any) -> Page[Detection]:
        intake.decider.adopt(catalogue())
        return Page((seed, sibling), (), None)

    tenant.will("list", unloaded)
    assert not await sweeper.step()
    assert (await desk.ledger.campaigns(86400.0)).open[0].searching
    intake.decider.adopt(known)
    desk.clock.pass_time(60)
    assert await sweeper.step()
    assert {row["message_id"] for row in await desk.rows(kind="move")} == {"m1", "m2"}


async def test_a_confirmed_message_that_is_cleared_is_no_late_sibling_of_its_own(
    desk: Desk, tenant: FakeCloudflare, build: Build
) -> None:
    """Its move was not sent yet: the new verdict drops it, and the campaign does not want it back."""

    def kit(message: Detection) -> Any:
        away = Move(message, to="JunkEmail")
        return (
            Sweep(message, by=["edf_hash"], then=away) if message.final_disposition == "MALICIOUS" else None
        )

    seed, sibling = (detection(name, edf_hash=HASH, final_disposition=verdict) for name, verdict in MAIL)
    tenant.add(seed, sibling)
    intake = build(playbook(kit))
    sweeper = Sweeper(desk.ledger, tenant.client, intake, ENFORCE, desk.clock)
    await take(intake, page(seed))
    assert await sweeper.step()
    assert {row["message_id"]: row["state"] for row in await desk.rows(kind="move")} == {
        "m1": "ready", "m2": "ready",
    }  # fmt: skip
    desk.clock.pass_time(60)
    await take(intake, page(replace(seed, final_disposition="NONE")))
    states = [row["state"] for row in await desk.rows(kind="move", message_id="m1")]
    assert states == ["skipped", "held"]
