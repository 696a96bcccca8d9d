"""A large sweep as one bulk job of the vendor: created once, found again, stopped where it grows, settled by its rows."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, ago, open_tenant

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

MALLORY = {"from": "mallory@evil.example"}
TENANT = {"job_delay": 0.2}
WORKER = {"WORKER_SWEEP_JOB_OVER": "3", "WORKER_READ_BACK_DELAY": "1", "WORKER_DRAIN_TIMEOUT": "10"}
"""A job is asked for where more than three siblings can go with it, and begins soon."""


@pytest.fixture
def worker(worker: Bench) -> Bench:
    """With a playbook that sweeps."""
    action = 'Sweep(message, by=["sender"], then=Move(message, to="JunkEmail"), reason="test")'
    worker.rule("rule", rules.rule('message.subject == "CONFIRMED"', action, name="kit"))
    return worker


async def mail(tenant: Tenant, count: int = 6, **fields: Any) -> list[str]:
    """A confirmed message and its siblings."""
    siblings = await tenant.mail(*["SPAM"] * count, **MALLORY, **fields)
    return [*await tenant.mail("MALICIOUS", subject="CONFIRMED", **MALLORY), *siblings]


async def posts(tenant: Tenant) -> Counter[str]:
    """What was asked for that changes something."""
    return Counter(one["path"].rpartition("/email-security/")[2] for one in await tenant.requests("POST"))


async def test_one_request_for_all_of_them(worker: Bench, tenant: Tenant) -> None:
    """Each is settled by the job's own row, in the ledger as in the mailboxes, and can be undone like any move."""
    messages = await mail(tenant)
    (missed,) = await tenant.mail("NONE", **MALLORY)
    await worker.once()
    assert await posts(tenant) == {"investigate/bulk": 1}
    assert await tenant.effects("move") == {("move", one, "JunkEmail"): 1 for one in messages}
    (campaign,) = await worker.ask("campaigns", "list", "--json")
    assert campaign["actions"] == {"succeeded": 7, "held": 1}
    assert await tenant.folder(missed) == "Inbox"
    assert (await worker.run("undo", campaign["id"])).code == 0
    await worker.once()
    assert {await tenant.folder(one) for one in messages} == {"Inbox"}


@pytest.mark.parametrize("after", [True, False])
async def test_a_lost_answer_never_makes_a_second_job(worker: Bench, tenant: Tenant, after: bool) -> None:
    """Found by the call's id in its comment; where there is none, the messages go by their ids."""
    messages = await mail(tenant)
    await tenant.faults({"on": "job_create", "kind": "drop", "after": after, "count": 1})
    await worker.once()
    asked = await posts(tenant)
    assert asked.pop("investigate/bulk") == 1
    assert asked == ({} if after else {"investigate/move": 1})
    assert await tenant.effects("move") == {("move", one, "JunkEmail"): 1 for one in messages}
    assert {row["state"] for row in await worker.actions(kind="move")} == {"succeeded"}
    (intent, *_) = [one for one in await worker.audit() if one["kind"] == "intent"]
    (job,) = (await tenant.person("GET", "investigate/bulk")) or [{"comment": "none"}]
    assert after is (intent["call_id"] in job["comment"])


async def test_what_a_job_failed_at_is_named(worker: Bench, tenant: Tenant) -> None:
    """One mailbox of two refused: failed, with its name, as from any move."""
    both = ["ann@corp.example", "bob@corp.example"]
    await mail(tenant, 4, client_recipients=both)
    await tenant.faults({"on": "job_create", "kind": "partial", "recipients": ["bob@corp.example"]})
    await worker.once()
    failed = [row for row in await worker.actions(kind="move") if row["state"] == "failed"]
    assert len(failed) == 4
    assert all("not for bob@corp.example" in row["error"] for row in failed)


async def test_a_job_that_finds_more_is_cancelled(make_bench: MakeBench) -> None:
    """What came into its search after the list was frozen stops it; what was frozen goes by its ids."""
    async with open_tenant(job_delay=3.0, job_rate=0.5) as slow:
        bench = make_bench()
        connect(bench, slow)
        bench.env |= WORKER
        action = 'Sweep(message, by=["sender"], then=Move(message, to="JunkEmail"), reason="test")'
        bench.rule("rule", rules.rule('message.subject == "CONFIRMED"', action, name="kit"))
        messages = await mail(slow)
        process = await bench.daemon()
        await process.until("call.answered", kind="move")
        hidden = await hide(slow, 20)
        await process.until("job.cancelled", patience=40)
        await process.until("job.settled", patience=40)
        await process.until("action.finished", times=1, patience=40)
        await process.stop()
        await bench.once()
        assert {await slow.folder(one) for one in messages} == {"JunkEmail"}
        moved = [one for one in hidden if await slow.folder(one) != "Inbox"]
        assert len(moved) < len(hidden)
        assert (await posts(slow))["investigate/bulk"] == 1


async def test_a_job_that_a_single_run_does_not_wait_for_is_named(make_bench: MakeBench) -> None:
    """The vendor goes on with it; whoever typed the command learns that it is not over."""
    async with open_tenant(job_delay=30.0) as slow:
        bench = make_bench()
        connect(bench, slow)
        bench.env |= WORKER | {"WORKER_READ_BACK_DELAY": "0.3", "WORKER_DRAIN_TIMEOUT": "0.3"}
        action = 'Sweep(message, by=["sender"], then=Move(message, to="JunkEmail"), reason="test")'
        bench.rule("rule", rules.rule('message.subject == "CONFIRMED"', action, name="kit"))
        count = len(await mail(slow))
        told = await bench.once()
    assert told.err.startswith(f"worker: run --once: {count} actions are under way, in a bulk job or")


async def hide(tenant: Tenant, count: int) -> list[str]:
    """Mail of the same sender, scanned before, that the list did not show yet; benign until the job looks."""
    early = ago(3600.0, time.time())
    return await tenant.mail(*["SPAM"] * count, **MALLORY, scanned_at=early, sent_at=early)


async def test_a_fingerprint_is_nothing_that_a_job_can_search_for(worker: Bench, tenant: Tenant) -> None:
    """The vendor's search has no hashes: however many there are, they go by their ids."""
    action = 'Sweep(message, by=["edf_hash"], then=Move(message, to="JunkEmail"), reason="test")'
    worker.rule("rule", rules.rule('message.subject == "CONFIRMED"', action, name="kit"))
    await mail(tenant, edf_hash="4a1f" * 16)
    await worker.once()
    assert "investigate/bulk" not in await posts(tenant)


async def test_a_job_outlives_the_worker(worker: Bench, tenant: Tenant) -> None:
    """Killed while the vendor works: the next start finds the job and settles it; nothing is asked for again."""
    messages = await mail(tenant)
    process = await worker.daemon()
    await process.until("call.submitted", kind="move")
    await process.kill()
    await worker.once()
    await worker.once()
    assert (await posts(tenant))["investigate/bulk"] <= 1
    assert await tenant.effects("move") == {("move", one, "JunkEmail"): 1 for one in messages}
    assert {row["state"] for row in await worker.actions(kind="move")} == {"succeeded"}
