"""Answers that are lost or prove nothing: read back before anything else, and no second effect."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.intruder import Forward, Intruder, Reply
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

KINDS = ("move", "release", "reclassify")
HTML = b"<html><body>Not found</body></html>"
SUCCESS = b'{"success":true,"errors":[],"messages":[],"result":[]}'


def write_rules(worker: Bench) -> None:
    """One playbook for each kind of action."""
    worker.rule("junk", rules.JUNK)
    worker.rule("release", rules.RELEASE)
    worker.rule("reclassify", rules.RECLASSIFY)


async def deliver(tenant: Tenant) -> dict[tuple[str, str, str], int]:
    """One message for each kind of action; returns the effects that are wanted, each once."""
    (junk,) = await tenant.mail("MALICIOUS")
    (caught,) = await tenant.quarantine()
    (spoof,) = await tenant.mail("SPOOF")
    return {("move", junk, "JunkEmail"): 1, ("release", caught, ""): 1, ("reclassify", spoof, "NONE"): 1}


def spoiled(kind: str, *, after: bool) -> list[dict[str, Any]]:
    """This fault for the first request of each kind, before or after its effect."""
    return [{"on": on, "kind": kind, "after": after, "count": 1} for on in KINDS]


async def test_answer_lost_after_the_effect(make_bench: MakeBench) -> None:
    """What took effect without a usable answer is found by its read-back and never done again."""

    async def lose(kind: str) -> None:
        async with open_tenant() as tenant:
            connect(worker := make_bench(), tenant)
            write_rules(worker)
            wanted = await deliver(tenant)
            await tenant.faults(*spoiled(kind, after=True))
            await worker.once()
            assert await tenant.effects() == wanted, kind
            assert await worker.states() == {"succeeded": 3}, kind
            await worker.once()
            assert await tenant.effects() == wanted, kind
            await worker.audit()

    await asyncio.gather(*map(lose, ("drop", "500", "html", "empty", "success_false")))


async def test_answer_lost_before_the_effect(make_bench: MakeBench) -> None:
    """A move is sent again after one look, a reclassify after two, a release only by a person who has checked."""

    async def lose(kind: str) -> None:
        async with open_tenant() as tenant:
            connect(worker := make_bench(), tenant)
            write_rules(worker)
            wanted = await deliver(tenant)
            await tenant.faults(*spoiled(kind, after=False))
            await worker.once(3)
            await worker.once(3)
            release = next(one for one in wanted if one[0] == "release")
            assert await tenant.effects() == {one: 1 for one in wanted if one != release}, kind
            (parked,) = await worker.actions(state="unknown")
            assert parked["kind"] == "release", kind
            assert (await worker.run("actions", "retry", parked["id"])).code == 1, kind
            await worker.once(3)
            assert (await worker.run("actions", "retry", parked["id"], "--i-checked")).code == 0, kind
            await worker.once()
            assert await tenant.effects() == wanted, kind
            await worker.audit()

    await asyncio.gather(*map(lose, ("drop", "500", "html", "empty")))


async def test_daemon_reads_back(worker: Bench, tenant: Tenant) -> None:
    """The daemon comes to the same end by itself, and tells of the release that it leaves to a person."""
    write_rules(worker)
    wanted = await deliver(tenant)
    await tenant.faults(*spoiled("drop", after=False))
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=2)
    await daemon.until("readback.parked", kind="release")
    await daemon.stop()
    assert await tenant.effects("move", "reclassify") == {one: 1 for one in wanted if one[0] != "release"}
    assert await worker.states() == {"succeeded": 2, "unknown": 1}


async def test_lagging_log(bench: Bench) -> None:
    """A log that lags, though less than the read-backs wait, causes no second effect and no work for a person."""
    async with open_tenant(action_log_lag=0.4, submission_lag=0.4) as tenant:
        connect(bench, tenant)
        write_rules(bench)
        wanted = await deliver(tenant)
        await tenant.faults(*spoiled("drop", after=True))
        await bench.once(WORKER_READ_BACK_DELAY="0.8")
        assert await tenant.effects() == wanted
        assert await bench.states() == {"succeeded": 3}


async def test_log_that_lags_behind_the_first_look(bench: Bench) -> None:
    """A log slower than the first look makes nobody release or reclassify twice; the move ends succeeded."""
    async with open_tenant(action_log_lag=0.45, submission_lag=0.45) as tenant:
        connect(bench, tenant)
        write_rules(bench)
        wanted = await deliver(tenant)
        await tenant.faults(*spoiled("drop", after=True))
        daemon = await bench.daemon()
        await daemon.until("action.finished", times=3)
        await daemon.stop()
        assert await tenant.effects("release", "reclassify") == {one: 1 for one in wanted if one[0] != "move"}
        assert await bench.states() == {"succeeded": 3}


async def test_a_move_accepted_for_later(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """202 is no answer that a move may have: it is read back, and found."""

    async def accepted(_: web.Request, forward: Forward) -> Reply:
        await forward()
        return Reply(202, b'{"success":true,"errors":[],"messages":[],"result":[]}')

    intruder.lie("POST", "/move", accepted)
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await bench.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await bench.states() == {"succeeded": 1}


async def test_answers_that_do_not_name_the_message(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """An empty result, and lists of recipients that are null, are no success: all is read back, and found once."""

    async def silent(request: web.Request, forward: Forward) -> Reply:
        reply = await forward()
        rows = [{**row, "delivered": None} for row in reply.json["result"] if "delivered" in row]
        return reply.saying({**reply.json, "result": rows})

    intruder.lie("POST", "/move", silent)
    intruder.lie("POST", "/release", silent)
    write_rules(bench)
    wanted = await deliver(tenant)
    await bench.once()
    assert await tenant.effects() == wanted
    assert await bench.states() == {"succeeded": 3}


@pytest.mark.parametrize("status, body", [(404, HTML), (409, b""), (413, HTML), (404, SUCCESS)])
async def test_a_4xx_that_is_not_the_apis_own_proves_nothing(
    bench: Bench, tenant: Tenant, intruder: Intruder, status: int, body: bytes
) -> None:
    """A proxy's page after the effect: read back, also where many share the call, and nothing is done twice."""
    told: list[str] = []

    async def page(request: web.Request, forward: Forward) -> Reply:
        answer = await forward()
        told.append(request.path)
        return Reply(status, body) if told.count(request.path) == 1 else answer

    for kind in KINDS:
        intruder.lie("POST", f"/{kind}", page)
    write_rules(bench)
    wanted = await deliver(tenant) | await deliver(tenant)
    await bench.once()
    assert await tenant.effects() == wanted
    assert await bench.states() == {"succeeded": 6}


