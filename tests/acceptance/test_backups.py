"""A backup is whole, a restore keeps what it replaces, and an older ledger repeats nothing that was done since."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import connect
from tests.acceptance.disks import full, read_only, small_volume
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

SEEDS = int(os.environ.get("WORKER_TEST_RESTORES", "25"))
CAPS = "Caps(per_poll=900, per_hour=5000)"
RULES = {
    "junk": rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk", caps=CAPS),
    "release": rules.rule(
        "message.is_quarantined", 'Release(message, reason="t")', name="release", caps=CAPS
    ),
    "ask": rules.on_verdict("SPOOF", 'Reclassify(message, to="NONE", reason="t")', name="ask", caps=CAPS),
}

Expected = dict[tuple[str, str, str], int]
Restore = Callable[[Bench, Path], Awaitable[None]]


async def take_backup(bench: Bench) -> Path:
    """`worker backup`, beside whatever runs."""
    file = bench.folder / "copies" / "ledger.backup"
    file.parent.mkdir(exist_ok=True)
    told = await bench.ask("backup", str(file), "--json", "--force")
    assert told["bytes"] == file.stat().st_size
    assert all(account["broken"] is None for account in told["accounts"])
    return file


async def by_command(bench: Bench, file: Path) -> None:
    """As documented."""
    result = await bench.run("restore", str(file))
    assert result.code == 0, result


async def by_copying(bench: Bench, file: Path) -> None:
    """As people do it: the file is overwritten, nobody is told."""
    shutil.copyfile(file, bench.database)


async def by_renaming(bench: Bench, file: Path) -> None:
    """Another file gets the name; a log of the old one would be left behind after a kill, so it goes too."""
    for suffix in ("", "-wal", "-shm"):
        bench.database.with_name(bench.database.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(file, bench.folder / "restored")
    (bench.folder / "restored").rename(bench.database)


async def by_moving_house(bench: Bench, file: Path) -> None:
    """Nothing but the copy arrives on a new machine."""
    for path in bench.folder.glob("worker.db*"):
        if path.is_file():
            path.unlink()
    shutil.copyfile(file, bench.database)


RESTORES: list[Restore] = [by_command, by_copying, by_renaming, by_moving_house]


async def deliver(tenant: Tenant, count: int = 1) -> Expected:
    """Messages for each kind of action; what should happen to them."""
    junk = await tenant.mail(*["MALICIOUS"] * count)
    ask = await tenant.mail(*["SPOOF"] * count)
    release = await tenant.quarantine(count)
    return (
        {("move", one, "JunkEmail"): 1 for one in junk}
        | {("reclassify", one, "NONE"): 1 for one in ask}
        | {("release", one, ""): 1 for one in release}
    )


def arm(bench: Bench) -> None:
    """Playbooks of every kind."""
    for name, source in RULES.items():
        bench.rule(name, source)


@pytest.mark.parametrize("restore", RESTORES)
async def test_an_old_backup_repeats_nothing(worker: Bench, tenant: Tenant, restore: Restore) -> None:
    """What was open in the copy and done since, and what came since, happened once and happens once."""
    arm(worker)
    before = await deliver(tenant, 2)
    await worker.once()
    assert (await worker.run("pause")).code == 0
    daemon = await worker.daemon()
    open_then = await deliver(tenant, 3)
    await daemon.until("plan.closed", times=3)
    file = await take_backup(worker)
    assert (await worker.run("resume")).code == 0
    await daemon.until("action.finished", times=len(open_then))
    since = await deliver(tenant, 3)
    await daemon.until("action.finished", times=len(open_then) + len(since))
    assert (await daemon.stop()).code == 0
    done = await tenant.effects()
    assert done == before | open_then | since
    sent = len(await tenant.requests("POST"))
    await restore(worker, file)
    new = await deliver(tenant)
    told = [event["event.action"] for event in (await worker.once()).events]
    assert ("ledger.restored" in told) == (restore is not by_command)
    await worker.run("resume")  # the copy was made during a pause
    await worker.once()
    (held,) = await worker.actions(state="held")
    assert (held["kind"], "the database was restored" in held["error"]) == ("release", True)
    waiting = ("release", held["message_id"], "")
    assert await tenant.effects() == {one: 1 for one in done | new if one != waiting}
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await tenant.effects() == done | new
    # What was released since is in no quarantine any more: no playbook asks for it again.
    known = {one for one in done if one in open_then or (one in since and one[0] != "release")}
    assert await worker.states() == {"succeeded": len(before | new), "skipped": len(known)}
    assert len(await tenant.requests("POST")) == sent + len(new)
    assert "restored" in {record["kind"] for record in await worker.audit()}


async def test_a_restored_release_that_was_never_sent_waits_for_a_person(
    worker: Bench, tenant: Tenant
) -> None:
    """Nothing shows that it was done, nothing proves that it was not; the others go on by themselves."""
    arm(worker)
    assert (await worker.run("pause")).code == 0
    expected = await deliver(tenant)
    await worker.once()
    file = await take_backup(worker)
    await by_command(worker, file)
    assert (await worker.run("resume")).code == 0
    await worker.once()
    assert await worker.states() == {"succeeded": 2, "held": 1}
    (held,) = await worker.actions(state="held")
    assert held["kind"] == "release"
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await tenant.effects() == expected


async def test_a_brake_pulled_after_the_backup_holds_after_the_restore(worker: Bench, tenant: Tenant) -> None:
    """Whoever paused meant it until they say otherwise."""
    arm(worker)
    await worker.once()
    file = await take_backup(worker)
    assert (await worker.run("pause", "--reason", "ann looks")).code == 0
    result = await worker.run("restore", str(file))
    assert "paused, as the replaced database was" in result.out
    await tenant.mail("MALICIOUS")
    await worker.once()
    assert await tenant.requests("POST") == []
    assert (await worker.status())["pause"]["reason"] == "ann looks"


@pytest.mark.parametrize(
    "seed", [1, 2, *(pytest.param(n, marks=pytest.mark.soak) for n in range(3, 3 + SEEDS))]
)
@pytest.mark.slow
async def test_restored_at_random(bench: Bench, seed: int) -> None:
    """A copy of any moment after a plan, put back in any way after any end: nothing is done twice or lost."""
    chance = random.Random(seed)
    async with open_tenant(seed=seed, latency=0.01, limit=5000) as tenant:
        connect(bench, tenant)
        bench.env["WORKER_REQUEST_BUDGET"] = "5000"
        arm(bench)
        expected = await deliver(tenant, 20)
        for _ in range(2):
            await tenant.faults(
                *(
                    {"on": on, "kind": "drop", "after": True, "probability": 0.1}
                    for on in ("release", "reclassify")
                )
            )
            daemon = await bench.daemon(WORKER_MOVE_BATCH="5")
            expected |= await deliver(tenant, 10)
            # A copy with nothing in it is refused where something was.
            await daemon.until("plan.closed")
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            file = await take_backup(bench)
            expected |= await deliver(tenant, 5)
            await asyncio.sleep(chance.uniform(0.0, 1.5))
            await (daemon.kill() if chance.random() < 0.5 else daemon.stop())
            await tenant.faults()
            await chance.choice([by_command, by_renaming, by_moving_house])(bench, file)
        for _ in range(3):
            result = await (await bench.start("run", "--once")).wait(40)
            assert result.code in (0, 3), result
        effects = await tenant.effects()
        assert set(effects.values()) == {1}, (
            f"seed {seed}: repeated: {[one for one in effects if effects[one] > 1]}"
        )
        rows = {(row["kind"], row["message_id"]): row["state"] for row in await bench.actions()}
        waiting = {("release", one) for one in rows if rows[one] in ("held", "unknown")}
        missing = expected.keys() - effects.keys()
        assert {kind for kind, _, _ in missing} <= {"release"}, f"seed {seed}: lost: {missing}"
        assert len(missing) <= len(waiting), f"seed {seed}: lost: {missing}"
        await bench.audit()


async def test_a_backup_is_private_whole_and_replaces_nothing_unasked(worker: Bench, tenant: Tenant) -> None:
    """Beside a busy worker: mode 0600, one file without a log, and what is there stays."""
    arm(worker)
    await deliver(tenant, 50)
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=5)
    file = worker.folder / "ledger.backup"
    result = await worker.run("backup", str(file))
    assert (result.code, result.err) == (0, "")
    assert "audit records, intact" in result.out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in worker.folder.glob("ledger.backup*")] == ["ledger.backup"]
    with closing(sqlite3.connect(file)) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    whole = file.read_bytes()
    again = await worker.run("backup", str(file))
    assert (again.code, again.err.count("--force")) == (2, 1)
    pipe = worker.folder / "pipe"
    os.mkfifo(pipe)
    again = await worker.run("backup", str(pipe), "--force")
    assert (again.code, "is a device or a pipe" in again.err, pipe.is_fifo()) == (2, True, True)
    assert file.read_bytes() == whole
    assert (await worker.run("backup", str(file), "--force")).code == 0
    assert (await worker.run("backup", str(worker.database), "--force")).code == 2
    assert (await worker.run("backup", str(worker.folder / "nowhere" / "x"))).code == 2
    await daemon.stop()
    await worker.audit()


async def test_a_backup_without_room_is_the_copys_trouble(worker: Bench) -> None:
    """Nothing is wrong with the database, and nobody has to wait for anything."""
    assert (await worker.run("pause")).code == 0
    folder = worker.folder / "volume"
    folder.mkdir()
    with small_volume(folder, megabytes=1), full(folder):
        told = await worker.run("backup", str(folder / "copy"))
        assert (told.code, told.err.count("\n")) == (2, 1)
        assert "volume/copy: " in told.err
        assert "WORKER_DATABASE_URL" not in told.err
    with read_only(folder):
        told = await worker.run("backup", str(folder / "copy"))
        assert (told.code, "Read-only file system; name a place" in told.err) == (2, True)


async def test_a_restore_keeps_what_it_replaces(worker: Bench, tenant: Tenant) -> None:
    """Under a name that says when; never beside a running worker."""
    arm(worker)
    await deliver(tenant)
    await worker.once()
    file = await take_backup(worker)
    await deliver(tenant)
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=3)
    records = await worker.audit()
    refused = await worker.run("restore", str(file))
    assert refused.code == 2
    assert f"in use by process {daemon.pid}" in refused.err
    await daemon.kill()
    done = await worker.ask("restore", str(file), "--json")
    kept = worker.folder / done["kept"]
    assert stat.S_IMODE(worker.database.stat().st_mode) == 0o600
    assert len(await worker.audit()) < len(records)
    exported = await worker.run("audit", "export", WORKER_DATABASE_URL=f"sqlite:///{kept}")
    assert exported.out.count("\n") == len(records)
    assert not list(worker.folder.glob("*.restoring*"))


def garbage(file: Path) -> None:
    """It is no database at all."""
    file.write_text("this is a letter " * 1000)


def bad_page(file: Path) -> None:
    """One page in its middle was overwritten."""
    with file.open("r+b") as handle:
        handle.seek(file.stat().st_size // 8192 * 4096)
        handle.write(os.urandom(4096))


def tampered(file: Path) -> None:
    """Somebody changed what its audit log says."""
    with closing(sqlite3.connect(file)) as copy, copy:
        copy.execute("UPDATE audit SET body = replace(body, 'JunkEmail', 'Inbox')")


@pytest.mark.parametrize(
    "damage, code, told", [(garbage, 1, "not a database"), (bad_page, 1, "damaged"), (tampered, 1, "--force")]
)
async def test_a_bad_copy_is_refused(
    worker: Bench, tenant: Tenant, damage: Callable[[Path], None], code: int, told: str
) -> None:
    """Before anything is touched; the database that was to be replaced still works."""
    arm(worker)
    await deliver(tenant)
    await worker.once()
    records = await worker.audit()
    file = await take_backup(worker)
    damage(file)
    refused = await worker.run("restore", str(file))
    assert (refused.code, refused.err.count("\n")) == (code, 1)
    assert told in refused.err
    assert await worker.audit() == records


async def test_a_ledger_that_is_gone_is_not_begun_anew(worker: Bench, tenant: Tenant) -> None:
    """A worker that finds no ledger where one was would do everything of the last day again."""
    arm(worker)
    await deliver(tenant)
    await worker.once()
    file = await take_backup(worker)
    sent = len(await tenant.requests("POST"))
    worker.database.unlink()
    result = await worker.run("run", "--once")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "audit records: restore a backup, `worker restore FILE`" in result.err
    await by_command(worker, file)
    await worker.once()
    assert len(await tenant.requests("POST")) == sent
