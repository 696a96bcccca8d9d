"""Refused tokens, rate limits, the request budget, and the brake."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import TOKEN, Bench, until
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.intruder import Forward, Intruder, Reply, open_intruder
from tests.acceptance.tenants import Tenant, open_tenant
from worker.acting.circuits import FIRST_PAUSE, IN_A_ROW
from worker.executors.reclassify import ReclassifyExecutor

pytestmark = pytest.mark.acceptance

REFUSED = b'{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"result":null}'


async def test_bad_token_at_the_start(worker: Bench, tenant: Tenant) -> None:
    """A refused token is told once for each source, the daemon stays up, and recovers when the file changes."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    file = worker.folder / "token"
    file.write_text("wrong-token-0123456789")
    renewed = {"CLOUDFLARE_API_TOKEN": None, "CLOUDFLARE_API_TOKEN_FILE": str(file)}
    daemon = await worker.daemon(**renewed)
    await daemon.until("auth.refused", times=2)
    await asyncio.sleep(0.5)
    assert len(daemon.events("auth.refused")) == 2
    file.write_text(TOKEN)
    await daemon.until("auth.recovered", times=2)
    await daemon.until("action.finished")
    result = await daemon.stop()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert "wrong-token" not in result.out + result.err
    assert TOKEN not in result.out + result.err


