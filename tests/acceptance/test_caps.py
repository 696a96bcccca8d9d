"""Caps stop a plan before its first action, and only a person lifts them."""

from __future__ import annotations

import asyncio
import os
import time
from random import Random

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


def junk(caps: str) -> str:
    """The playbook under these caps."""
    return rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk", caps=caps)


async def test_plan_over_its_cap_is_held_whole(worker: Bench, tenant: Tenant) -> None:
    """One action too many holds the whole plan, over a restart too; approving some sends exactly those."""
    worker.rule("junk", junk("Caps(per_poll=3)"))
    messages = await tenant.mail(*["MALICIOUS"] * 4)
    await worker.once()
    await worker.once()
    assert await tenant.requests("POST") == []
    assert await worker.states() == {"held": 4}
    held = {row["message_id"]: row["id"] for row in await worker.actions()}
    approved = messages[:2]
    assert (await worker.run("actions", "approve", *(held[one] for one in approved))).code == 0
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in approved}
    assert await worker.states() == {"held": 2, "succeeded": 2}


async def test_hourly_cap_survives_a_restart(worker: Bench, tenant: Tenant) -> None:
    """Actions of the last hour count after a restart; the plan that goes over is held, the next one too."""
    worker.rule("junk", junk("Caps(per_hour=3)"))
    first = await tenant.mail(*["MALICIOUS"] * 2)
    await worker.once()
    await tenant.mail(*["MALICIOUS"] * 2)
    await worker.once()
    assert await worker.states() == {"succeeded": 2, "held": 2}
    (last,) = await tenant.mail("MALICIOUS")
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in [*first, last]}


async def count_over_kills(worker: Bench, tenant: Tenant, kills: int, seed: int) -> None:
    """Kills the worker at random moments while it takes in mail that an hour's cap does not allow."""
    random = Random(seed)
    allowed = 2 * kills
    worker.rule("junk", junk(f"Caps(per_poll=900, per_hour={allowed})"))
    for _ in range(kills):
        await tenant.mail(*["MALICIOUS"] * 4)
        daemon = await worker.start("run")
        await asyncio.sleep(random.uniform(0.05, 0.7))
        await daemon.kill()
        assert sum((await tenant.effects()).values()) <= allowed, f"seed {seed}"
    await worker.once()
    effects = await tenant.effects()
    states = await worker.states()
    # On a machine so slow that no life came to act, the last poll holds all of it.
    assert set(effects.values()) <= {1}, f"seed {seed}"
    assert len(effects) == states.get("succeeded", 0) <= allowed, f"seed {seed}"
    assert len(effects) + states["held"] == 4 * kills, f"seed {seed}"
    await worker.audit()


async def test_caps_survive_kills_in_the_middle_of_counting(worker: Bench, tenant: Tenant) -> None:
    """Wherever it is killed, the worker never does more than an hour allows, and loses none of the rest."""
    await count_over_kills(worker, tenant, 6, seed=5)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_caps_survive_many_kills(worker: Bench, tenant: Tenant) -> None:
    """The same, as often as KILLS says."""
    await count_over_kills(worker, tenant, int(os.environ.get("KILLS", "100")), seed=int(time.time()))


@pytest.mark.parametrize("caps", ["per_day=3", "share=0.1"])
async def test_caps_that_are_off_unless_set(worker: Bench, tenant: Tenant, caps: str) -> None:
    """A day's cap and a share of the poll's messages hold a plan whole, too."""
    worker.rule("junk", junk(f"Caps(per_poll=900, {caps})"))
    await tenant.mail(*["MALICIOUS"] * 12, *["NONE"] * 60)
    await worker.once()
    assert await worker.states() == {"held": 12}
    assert await tenant.requests("POST") == []


@pytest.mark.parametrize("setting", ["WORKER_CAP_PER_POLL", "WORKER_CAP_PER_HOUR", "WORKER_CAP_PER_DAY"])
async def test_operators_ceiling(worker: Bench, tenant: Tenant, setting: str) -> None:
    """A playbook cannot raise the operator's ceiling."""
    worker.rule("junk", junk("Caps(per_poll=900, per_hour=900)"))
    await tenant.mail(*["MALICIOUS"] * 3)
    result = await worker.once(**{setting: "2"})
    assert "plan.held" in {event["event.action"] for event in result.events}
    assert await worker.states() == {"held": 3}
    assert await tenant.requests("POST") == []


async def test_cap_counts_every_page(worker: Bench, tenant: Tenant) -> None:
    """The default cap of a poll counts the whole poll, however many pages and restarts it took."""
    worker.rule("junk", junk("Caps()"))
    await tenant.mail(*["NONE"] * 1000)
    await tenant.mail(*["MALICIOUS"] * 101)
    await tenant.mail(*["NONE"] * 500)
    await worker.once()
    assert await worker.states() == {"held": 101}
    assert await tenant.requests("POST") == []