async def test_a_message_is_not_gone_because_a_proxy_says_so(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """The list leaves it out and the look at it meets a page: it waits until the vendor itself tells."""
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    assert (await bench.run("pause")).code == 0
    await bench.once(WORKER_MODE="enforce")

    async def without(_: web.Request, forward: Forward) -> Reply:
        answer = await forward()
        listed = answer.json
        listed["result"] = []
        return answer.saying(listed)

    async def page(_: web.Request, forward: Forward) -> Reply:
        del forward
        return Reply(404, HTML)

    intruder.lie("GET", "/investigate", without)
    intruder.lie("GET", f"/investigate/{message}", page)
    with closing(sqlite3.connect(bench.database)) as conn, conn:
        conn.execute("UPDATE actions SET verified_at = NULL")
    assert (await bench.run("resume")).code == 0
    await bench.once()
    assert await bench.states() == {"ready": 1}
    intruder.honest()
    with closing(sqlite3.connect(bench.database)) as conn, conn:
        conn.execute("UPDATE actions SET due_at = 0")
    await bench.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_partial_success(worker: Bench, tenant: Tenant) -> None:
    """A move or a release that worked for some recipients only is failed, names the others, and stays so."""
    worker.rule("junk", rules.JUNK)
    worker.rule("release", rules.RELEASE)
    people = ["ann@corp.example", "bob@corp.example"]
    await tenant.mail("MALICIOUS", client_recipients=people)
    await tenant.quarantine(client_recipients=people)
    await tenant.faults({"on": "any", "kind": "partial", "recipients": ["bob@corp.example"]})
    await worker.once()
    await worker.once()
    failed = await worker.actions(state="failed")
    assert len(failed) == 2
    for action in failed:
        assert "bob@corp.example" in action["error"]
        assert "ann@corp.example" not in action["error"]
    assert len(await tenant.requests("POST")) == 2


async def test_a_reclassify_that_was_taken_is_confirmed_later(worker: Bench, tenant: Tenant) -> None:
    """Succeeded with its 202; what the team's submissions show afterwards is a record of its own."""
    worker.rule("reclassify", rules.RECLASSIFY)
    (spoof,) = await tenant.mail("SPOOF")
    await worker.once(WORKER_READ_BACK_DELAY="0.2")
    (action,) = await worker.actions()
    assert (action["message_id"], action["state"]) == (spoof, "succeeded")
    await asyncio.sleep(0.3)
    await worker.once(WORKER_READ_BACK_DELAY="0.2")
    records = [one for one in await worker.audit() if one["action_id"] == action["id"]]
    assert [one["kind"] for one in records][-3:] == ["intent", "outcome", "confirmed"]
    assert await tenant.effects() == {("reclassify", spoof, "NONE"): 1}
