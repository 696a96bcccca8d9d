"""A database that cannot be written stops the actions, not the worker; one that cannot be trusted stops everything."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar

from tests.acceptance import disks, rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.conftest import connect
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

HTTP = "127.0.0.1:0"
ALL_KINDS = {"junk": rules.JUNK, "release": rules.RELEASE, "reclassify": rules.RECLASSIFY}


async def readiness(daemon: Process) -> tuple[int, dict[str, Any]]:
    """What /readyz says."""
    (listening,) = daemon.events("health.listening")
    url = f"http://127.0.0.1:{listening['worker.port']}/readyz"
    async with ClientSession(cookie_jar=DummyCookieJar()) as session, session.get(url) as answer:
        return answer.status, await answer.json()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def deliver(tenant: Tenant) -> dict[tuple[str, str, str], int]:
    """One message for each kind of action; what should happen to them, once each."""
    junk, ask = await tenant.mail("MALICIOUS", "SPOOF")
    (release,) = await tenant.quarantine()
    return {("move", junk, "JunkEmail"): 1, ("reclassify", ask, "NONE"): 1, ("release", release, ""): 1}


async def prepare(bench: Bench, tenant: Tenant) -> Process:
    """A daemon with playbooks of every kind that has polled twice and has something in its log."""
    connect(bench, tenant)
    for name, source in ALL_KINDS.items():
        bench.rule(name, source)
    daemon = await bench.daemon(WORKER_HTTP_BIND=HTTP)
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished")
    return daemon


async def suffers(daemon: Process, tenant: Tenant, reason: str) -> dict[tuple[str, str, str], int]:
    """Mail arrives while the database takes no write: nothing is sent, and /readyz says why. What should happen later."""
    before = await tenant.effects()
    sent = len(await tenant.requests("POST"))
    expected = await deliver(tenant)
    await daemon.until("store.unavailable")
    status, body = await readiness(daemon)
    assert (status, body["ready"], body["checks"]["database"]) == (503, False, False)
    assert reason in body["reasons"]["database"]
    assert len(await tenant.requests("POST")) == sent
    return dict(before) | expected


async def recovers(
    bench: Bench, daemon: Process, tenant: Tenant, expected: dict[tuple[str, str, str], int]
) -> None:
    """Without a restart everything is done once, /readyz is 200 again, and each of the two was told once."""
    await daemon.until("store.recovered")
    await daemon.until("action.finished", times=len(expected))
    assert (await readiness(daemon))[0] == 200
    told = [line["event.action"] for line in daemon.events() if line["event.action"].startswith("store.")]
    assert [one for one in told if one != "store.migrated"] == ["store.unavailable", "store.recovered"]
    assert not daemon.events("poll.failed")
    assert not daemon.events("task.failed")
    assert (await daemon.stop()).code == 0
    await balance(bench, tenant, expected)


async def balance(bench: Bench, tenant: Tenant, expected: dict[tuple[str, str, str], int]) -> None:
    """Every effect once, and no request without an intent."""
    assert await tenant.effects() == expected
    intents = [record for record in await bench.audit() if record["kind"] == "intent"]
    assert len(intents) == len(await tenant.requests("POST"))


async def test_full_disk(bench: Bench, tenant: Tenant) -> None:
    """No room on the volume: actions stop, and go on when there is room."""
    folder = bench.folder / "volume"
    with disks.small_volume(folder):
        bench.env["WORKER_DATABASE_URL"] = f"sqlite:///{folder / 'worker.db'}"
        daemon = await prepare(bench, tenant)
        with disks.full(folder):
            expected = await suffers(daemon, tenant, "disk is full; free space")
        await recovers(bench, daemon, tenant, expected)


async def test_over_quota(bench: Bench, tenant: Tenant) -> None:
    """Writes that the system refuses for another reason than a full disk do the same."""
    daemon = await prepare(bench, tenant)
    with disks.no_file_may_grow(daemon.pid, bench.database):
        expected = await suffers(daemon, tenant, "disk I/O error")
    await recovers(bench, daemon, tenant, expected)


async def test_locked(bench: Bench, tenant: Tenant) -> None:
    """Another process holds the database for longer than our patience: as above."""
    daemon = await prepare(bench, tenant)
    with locked(bench.database):
        expected = await suffers(daemon, tenant, "database is locked; another process holds it")
    await recovers(bench, daemon, tenant, expected)


@pytest.mark.slow
async def test_volume_turned_read_only(bench: Bench, tenant: Tenant) -> None:
    """A disk that fails stops the actions; after a repair and a restart everything is done once."""
    folder, image = bench.folder / "volume", bench.folder / "image"
    bench.env["WORKER_DATABASE_URL"] = f"sqlite:///{folder / 'worker.db'}"
    with disks.disk(image, folder):
        daemon = await prepare(bench, tenant)
        disks.turn_read_only(folder)
        expected = await suffers(daemon, tenant, "database: ")
        await daemon.kill()
    with disks.disk(image, folder):
        await bench.once()
        await balance(bench, tenant, expected)


async def test_a_read_only_folder_is_refused_at_start(worker: Bench, tenant: Tenant) -> None:
    """One line that names what cannot be written, exit code 2, and not a request; commands say so too."""
    folder = worker.folder / "volume"
    worker.env["WORKER_DATABASE_URL"] = f"sqlite:///{folder / 'worker.db'}"
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once()
    (message,) = await tenant.mail("MALICIOUS")
    asked = len(await tenant.requests())
    with disks.read_only(folder):
        for command, code in (("run", 2), ("pause", 1)):
            result = await worker.run(command)
            assert (result.code, result.err.count("\n")) == (code, 1), result
            assert "writable for this user" in result.err
    assert len(await tenant.requests()) == asked
    await worker.once()
    assert (await tenant.effects())["move", message, "JunkEmail"] == 1


def delete(database: Path) -> None:
    """Somebody removes the database, as a cleaning job would."""
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink()


def delete_main(database: Path) -> None:
    """The log is left behind."""
    database.unlink()


def delete_log(database: Path) -> None:
    """Somebody takes the log for a leftover: most of what was committed is in it."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink()