async def test_once_with_a_bad_token(worker: Bench, tenant: Tenant) -> None:
    """`run --once` with a token that is refused exits 1."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once(1, CLOUDFLARE_API_TOKEN="wrong-token-0123456789")


async def test_token_that_may_only_read(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """403 on writes alone: told once, tried no more with that token, polls go on; another token sends it at once."""
    bench.rule("junk", rules.JUNK)
    file = bench.folder / "token"
    file.write_text(TOKEN)

    async def forbid(_: web.Request, forward: Forward) -> Reply:
        return Reply(403, REFUSED)

    intruder.lie("POST", "/move", forbid)
    first = await tenant.mail("MALICIOUS", "MALICIOUS")
    daemon = await bench.daemon(CLOUDFLARE_API_TOKEN=None, CLOUDFLARE_API_TOKEN_FILE=str(file))
    await daemon.until("call.refused")
    second = await tenant.mail("MALICIOUS")
    polls = len(daemon.events("poll.completed"))
    await daemon.until("poll.completed", times=polls + 10)
    assert len(daemon.events("auth.refused")) == 1
    assert len([one for one in intruder.seen if one[1] == "POST"]) == 1
    renewed = "renewed-" + TOKEN
    await tenant.token(renewed)
    intruder.honest()
    file.write_text(renewed)
    await daemon.until("action.finished", times=3, patience=5)
    await daemon.stop()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in first + second}


@pytest.mark.slow
async def test_refused_calls_open_a_breaker(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """Told once, seen in status and metrics; other kinds go on; a probe closes it, and all that waited is sent."""
    bench.rule("ask", rules.RECLASSIFY)
    bench.rule("junk", rules.JUNK)

    async def refuse(_: web.Request, forward: Forward) -> Reply:
        return Reply(400, REFUSED)

    intruder.lie("POST", "/reclassify", refuse)
    messages = await tenant.mail(*["SPOOF"] * 20)
    daemon = await bench.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    await daemon.until("breaker.opened")
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", kind="move")
    sent = len([path for _, method, path in intruder.seen if method == "POST" and "reclassify" in path])
    assert sent < IN_A_ROW + ReclassifyExecutor.parallel  # what was in flight beside the fifth
    (breaker,) = (await bench.status())["breakers"]
    assert breaker["kind"] == "reclassify"
    assert "breaker   reclassify is open since" in (await bench.run("status")).out
    assert 'worker_breaker_open{kind="reclassify"} 1.0' in await daemon.page("/metrics")
    intruder.honest()
    await daemon.until("breaker.closed", patience=FIRST_PAUSE + 5)
    await daemon.until("action.finished", times=len(messages) - sent, kind="reclassify", state="succeeded")
    assert len(daemon.events("breaker.opened")) == 1
    assert (await bench.status())["breakers"] == []
    await daemon.stop()
    assert sum((await tenant.effects("reclassify")).values()) == len(messages) - sent


async def test_429_stops_everything(make_bench: MakeBench) -> None:
    """After a 429 nothing at all is sent for as long as it says, over a restart too; nonsense is bounded."""
    pauses = {"seconds": 1.2, "date": 0.9, "missing": 1.2, "absurd": 1.2}
    await asyncio.gather(*(stop_everything(make_bench(), *case) for case in pauses.items()))


async def stop_everything(worker: Bench, header: str, pause: float) -> None:
    """One way of saying how long to wait, and for how long nothing may come."""
    at = 0.0

    async def too_many(_: web.Request, forward: Forward) -> Reply:
        nonlocal at
        at = time.monotonic()
        texts = {"seconds": "1.2", "date": formatdate(time.time() + 2, usegmt=True), "absurd": "9" * 30}
        return Reply(429, REFUSED, {"Retry-After": texts[header]} if header in texts else {})

    async with open_tenant() as tenant, open_intruder(tenant) as intruder:
        connect(worker, tenant)
        worker.env["CLOUDFLARE_BASE_URL"] = intruder.base_url
        worker.rule("junk", rules.JUNK)
        (message,) = await tenant.mail("MALICIOUS")
        intruder.lie("POST", "/move", too_many)
        daemon = await worker.daemon()
        await daemon.until("rate.limited")
        told = time.monotonic()
        intruder.honest()
        await asyncio.sleep(0.3)
        await daemon.kill()
        daemon = await worker.daemon()
        if header in ("missing", "absurd"):
            await asyncio.sleep(0.8)
            assert (await worker.status())["blocked_until"] is not None, header
        else:
            await daemon.until("action.finished")
            assert await tenant.effects() == {("move", message, "JunkEmail"): 1}, header
        await daemon.stop()
        early = [method for when, method, _ in intruder.seen if told < when < at + pause]
        assert early == [], header


async def test_request_budget(worker: Bench, tenant: Tenant) -> None:
    """The budget of a window is never exceeded, not over restarts either, and actions come before polls."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    small = {"WORKER_REQUEST_BUDGET": "14", "WORKER_INITIAL_LOOKBACK": "600", "WORKER_POLL_INTERVAL": "0.05"}
    daemon = await worker.daemon(**small)
    await daemon.until("action.finished")
    await asyncio.sleep(0.8)
    await daemon.kill()
    daemon = await worker.daemon(**small)
    await asyncio.sleep(0.8)
    await daemon.stop()
    assert len(await tenant.requests()) <= 14
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    budget = (await worker.status())["budget"]
    assert 1 <= budget["used"] <= 14


async def test_pause(worker: Bench, tenant: Tenant) -> None:
    """Pause stops new requests that change something, survives a restart, and an approval does not lift it."""
    worker.rule("junk", rules.JUNK)
    worker.rule("purge", rules.on_verdict("SPOOF", rules.to("RecoverableItemsPurges"), name="purge"))
    await tenant.mail("MALICIOUS", "SPOOF")
    daemon = await worker.daemon()
    await daemon.until("action.finished")
    assert (await worker.run("pause", "--reason", "drill")).code == 0
    started = time.time()
    await tenant.mail("MALICIOUS", "MALICIOUS")
    (held,) = await worker.actions(state="held")
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await daemon.until("pause.on")
    await daemon.until("plan.closed", times=3)
    await daemon.stop()
    await worker.once()
    status = await worker.status()
    assert status["paused"]
    assert status["pause"]["reason"] == "drill"
    assert status["actions"]["ready"] == 3
    assert all(one["at"] < started for one in await tenant.requests("POST"))
    daemon = await worker.daemon()
    assert (await worker.run("resume")).code == 0
    await until(lambda: len(daemon.events("action.finished")) == 3)
    await daemon.stop()
    assert len(await tenant.effects()) == 4
    assert not (await worker.status())["paused"]
