"""When a request reaches the vendor, its intent is on the disk already, for every other process to read."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.intruder import Forward, Intruder, Reply
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


def intents(worker: Bench) -> list[dict[str, Any]]:
    """What the audit log has of intents, read on a connection of its own."""
    with closing(sqlite3.connect(f"file:{worker.database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT body FROM audit WHERE kind = 'intent'").fetchall()
    return [json.loads(body) for (body,) in rows]


def submitted(worker: Bench) -> set[str]:
    """The messages that the ledger says are being acted on."""
    with closing(sqlite3.connect(f"file:{worker.database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT message_id FROM actions WHERE state = 'submitted'").fetchall()
    return {name for (name,) in rows}


async def test_the_intent_is_on_disk_when_the_request_arrives(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """For every kind: the very messages that the request names, in the log and in the ledger."""
    arrived: list[str] = []

    async def witness(request: web.Request, forward: Forward) -> Reply:
        kind = request.path.rpartition("/")[2]
        body = await request.json()
        named = set(body.get("ids") or [request.path.split("/")[-2]])
        mine = [one for one in intents(bench) if one["kind"] == kind]
        assert any({message for _, message in one["actions"]} == named for one in mine), (kind, named, mine)
        assert named <= submitted(bench)
        arrived.append(kind)
        return await forward()

    for kind in ("move", "release", "reclassify"):
        intruder.lie("POST", f"/{kind}", witness)
    bench.rule("junk", rules.JUNK)
    bench.rule("release", rules.RELEASE)
    bench.rule("reclassify", rules.RECLASSIFY)
    await tenant.mail("MALICIOUS", "MALICIOUS", "SPOOF", "SPOOF")
    await tenant.quarantine(2)
    await bench.once()
    assert sorted(arrived) == ["move", "reclassify", "reclassify", "release"]
    assert await bench.states() == {"succeeded": 6}
