"""At 03:00: what the commands say where something is not as whoever types them believes."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.disks import small_volume
from tests.acceptance.intruder import Forward, Reply, open_intruder
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


@pytest.fixture(autouse=True)
def _playbook(worker: Bench) -> None:
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk"))


async def test_a_pause_says_where_no_worker_runs(worker: Bench) -> None:
    """Typed in another folder it would stop nothing; with the worker there is nothing more to say."""
    told = await worker.run("pause", "--reason", "03:00")
    assert told.code == 0
    assert told.out.startswith("paused: nothing new is sent")
    assert f"no worker runs on {worker.database} now" in told.out
    daemon = await worker.daemon()
    assert "no worker runs" not in (await worker.run("pause")).out
    await daemon.stop()


async def test_doctor_misses_a_database_that_is_gone(worker: Bench, tenant: Tenant) -> None:
    """Before the first start there is none, and that is well; afterwards it is not."""
    await tenant.mail("MALICIOUS")
    assert "does not exist yet; `worker run` makes it" in (await worker.run("doctor")).out
    await worker.once()
    for suffix in ("", "-wal", "-shm"):
        worker.database.with_name(worker.database.name + suffix).unlink(missing_ok=True)
    told = await worker.run("doctor")
    assert told.code == 1
    assert re.search(r"PROBLEM +database .* is gone, but had \d+ audit records; restore a backup", told.out)
    refused = await worker.run("run", "--once")
    assert refused.code == 2
    told = await worker.run("doctor")
    assert told.code == 1
    assert re.search(r"PROBLEM +database .* is empty or gone, but it had \d+ audit records", told.out)


async def test_doctor_misses_what_was_in_a_database(worker: Bench, tenant: Tenant) -> None:
    """Emptied, as by a wrong redirection, it reads well; so does an older copy, which is no fault, and said."""
    await tenant.mail("MALICIOUS")
    await worker.once()
    assert (await worker.run("backup", "copy")).code == 0
    worker.rule("more", rules.on_verdict("MALICIOUS", rules.to("DeletedItems"), name="more", mode="approve"))
    await tenant.mail("MALICIOUS")
    await worker.once()
    for suffix in ("-wal", "-shm"):
        worker.database.with_name(worker.database.name + suffix).unlink(missing_ok=True)
    worker.database.write_bytes((worker.folder / "copy").read_bytes())
    told = await worker.run("doctor")
    assert told.code == 0, told
    assert "every page reads well; it is older than what ran here last, which had" in told.out
    worker.database.write_bytes(b"")
    told = await worker.run("doctor")
    assert told.code == 1
    assert re.search(r"PROBLEM +database .* is empty or gone, but it had \d+ audit records", told.out)


async def test_what_doctor_asks_counts_as_the_daemons_own(worker: Bench, tenant: Tenant) -> None:
    """The budget is everybody's on that ledger: where it is used up, doctor asks nothing either, and says so."""
    worker.env["WORKER_REQUEST_BUDGET"] = "20"
    await worker.once()
    for _ in range(4):
        await worker.run("doctor")
    told = await worker.run("doctor")
    assert told.code == 1
    assert "not asked: the budget of 20 requests in 300 s is used up; try again in" in told.out
    assert "WORKER_NOTIFY_URL is not set" in told.out
    sent = len(await tenant.requests())
    assert 10 <= sent <= (await worker.status())["budget"]["used"] <= 20


async def test_doctor_does_not_ask_whom_a_429_protects(worker: Bench, tenant: Tenant) -> None:
    """Everybody waits for its end."""

    async def too_many(_: web.Request, __: Forward) -> Reply:
        return Reply(429, b"", {"Retry-After": "60"})

    async with open_intruder(tenant) as intruder:
        worker.env["CLOUDFLARE_BASE_URL"] = intruder.base_url
        intruder.lie("GET", "/investigate", too_many)
        daemon = await worker.daemon()
        await daemon.until("rate.limited")
        intruder.honest()
        sent = len(intruder.seen)
        told = await worker.run("doctor")
        assert (told.code, len(intruder.seen)) == (1, sent)
        await daemon.kill()
    assert re.search(r"vendor +not asked: it has answered 429 and wants no request for \d+ s more", told.out)


async def test_doctor_sees_that_the_disk_is_nearly_full(worker: Bench) -> None:
    """Every page reads well there, and nothing can be written."""
    folder = worker.folder / "volume"
    folder.mkdir()
    with small_volume(folder):
        worker.env["WORKER_DATABASE_URL"] = f"sqlite:///{folder / 'worker.db'}"
        await worker.once()
        told = await worker.run("doctor")
    assert told.code == 1
    assert re.search(r"PROBLEM +database .*: only \d MB are left on its volume; free space there", told.out)


