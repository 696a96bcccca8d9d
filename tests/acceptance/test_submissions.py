"""Submissions as events: what somebody asked for, and what came of it."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

CLEARED = rules.rule(
    'message.outcome_disposition == "NONE" and message.message',
    'Release(message.message, reason="judged clean")',
    name="cleared",
    on="Submission",
)


async def test_an_outcome_is_an_event(bench: Bench) -> None:
    """What the worker asked for is judged later; then, and only then, the message is released, once over many polls."""
    bench.rule("ask", rules.rule("message.is_quarantined", 'Reclassify(message, to="NONE")', name="ask"))
    bench.rule("cleared", CLEARED)
    async with open_tenant(verdict_delay=1.0) as tenant:
        connect(bench, tenant)
        (message,) = await tenant.quarantine()
        daemon = await bench.daemon()
        await daemon.until("action.finished", kind="reclassify")
        await daemon.until("poll.completed", times=2, source="submissions")
        assert await tenant.effects("release") == {}
        await daemon.until("action.finished", kind="release")
        await daemon.until("poll.completed", times=8, source="submissions")
        await daemon.stop()
        assert await tenant.effects("release") == {("release", message, ""): 1}
    (action,) = await bench.actions(kind="release")
    shown = await bench.ask("actions", "show", action["id"], "--json")
    assert shown["evidence"]["outcome_disposition"] == "NONE"
    assert shown["evidence"]["message"]["id"] == message


SUBMIT = rules.rule(
    'message.final_disposition in ("SPOOF", "NONE")',
    'Submit(message, to="SPAM", reason="test")',
    name="submit",
)
SPOOFS, CLEAN = 12, 6


async def deliver(tenant: Tenant) -> dict[tuple[str, str, str], int]:
    """Mail with and without an alert; what is to be asked for, each once."""
    names = await tenant.mail(*["SPOOF"] * SPOOFS, *["NONE"] * CLEAN)
    return {("reclassify", name, "SPAM"): 1 for name in names}


async def asked(tenant: Tenant, method: str, path: str) -> int:
    """How many such requests there were."""
    return len([one for one in await tenant.requests(method) if one["path"].endswith(path)])


async def test_many_messages_share_a_request(worker: Bench, tenant: Tenant) -> None:
    """One for those with an alert, one for those without; the vendor's own list confirms them later."""
    worker.rule("submit", SUBMIT)
    wanted = await deliver(tenant)
    await worker.once()
    await asyncio.sleep(0.3)
    later = await worker.once()
    confirmed = [one for one in later.events if one["event.action"] == "reclassify.confirmed"]
    assert len(confirmed) == SPOOFS + CLEAN
    assert await tenant.effects() == wanted
    assert await asked(tenant, "POST", "/submissions") == 2
    assert await asked(tenant, "GET", "/submissions") == 1


@pytest.mark.parametrize("tickets", [False, True])
async def test_a_lost_answer_of_many_messages(make_bench: MakeBench, tickets: bool) -> None:
    """Whether it took effect or not, and whatever the rows of answers name: each is asked for once, none is lost."""

    async def lose(kind: str, *, after: bool) -> None:
        async with open_tenant(submission_ids=tickets) as tenant:
            connect(worker := make_bench(), tenant)
            worker.rule("submit", SUBMIT)
            wanted = await deliver(tenant)
            await tenant.faults({"on": "submit", "kind": kind, "after": after, "count": 2})
            # Without effect it takes a second look, one delay later, before it is sent again.
            await worker.once(0 if after else 3)
            await worker.once()
            assert await tenant.effects() == wanted, (kind, after)
            assert await worker.states() == {"succeeded": SPOOFS + CLEAN}, (kind, after)
            logs = await asked(tenant, "GET", "/action_log")
            assert logs == (0 if after else 2 * (SPOOFS + CLEAN)), (kind, after)
            await worker.audit()

    spoils = ("drop", "500")
    await asyncio.gather(*(lose(kind, after=after) for kind in spoils for after in (False, True)))


async def test_some_of_many_are_refused(worker: Bench, tenant: Tenant) -> None:
    """Those fail with the vendor's words, the others are asked for."""
    worker.rule("submit", SUBMIT)
    wanted = await deliver(tenant)
    await tenant.faults({"on": "submit", "kind": "partial", "rate": 0.5, "count": 2})
    await worker.once()
    failed = await worker.actions(state="failed")
    assert 0 < len(failed) < SPOOFS + CLEAN
    assert {one["error"] for one in failed} == {"not accepted: the analysts cannot be reached"}
    done = set(wanted) - {("reclassify", one["message_id"], "SPAM") for one in failed}
    assert await tenant.effects() == dict.fromkeys(done, 1)


async def kill_somewhere(make_bench: MakeBench, seed: int) -> None:
    """A worker dies at a random moment of two requests for many messages; the next one finishes."""
    draw = Random(seed)
    async with open_tenant(seed=seed, submission_ids=draw.random() < 0.5, latency=0.01) as tenant:
        connect(worker := make_bench(), tenant)
        worker.env |= {"WORKER_RECLASSIFY_VIA": "submissions"}
        worker.rule("submit", SUBMIT.replace("Submit(", draw.choice(("Submit(", "Reclassify("))))
        wanted = await deliver(tenant)
        slow = {"on": "submit", "kind": "slow", "after": draw.random() < 0.5, "seconds": 0.1, "count": 2}
        await tenant.faults(slow)
        daemon = await worker.daemon()
        await asyncio.sleep(draw.uniform(0.0, 0.3))
        await daemon.kill()
        await tenant.faults()
        while (await (await worker.start("run", "--once")).wait(60)).code == 3:
            pass  # one look more
        assert await tenant.effects() == wanted, seed
        assert await worker.states() == {"succeeded": SPOOFS + CLEAN}, seed
        await worker.audit()


async def test_a_kill_asks_for_nothing_twice(make_bench: MakeBench) -> None:
    """The intents are durable, and one list tells which took effect."""
    await asyncio.gather(*(kill_somewhere(make_bench, seed) for seed in range(4)))


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_kills_anywhere_ask_for_nothing_twice(make_bench: MakeBench) -> None:
    """The same, two hundred times."""
    for first in range(0, 200, 4):
        await asyncio.gather(*(kill_somewhere(make_bench, seed) for seed in range(first, first + 4)))


async def test_nobody_asks_for_what_nobody_wants(worker: Bench, tenant: Tenant) -> None:
    """Without a playbook on submissions they are not listed."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    assert not [one for one in await tenant.requests() if "submissions" in one["path"]]
