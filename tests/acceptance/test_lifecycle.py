"""Signals, health, secrets: how the daemon lives and what it lets out."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from tests.acceptance import rules
from tests.acceptance.bench import TOKEN, Bench
from tests.acceptance.intruder import Forward, Intruder, Reply
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_drains(worker: Bench, tenant: Tenant, number: signal.Signals) -> None:
    """A signal lets the request in flight be answered and settled, starts no other, and exits 0."""
    worker.rule("junk", rules.JUNK)
    worker.rule("ask", rules.RECLASSIFY)
    await tenant.faults({"on": "move", "kind": "slow", "seconds": 0.7})
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon()
    await daemon.until("call.submitted")
    daemon.signal(number)
    await daemon.until("service.stopping")
    await tenant.mail("SPOOF")
    result = await daemon.wait(3)
    assert result.code == 0
    assert [event["event.action"] for event in result.events][-1] == "service.stopped"
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await worker.states() == {"succeeded": 1}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0.1, 0.4])
async def test_a_signal_while_it_starts(worker: Bench, number: signal.Signals, seconds: float) -> None:
    """It waits until the service listens: the end is as clean as later."""
    worker.rule("junk", rules.JUNK)
    process = await worker.start("run")
    await asyncio.sleep(seconds)
    process.signal(number)
    result = await process.wait(10)
    assert (result.code, result.err) == (0, "")
    assert [event["event.action"] for event in result.events][-1] == "service.stopped"


async def test_stop_is_bounded(worker: Bench, tenant: Tenant) -> None:
    """A request that hangs does not hold a stop up beyond the drain timeout; the next run reads its effect back."""
    worker.rule("junk", rules.JUNK)
    await tenant.faults({"on": "move", "kind": "slow", "seconds": 20, "after": True, "count": 1})
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon(WORKER_DRAIN_TIMEOUT="0.5")
    await daemon.until("call.submitted")
    await asyncio.sleep(0.1)
    started = time.monotonic()
    result = await daemon.stop()
    assert result.code == 0
    assert time.monotonic() - started < 2
    (stuck,) = daemon.events("service.stuck")
    assert "move:JunkEmail" in json.dumps(stuck)
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await worker.states() == {"succeeded": 1}


async def test_second_signal_ends_at_once(worker: Bench, tenant: Tenant) -> None:
    """A second signal ends the daemon although a request hangs; nothing is lost."""
    worker.rule("junk", rules.JUNK)
    await tenant.faults({"on": "move", "kind": "slow", "seconds": 20, "count": 1})
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon(WORKER_DRAIN_TIMEOUT="15")
    await daemon.until("call.submitted")
    daemon.signal(signal.SIGTERM)
    await daemon.until("service.stopping")
    daemon.signal(signal.SIGTERM)
    assert (await daemon.wait(1)).code != 0
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_once_can_be_stopped(worker: Bench, tenant: Tenant) -> None:
    """A signal ends `run --once` in time too, and what it had begun is worked off by the next run."""
    worker.rule("junk", rules.JUNK)
    messages = await tenant.mail(*["MALICIOUS"] * 30)
    await tenant.faults({"on": "any", "kind": "slow", "seconds": 0.5})
    process = await worker.start("run", "--once")
    await process.until("service.started")
    process.signal(signal.SIGTERM)
    result = await process.wait(4)
    assert result.code >= 0
    await tenant.faults()
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in messages}


async def test_health_while_the_vendor_is_down(worker: Bench, tenant: Tenant) -> None:
    """Live, ready and metrics answer without a vendor; what fails is told once."""
    worker.rule("junk", rules.JUNK)
    await tenant.faults({"on": "any", "kind": "drop"})
    daemon = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    (listening,) = daemon.events("health.listening")
    await daemon.until("poll.failed", times=2)
    base = f"http://127.0.0.1:{listening['worker.port']}"
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        async with session.get(f"{base}/livez") as response:
            assert response.status == 200
        async with session.get(f"{base}/readyz") as response:
            assert response.status == 200
            assert (await response.json())["ready"] is True
        async with session.get(f"{base}/metrics") as response:
            metrics = await response.text()
    assert 'worker_polls_total{outcome="failed",source="detections"}' in metrics
    assert "@" not in metrics
    await asyncio.sleep(0.5)
    assert len(daemon.events("poll.failed")) == 2
    assert (await daemon.stop()).code == 0


async def test_no_secret_and_only_json(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """The token is in no output, error or file, though the vendor and mail quote it; stdout is JSON, stderr empty."""
    bench.rule("junk", rules.JUNK.replace('reason="test"', "reason=message.subject"))
    await tenant.mail("MALICIOUS", subject=f"You use {TOKEN}!")
    errors = json.dumps(
        {"success": False, "errors": [{"code": 1, "message": f"Bearer {TOKEN}"}], "result": None}
    )
    replies = iter([Reply(500, errors.encode()), Reply(200, errors.encode()), Reply(200, TOKEN.encode())])

    async def quote(_: web.Request, forward: Forward) -> Reply:
        return next(replies, None) or await forward()

    intruder.lie("POST", "/move", quote)
    daemon = await bench.daemon(WORKER_LOG_LEVEL="debug", WORKER_KEEP_EVENTS="all")
    await daemon.until("action.finished")
    result = await daemon.stop()
    assert result.err == ""
    assert len(result.events) > 10
    for event in result.events:
        assert {"@timestamp", "log.level", "event.action", "message"} <= event.keys()
    outputs = [await bench.run("status"), await bench.run("doctor"), await bench.run("audit", "export")]
    assert all(output.code == 0 for output in outputs)
    assert TOKEN not in result.out
    assert all(TOKEN not in output.out + output.err for output in outputs)
    assert not [path for path in files(bench) if TOKEN.encode() in path.read_bytes()]


def files(worker: Bench) -> list[Path]:
    """Everything that the worker has written."""
    return [path for path in worker.folder.rglob("*") if path.is_file()]


async def test_commands_beside_a_busy_daemon(worker: Bench, tenant: Tenant) -> None:
    """Commands that read and write go on beside a daemon that works a backlog off, and the audit log stays whole."""
    caps = "Caps(per_poll=900, per_hour=5000)"
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), caps=caps))
    worker.rule("purge", rules.on_verdict("SPOOF", rules.to("RecoverableItemsPurges"), name="purge"))
    await tenant.mail(*["MALICIOUS"] * 300, *["SPOOF"] * 40)
    daemon = await worker.daemon(WORKER_MOVE_BATCH="10")

    async def commands() -> None:
        for _ in range(2):
            for arguments in (["status"], ["actions", "list"], ["audit", "verify"], ["pause"], ["resume"]):
                result = await worker.run(*arguments)
                assert result.code == 0, (arguments, result)

    await asyncio.gather(commands(), commands())
    held = [row["id"] for row in await worker.actions(state="held")]
    assert (await worker.run("actions", "approve", *held)).code == 0
    await daemon.until("action.finished", times=340)
    await daemon.stop()
    assert set((await tenant.effects()).values()) == {1}
    assert await worker.states() == {"succeeded": 340}
    await worker.audit()


async def test_locked_database(worker: Bench, tenant: Tenant) -> None:
    """A database that nobody can write stops the work, not the worker, which resumes by itself."""
    worker.rule("junk", rules.JUNK)
    daemon = await worker.daemon()
    await daemon.until("poll.completed", times=2)
    (message,) = await tenant.mail("MALICIOUS")
    with closing(sqlite3.connect(worker.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        await daemon.until("store.unavailable")
        connection.execute("ROLLBACK")
    await daemon.until("action.finished")
    assert (await daemon.stop()).code == 0
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    await worker.audit()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET body = replace(body, 'JunkEmail', 'Inbox') WHERE seq = 3",
        "UPDATE audit SET at = '2020-01-01T00:00:00Z' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)",
    ],
)
async def test_tampering_shows(worker: Bench, tenant: Tenant, change: str) -> None:
    """`audit verify` exits 1 and names the first record that was edited or deleted."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once()
    count = len(await worker.audit())
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute(change)
    result = await worker.run("audit", "verify")
    assert result.code == 1
    assert f"record {count if 'max' in change else 3} " in result.out