async def test_an_undo_of_a_playbook_that_nobody_knows_is_no_undo(worker: Bench, tenant: Tenant) -> None:
    """A slip in its name would read as if it had done nothing."""
    await tenant.mail("MALICIOUS")
    await worker.once()
    told = await worker.run("undo", "--playbook", "jnuk", "--since", "2h")
    assert (told.code, told.out) == (2, "")
    assert "no playbook jnuk ever wanted anything" in told.err
    told = await worker.run("undo", "--playbook", "junk", "--since", "2h", "--dry-run")
    assert told.code == 0
    assert "planned 1 ready" in told.out


async def test_a_copy_that_is_cut_off_is_named(worker: Bench) -> None:
    """And not the database, which is whole."""
    await worker.once()
    copy = worker.folder / "copy.backup"
    assert (await worker.run("backup", str(copy))).code == 0
    copy.write_bytes(copy.read_bytes()[:20_000])
    told = await worker.run("restore", str(copy))
    assert told.code == 1
    assert f"{copy}: this copy is damaged" in told.err
    assert "restore from another one" in told.err
    assert "stop the worker" not in told.err


async def test_a_copy_that_somebody_holds_is_not_called_damaged(worker: Bench) -> None:
    """It waits, and nobody looks for another one."""
    await worker.once()
    copy = worker.folder / "copy.backup"
    assert (await worker.run("backup", str(copy))).code == 0
    with closing(sqlite3.connect(copy, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("PRAGMA journal_mode=DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        told = await worker.run("restore", str(copy))
    assert told.code == 1
    assert "another process holds it; end that process or wait" in told.err
    assert "damaged" not in told.err


@pytest.mark.parametrize("command", [(), ("actions",), ("audit",), ("settings",), ("campaigns",)])
async def test_no_help_is_cut_off(worker: Bench, command: tuple[str, ...]) -> None:
    """What a command does is said whole."""
    assert "..." not in (await worker.run(*command, "--help")).out.replace("]...", "")


async def test_a_list_says_what_can_be_undone_and_where_nothing_was_done(
    worker: Bench, tenant: Tenant
) -> None:
    """Of what was only held there is nothing to undo; of a message without actions other records may tell."""
    (done, other) = await tenant.mail("MALICIOUS", "SPAM")
    worker.rule("ask", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="ask", mode="approve"))
    await worker.once()
    rows = {row["message_id"]: row["id"] for row in await worker.actions()}
    table = (await worker.run("actions", "list")).out.splitlines()
    at = table[0].index("UNDO")
    told = {line.split()[0]: line[at:].split()[0] for line in table[1:]}
    assert told == {rows[done]: "possible", rows[other]: "-"}
    unknown = await worker.run("actions", "list", "--message", "nobody's")
    assert (unknown.code, unknown.err) == (
        0,
        "no action on it; `worker audit show --message nobody's` shows what is parked\n",
    )
    filtered = await worker.run("actions", "list", "--message", done, "--state", "held")
    assert (filtered.code, filtered.err) == (0, "")


async def failing(worker: Bench, *expected: str) -> dict[str, str]:
    """Waits until `worker status` names just these sources; why each cannot be read."""
    told: dict[str, str] = {}
    for _ in range(400):
        sources = (await worker.status())["sources"]
        told = {one["source"]: one["error"] for one in sources if one["failing_since"]}
        if list(told) == list(expected):
            return told
        await asyncio.sleep(0.05)
    pytest.fail(f"still failing: {told}")


async def test_status_says_why_a_source_cannot_be_read(worker: Bench, tenant: Tenant) -> None:
    """Since when, and for as long as it lasts: its lag alone could be anything."""
    daemon = await worker.daemon(WORKER_POLL_INTERVAL="1")
    await daemon.until("poll.completed", source="detections")
    healthy = (await worker.status())["sources"]
    assert [(one["failing_since"], one["error"]) for one in healthy] == [(None, None)] * len(healthy)
    await tenant.faults({"on": "list", "kind": "401", "count": 1000})
    await daemon.until("poll.failed", source="detections")
    told = await failing(worker, "detections")
    assert told["detections"].startswith("Unauthorized: ")
    assert "\nfailing   detections cannot be read since 20" in (await worker.run("status")).out
    await daemon.kill()
    await tenant.faults()
    daemon = await worker.daemon(WORKER_POLL_INTERVAL="1")
    await daemon.until("poll.completed", source="detections")
    await failing(worker)
    await daemon.stop()
