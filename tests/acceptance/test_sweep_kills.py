"""SIGKILL while siblings are searched for, their list is frozen and moved, and late ones come: none lost, none twice."""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

HASH = "4a1f" * 16
SIBLINGS = 60
SETTLED = frozenset({"succeeded"})
SWEEP = rules.rule(
    'message.subject == "CONFIRMED"',
    'Sweep(message, by=["edf_hash"], then=Move(message, to="JunkEmail"), reason="test")',
    name="kit",
    caps="Caps(per_poll=5000, per_hour=50000)",
)
BUSY = {"WORKER_MOVE_BATCH": "7", "WORKER_READ_BACK_DELAY": "0.3", "WORKER_REQUEST_BUDGET": "100000"}


async def story(worker: Bench, tenant: Tenant, draw: random.Random, kills: int) -> float:
    """One campaign under so many kills; returns the seconds from the last kill to its end."""
    worker.rule("rule", SWEEP)
    worker.env |= BUSY
    await tenant.faults({"on": "move", "kind": "drop", "after": draw.random() < 0.5, "probability": 0.2})
    messages = await tenant.mail(*["SPAM"] * SIBLINGS, edf_hash=HASH)
    messages += await tenant.mail("MALICIOUS", edf_hash=HASH, subject="CONFIRMED")
    for _ in range(kills):
        process = await worker.start("run")
        if draw.random() < 0.8:
            await process.until("service.started")
        await asyncio.sleep(draw.uniform(0.0, 0.5))
        if draw.random() < 0.3:
            messages += await tenant.mail("SPAM", edf_hash=HASH)
        await process.kill()
    began = time.monotonic()
    await tenant.faults()
    for _ in range(8):
        await (await worker.start("run", "--once")).wait(60)
        if {row["state"] for row in await worker.actions()} <= SETTLED:
            break
    took = time.monotonic() - began
    assert await tenant.effects("move") == dict.fromkeys((("move", one, "JunkEmail") for one in messages), 1)
    (campaign,) = await worker.ask("campaigns", "list", "--json")
    assert campaign["actions"] == {"succeeded": len(messages)}
    await intact(worker, messages)
    return took


async def intact(worker: Bench, messages: list[str]) -> None:
    """The log is whole, its list was frozen once, and no move went out before."""
    records = await worker.audit()
    (frozen,) = [one for one in records if one["kind"] == "campaign"]
    intents: list[dict[str, Any]] = [one for one in records if one["kind"] == "intent"]
    assert all(frozen["seq"] < one["seq"] for one in intents)
    listed = {one["message_id"] for one in records if one["kind"] == "sibling"}
    assert listed == set(messages)


@pytest.mark.timeout(180)
async def test_a_sweep_survives_six_kills(worker: Bench, tenant: Tenant) -> None:
    """Every sibling is moved exactly once, under one campaign, and it ends in bounded time."""
    await story(worker, tenant, random.Random(7), kills=6)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_sweeps_survive_kills_for_long(
    make_bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    """SWEEP_KILLS=300 kills or more, eight to a campaign; SWEEP_SEED=2 takes other turns."""
    kills, seed = int(os.environ.get("SWEEP_KILLS", "300")), int(os.environ.get("SWEEP_SEED", "1"))
    done = 0
    while done < kills:
        async with open_tenant() as tenant:
            worker = make_bench()
            connect(worker, tenant)
            took = await story(worker, tenant, random.Random(f"{seed}/{done}"), kills=8)
        done += 8
        with capsys.disabled():
            print(f"\r{done} kills, the last campaign ended after {took:.1f} s ", end="", flush=True)  # noqa: T201