def replace(database: Path) -> None:
    """Somebody renames another database over it."""
    other = database.with_name("other.db")
    shutil.copyfile(database, other)
    other.rename(database)


@pytest.mark.parametrize("damage", [delete, delete_main, delete_log, replace])
async def test_deleted_under_the_worker(bench: Bench, tenant: Tenant, damage: Callable[[Path], None]) -> None:
    """What the open connection still holds is written anew before anything else is done: nothing lost or repeated."""
    daemon = await prepare(bench, tenant)
    before = await tenant.effects()
    held = (await bench.audit())[-1]
    damage(bench.database)
    await daemon.until("store.unavailable")
    (told,) = daemon.events("store.unavailable")
    assert "deleted or replaced under the worker" in told["error.message"]
    assert "written anew" in told["error.message"]
    assert (await readiness(daemon))[0] == 503
    expected = dict(before) | await deliver(tenant)
    await daemon.until("action.finished", times=len(expected))
    assert held in await bench.audit()
    await recovers(bench, daemon, tenant, expected)


async def test_another_worker_in_its_place_is_left_alone(bench: Bench, tenant: Tenant) -> None:
    """Where the lock is gone too, what lies there may be another worker's: this one stops acting for good."""
    daemon = await prepare(bench, tenant)
    delete(bench.database)
    lock = bench.database.with_name("worker.db.lock")
    lock.unlink()
    lock.touch()
    await daemon.until("store.unavailable")
    sent = len(await tenant.requests("POST"))
    await deliver(tenant)
    assert "so is its lock" in (await readiness(daemon))[1]["reasons"]["database"]
    assert not bench.database.exists()
    assert len(await tenant.requests("POST")) == sent


def garbage_header(database: Path) -> None:
    """The first bytes are something else."""
    with database.open("r+b") as file:
        file.write(b"\0" * 100)


def letter(database: Path) -> None:
    """It is another kind of file."""
    database.write_text("Dear Ann, this is not a database. " * 1000)


def truncated(database: Path) -> None:
    """Its second half is missing."""
    os.truncate(database, database.stat().st_size // 8192 * 4096)


def bad_page(database: Path) -> None:
    """One page in its middle was overwritten."""
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 8192 * 4096)
        file.write(os.urandom(4096))


@pytest.mark.parametrize("damage", [garbage_header, letter, truncated, bad_page])
async def test_a_corrupt_file_is_refused(
    worker: Bench, tenant: Tenant, damage: Callable[[Path], None]
) -> None:
    """One line that says what to do, exit code 2, and not a request."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once()
    damage(worker.database)
    asked = len(await tenant.requests())
    result = await worker.run("run")
    assert result.code == 2
    assert result.err.startswith("worker: WORKER_DATABASE_URL: ")
    assert result.err.count("\n") == 1
    assert "restore a backup: `worker restore FILE`" in result.err
    assert len(await tenant.requests()) == asked


async def test_corruption_found_while_running(bench: Bench, tenant: Tenant) -> None:
    """Nothing is done on half a ledger: actions stop for good, and it is said once."""
    daemon = await prepare(bench, tenant)
    with closing(sqlite3.connect(bench.database, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        size = bench.database.stat().st_size
        with bench.database.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(size - 4096))
        # Somebody else's commit makes the daemon read the file's pages again.
        connection.execute("PRAGMA user_version = 7")
    await daemon.until("store.damaged")
    sent = len(await tenant.requests("POST"))
    await deliver(tenant)
    status, body = await readiness(daemon)
    assert status == 503
    assert "malformed" in body["reasons"]["database"]
    await asyncio.sleep(1.5)  # the dispatcher asks for work once a second
    assert len(await tenant.requests("POST")) == sent
    assert len(daemon.events("store.damaged")) == 1
