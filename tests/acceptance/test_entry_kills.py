"""SIGKILL while entries of the settings are made and taken back, half of the answers lost: one each, and none left."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, open_tenant
from worker.model.entries import MARK

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

BLOCKED, ALLOWED, PROTECTED = 12, 4, 3
BUSY = {"WORKER_READ_BACK_DELAY": "0.3", "WORKER_REQUEST_BUDGET": "100000", "WORKER_POLL_INTERVAL": "0.2"}
PLAYBOOKS = {
    "block": ("MALICIOUS", 'BlockSender(message, reason="test")'),
    "allow": ("SPAM", 'AllowSender(message, days=1, reason="test")'),
    "protect": (
        "SPOOF",
        'ProtectIdentity(message, email=message.envelope_from, name="Ann Lee", reason="test")',
    ),
}
SETTLED = frozenset({"succeeded", "skipped"})
COLLECTIONS = ("block_senders", "allow_policies", "impersonation_registry")
ANNS = {"pattern": "mallory0@evil.example", "pattern_type": "EMAIL", "is_regex": False, "comments": "Ann"}
"""A person's own entry for the first of those who are to be blocked."""


async def entries(tenant: Tenant) -> Counter[str]:
    """Whom the worker's entries name, how often each."""
    found: Counter[str] = Counter()
    for name in COLLECTIONS:
        rows = await tenant.entries(name)
        found.update(one.get("pattern") or one["email"] for one in rows if MARK in (one["comments"] or ""))
    return found


async def lives(worker: Bench, tenant: Tenant, draw: random.Random, kills: int) -> None:
    """The worker lives so many times for a moment, while answers are lost before and after their effect."""
    await tenant.faults(
        *(
            {"on": on, "kind": "drop", "after": draw.random() < 0.5, "probability": 0.4}
            for on in ("settings_write", "settings_batch")
        )
    )
    for _ in range(kills):
        process = await worker.start("run")
        if draw.random() < 0.9:
            await process.until("service.started")
        await asyncio.sleep(draw.uniform(0.0, 0.6))
        await process.kill()
        if held := [row["id"] for row in await worker.actions(state="held")]:
            await worker.run("actions", "approve", *held)
    await tenant.faults()


async def settled(worker: Bench) -> list[dict[str, Any]]:
    """All that is open is carried out; what became of everything."""
    rows: list[dict[str, Any]] = []
    for _ in range(12):
        await (await worker.start("run", "--once")).wait(60)
        rows = await worker.actions()
        if held := [row["id"] for row in rows if row["state"] == "held"]:
            await worker.run("actions", "approve", *held)
        elif {row["state"] for row in rows} <= SETTLED:
            return rows
    pytest.fail(f"not settled: {[row for row in rows if row['state'] not in SETTLED]}")


async def story(worker: Bench, tenant: Tenant, draw: random.Random, kills: int) -> None:
    """So many kills while entries are made, and as many while they are taken back."""
    for name, (verdict, action) in PLAYBOOKS.items():
        worker.rule(name, rules.on_verdict(verdict, action, name=name))
    worker.env |= BUSY
    await tenant.person("POST", "settings/block_senders", ANNS)
    wanted: set[str] = set()
    for verdict, count, who in (
        ("MALICIOUS", BLOCKED, "mallory"),
        ("SPAM", ALLOWED, "partner"),
        ("SPOOF", PROTECTED, "boss"),
    ):
        for number in range(count):
            address = f"{who}{number}@evil.example"
            await tenant.mail(verdict, envelope_from=address)
            wanted.add(address)
    await lives(worker, tenant, draw, kills)
    await settled(worker)
    assert await entries(tenant) == dict.fromkeys(wanted - {ANNS["pattern"]}, 1)
    (skipped,) = await worker.actions(state="skipped")
    assert "already there" in skipped["error"]

    with closing(sqlite3.connect(worker.database)) as conn, conn:
        assert conn.execute("UPDATE entries SET expires_at = 1.0 WHERE expires_at > 0").rowcount == ALLOWED
    for name in ("block", "protect"):
        await worker.run("undo", "--playbook", name, "--since", "1h")
    await lives(worker, tenant, draw, kills)
    rows = await settled(worker)
    assert await entries(tenant) == {}
    assert [one["comments"] for one in await tenant.entries("block_senders")].count("Ann") == 1
    assert Counter(row["kind"] for row in rows)["remove_entry"] == len(wanted) - 1
    created = Counter(
        one["entry"].get("pattern") or one["entry"]["email"]
        for one in await tenant.changes()
        if one["operation"] == "post" and MARK in (one["entry"]["comments"] or "")
    )
    assert created == dict.fromkeys(wanted - {ANNS["pattern"]}, 1)
    assert (await worker.run("audit", "verify")).code == 0


@pytest.mark.timeout(180)
async def test_entries_survive_kills(worker: Bench, tenant: Tenant) -> None:
    """Every entry is made once and taken back once; a person's stays."""
    await story(worker, tenant, random.Random(3), kills=4)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_entries_survive_kills_for_long(
    make_bench: MakeBench, capsys: pytest.CaptureFixture[str]
) -> None:
    """ENTRY_KILLS=300 kills or more, sixteen to a story; ENTRY_SEED=2 takes other turns."""
    kills, seed = int(os.environ.get("ENTRY_KILLS", "300")), int(os.environ.get("ENTRY_SEED", "1"))
    for done in range(0, kills, 16):
        async with open_tenant() as tenant:
            worker = make_bench()
            connect(worker, tenant)
            await story(worker, tenant, random.Random(f"{seed}/{done}"), kills=8)
        with capsys.disabled():
            print(f"\r{done + 16} kills ", end="", flush=True)  # noqa: T201
