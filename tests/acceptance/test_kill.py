"""SIGKILL at any moment: nothing is lost, nothing is done twice, the audit log stays whole."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import connect
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

KILLS = 7
LOSSES: list[dict[str, Any]] = [
    {"on": on, "kind": kind, "after": after, "probability": 0.08}
    for on in ("move", "release", "reclassify")
    for kind, after in (("drop", True), ("drop", False), ("500", True))
]


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_at_random(bench: Bench, seed: int) -> None:
    """After any number of kills two clean runs leave every message done once, or waiting for a person to look."""
    chance = random.Random(seed)
    async with open_tenant(seed=seed, messages=1500, latency=0.01, limit=5000) as tenant:
        connect(bench, tenant)
        # So many starts and read-backs in a few seconds would use up what is meant for five minutes.
        bench.env["WORKER_REQUEST_BUDGET"] = "5000"
        caps = "Caps(per_poll=900, per_hour=5000)"
        bench.rule("junk", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="junk", caps=caps))
        bench.rule(
            "release", rules.on_verdict("SPOOF", 'Release(message, reason="t")', name="release", caps=caps)
        )
        bench.rule(
            "ask",
            rules.on_verdict("BULK", 'Reclassify(message, to="NONE", reason="t")', name="ask", caps=caps),
        )
        await tenant.faults(*LOSSES)
        for _ in range(KILLS):
            daemon = await bench.start("run", WORKER_MOVE_BATCH="20")
            await asyncio.sleep(chance.uniform(0.1, 0.6))
            await daemon.kill()
            await tenant.mail("SPAM", "SPOOF", "BULK")
        await tenant.faults()
        for _ in range(2):
            result = await (await bench.start("run", "--once")).wait(40)
            assert result.code in (0, 3)
        await check(bench, tenant, f"seed {seed}")


async def check(bench: Bench, tenant: Tenant, seed: str) -> None:
    """Compares the ledger with what the server knows."""
    actions = await bench.actions()
    effects = await tenant.effects()
    once_only = {one: count for one, count in effects.items() if one[0] != "move" and count > 1}
    assert not once_only, f"{seed}: done twice: {once_only}"
    expected = {"move": "SPAM", "release": "SPOOF", "reclassify": "BULK"}
    for kind, verdict in expected.items():
        wanted = {row["id"] for row in await tenant.listed() if row["final_disposition"] == verdict}
        mine = {row["message_id"]: row["state"] for row in actions if row["kind"] == kind}
        assert mine.keys() == wanted, f"{seed}: lost: {wanted - mine.keys()}"
        done = {one for one, state in mine.items() if state == "succeeded"}
        happened = {message for effect, message, _ in effects if effect == kind}
        assert done == happened, f"{seed}: {kind}: {done ^ happened}"
        others = {state for one, state in mine.items() if one not in done}
        # A release of mail that is in no quarantine is skipped or refused; one without an answer is parked.
        allowed = {"unknown", "failed", "skipped"} if kind == "release" else set()
        assert others <= allowed, f"{seed}: {kind}: {others}"
    records = await bench.audit()
    intents = {record["call_id"] for record in records if record["kind"] == "intent"}
    answered = {record["call_id"] for record in records if record["kind"] in ("outcome", "orphaned")}
    assert intents == answered, seed
    assert len(await tenant.requests("POST")) <= len(intents)
