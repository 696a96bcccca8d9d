"""`run --once`: everything that is open is carried out or parked, and no trouble of one kind ends the work of another."""

from __future__ import annotations

import asyncio
import re
import signal

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import connect
from tests.acceptance.intruder import Forward, Intruder, Reply
from tests.acceptance.tenants import Tenant
from worker.acting.circuits import IN_A_ROW

pytestmark = pytest.mark.acceptance

REFUSED = Reply(400, b'{"success":false,"errors":[{"code":1,"message":"no"}],"messages":[],"result":null}')


def too_many(seconds: int) -> Reply:
    """A 429 that names its pause."""
    return Reply(429, REFUSED.body, {"Retry-After": str(seconds)})


async def test_an_answer_that_is_lost_late_in_the_run_is_read_back(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """The wait is counted from the request, not from the beginning of a run that a 429 has held up."""
    replies = iter([too_many(3)])

    async def late(_: web.Request, forward: Forward) -> Reply:
        if (reply := next(replies, None)) is not None:
            return reply
        await forward()
        return Reply(500, b"")

    intruder.lie("POST", "/move", late)
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await bench.once(WORKER_READ_BACK_DELAY="1", WORKER_DRAIN_TIMEOUT="1")
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await bench.states() == {"succeeded": 1}


async def test_what_a_pause_has_left_is_said(worker: Bench, tenant: Tenant) -> None:
    """The run has ended well, and the mail is where it was."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    assert (await worker.run("pause")).code == 0
    told = await worker.once()
    assert told.err == "worker: run --once: 1 actions are ready and wait for `worker resume`\n"


async def test_an_old_doubt_does_not_hide_that_nothing_was_polled(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """Exit code 3 is of the action; that the vendor cannot be read is said beside it."""

    async def lose(_: web.Request, __: Forward) -> Reply:
        return Reply(500, b"")

    intruder.lie("POST", "/release", lose)
    bench.rule("release", rules.RELEASE)
    await tenant.quarantine()
    once = {"WORKER_READ_BACK_DELAY": "0.2", "WORKER_DRAIN_TIMEOUT": "0.2"}
    assert (await bench.once(3, **once)).err == ""
    await tenant.token("another token, which the worker does not have")
    told = await bench.once(3, **once)
    assert told.err == "worker: run --once: a source could not be read; the log says which, and why\n"


async def test_an_open_breaker_is_its_own_kinds_affair(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """Others go out; the next single run tries one of the kind at once, for somebody has asked for it."""
    replies = iter([too_many(1)])

    async def refuse(_: web.Request, __: Forward) -> Reply:
        return REFUSED

    async def once_later(_: web.Request, forward: Forward) -> Reply:
        return next(replies, None) or await forward()

    intruder.lie("POST", "/reclassify", refuse)
    intruder.lie("POST", "/move", once_later)
    bench.rule("junk", rules.JUNK)
    bench.rule("reclassify", rules.RECLASSIFY)
    (message,) = await tenant.mail("MALICIOUS")
    await tenant.mail(*["SPOOF"] * 40)
    told = await bench.once(WORKER_READ_BACK_DELAY="1", WORKER_DRAIN_TIMEOUT="2")
    assert re.fullmatch(r"worker: run --once: \d+ actions are ready and could not be sent; .*\n", told.err)
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    first = await bench.states()
    assert (first["succeeded"], first["failed"] + first["ready"]) == (1, 40)
    assert 0 < first["ready"] < 40 - IN_A_ROW
    await bench.once(WORKER_READ_BACK_DELAY="1", WORKER_DRAIN_TIMEOUT="2")
    assert await bench.states() == {**first, "failed": first["failed"] + 1, "ready": first["ready"] - 1}
    intruder.honest()
    await bench.once()
    assert await bench.states() == {"succeeded": first["ready"], "failed": first["failed"] + 1}


async def test_a_single_run_that_is_stopped_has_done_as_it_was_told(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """SIGTERM while it polls: exit 0, as a daemon; the next one reads what it has not."""
    came = asyncio.Event()

    async def slow(_: web.Request, forward: Forward) -> Reply:
        came.set()
        await asyncio.sleep(2)
        return await forward()

    intruder.lie("GET", "/investigate", slow)
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    process = await bench.start("run", "--once")
    await asyncio.wait_for(came.wait(), 15)
    process.signal(signal.SIGTERM)
    assert (await process.wait()).code == 0
    assert await tenant.effects() == {}
    intruder.honest()
    await bench.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_the_token_needs_no_endpoint_of_its_own(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """A gateway may let the paths of Email Security through alone: what the token can do shows that it works."""

    async def no_route(_: web.Request, __: Forward) -> Reply:
        body = b'{"success":false,"errors":[{"code":7003,"message":"no route"}],"messages":[],"result":null}'
        return Reply(404, body)

    intruder.lie("GET", "/tokens/verify", no_route)
    bench.rule("junk", rules.JUNK)
    told = await bench.run("doctor", "--json")
    (token,) = [one for one in told.json if one["name"] == "token"]
    assert (told.code, token["ok"]) == (0, True)
    assert "works" in token["message"]
    connect(bench, tenant)
    await tenant.token("another-token-0123456789-of-others")
    told = await bench.run("doctor", "--json")
    assert told.code == 1
    assert not next(one for one in told.json if one["name"] == "token")["ok"]
