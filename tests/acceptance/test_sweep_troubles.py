"""Sweeps where something is odd: refused searches, jobs that nobody can ask for, shared lists, a short retention."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.intruder import Forward, Intruder, Reply, open_intruder
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

MALLORY = {"from": "mallory@evil.example"}
HASH = "4a1f" * 16
TENANT = {"job_delay": 0.2}
WORKER = {"WORKER_SWEEP_JOB_OVER": "3", "WORKER_READ_BACK_DELAY": "1", "WORKER_DRAIN_TIMEOUT": "10"}
"""A job is asked for where more than three siblings can go with it, and begins soon."""
NO_ROUTE = (
    b'{"success":false,"errors":[{"code":7003,"message":"Could not route"}],"messages":[],"result":null}'
)


def sweeps(*by: str, mode: str = "enforce") -> str:
    """A playbook that sweeps for the siblings of confirmed mail, once for each criterion."""
    wanted = (
        f'Sweep(message, by=["{one}"], then=Move(message, to="JunkEmail"), reason="test")' for one in by
    )
    return rules.rule('message.subject == "CONFIRMED"', f"[{', '.join(wanted)}]", name="kit", mode=mode)


async def mail(tenant: Tenant) -> list[str]:
    """A confirmed message and five siblings."""
    seed = await tenant.mail("MALICIOUS", subject="CONFIRMED", edf_hash=HASH, **MALLORY)
    return seed + await tenant.mail(*["SPAM"] * 5, edf_hash=HASH, **MALLORY)


@pytest.mark.parametrize("job_id", ["..", ""])
async def test_a_job_that_nobody_can_ask_for_ends_no_worker(
    worker: Bench, tenant: Tenant, job_id: str
) -> None:
    """Its calls stay in doubt, and all else goes on."""
    worker.rule("rule", sweeps("sender"))
    worker.rule("junk", rules.on_verdict("SPOOF", rules.to("JunkEmail"), name="junk"))

    async def odd(_: web.Request, forward: Forward) -> Reply:
        answer = await forward()
        told = answer.json
        for row in told["result"]:
            row["job_id"] = job_id
        return answer.saying(told)

    async with open_intruder(tenant) as intruder:
        worker.env["CLOUDFLARE_BASE_URL"] = intruder.base_url
        intruder.lie("GET", "/investigate/bulk", odd)
        await mail(tenant)
        daemon = await worker.daemon()
        await daemon.until("job.unseen", times=2)
        await tenant.mail("SPOOF")
        await daemon.until("action.finished")
        intruder.honest()
        await daemon.until("job.settled", patience=30)
        assert (await daemon.stop()).code == 0


async def test_two_campaigns_that_share_a_list_run_the_right_job(worker: Bench, tenant: Tenant) -> None:
    """The job searches by what its own campaign goes by; what the other one found there goes with it."""
    worker.rule("rule", sweeps("edf_hash", "sender", mode="approve"))
    messages = await mail(tenant)
    await worker.once()
    held = [row["id"] for row in await worker.actions(kind="move", state="held")]
    await worker.run("actions", "approve", *held)
    await worker.once()
    assert {await tenant.folder(one) for one in messages} == {"JunkEmail"}


async def test_no_job_where_its_search_shows_strangers(worker: Bench, tenant: Tenant) -> None:
    """The vendor's filter finds the address in the envelope too: who only has it there is no sibling."""
    worker.rule("rule", sweeps("sender"))
    messages = await mail(tenant)
    strangers = await tenant.mail(
        *["SPAM"] * 3, **{"from": "news@partner.example", "envelope_from": "mallory@evil.example"}
    )
    await worker.once()
    assert {await tenant.folder(one) for one in messages} == {"JunkEmail"}
    assert {await tenant.folder(one) for one in strangers} == {"Inbox"}


async def test_a_search_that_found_no_route_is_made_again(
    bench: Bench, tenant: Tenant, intruder: Intruder
) -> None:
    """A gateway in trouble gives up no campaign, and the confirmed message is moved as soon as it is over."""
    bench.rule("rule", sweeps("edf_hash"))
    messages = await mail(tenant)

    async def lost(request: web.Request, forward: Forward) -> Reply:
        start = datetime.fromisoformat(request.query["start"])
        is_poll = (datetime.now(UTC) - start).days < 3
        return await forward() if is_poll else Reply(404, NO_ROUTE)

    intruder.lie("GET", "/investigate", lost)
    await bench.once()
    (campaign,) = await bench.ask("campaigns", "list", "--json")
    assert campaign["state"] == "searching"
    intruder.honest()
    await bench.once()
    assert {await tenant.folder(one) for one in messages} == {"JunkEmail"}


async def test_a_retention_shorter_than_a_window_takes_nothing_from_it(worker: Bench, tenant: Tenant) -> None:
    """Three days later, of seven: the campaign still knows what its siblings have in common, and catches late ones."""
    worker.env["WORKER_RETENTION_DAYS"] = "2"
    worker.rule("rule", sweeps("edf_hash"))
    await tenant.mail("MALICIOUS", subject="CONFIRMED", edf_hash=HASH)
    await worker.once()
    with closing(sqlite3.connect(worker.database)) as conn, conn:
        for table, columns in (
            ("actions", ("created_at", "updated_at", "submitted_at")),
            ("decisions", ("decided_at",)),
            ("polls", ("opened_at", "closed_at")),
            ("campaigns", ("began_at", "frozen_at", "until", "since")),
        ):
            aged = ", ".join(f"{name} = {name} - 259200" for name in columns)
            conn.execute(f"UPDATE {table} SET {aged}")  # noqa: S608 - names of this test
        conn.execute("DELETE FROM settings WHERE name LIKE '%retention%'")
    for _ in range(2):
        await worker.once()
    (late,) = await tenant.mail("SPAM", edf_hash=HASH)
    await worker.once()
    assert await tenant.folder(late) == "JunkEmail"


async def test_a_late_sibling_waits_for_a_file_that_is_broken(worker: Bench, tenant: Tenant) -> None:
    """Nobody speaks for the campaign meanwhile; once the file is mended, what came in is moved after all."""
    worker.rule("rule", sweeps("edf_hash"))
    await mail(tenant)
    await worker.once()
    worker.rule("other", rules.on_verdict("SPOOF", rules.to("JunkEmail"), name="other"))
    worker.rule("rule", sweeps("edf_hash") + "\nthis is no Python\n")
    (late,) = await tenant.mail("SPAM", edf_hash=HASH)
    await worker.once()
    assert await tenant.folder(late) == "Inbox"
    worker.rule("rule", sweeps("edf_hash"))
    await worker.once()
    assert await tenant.folder(late) == "JunkEmail"
