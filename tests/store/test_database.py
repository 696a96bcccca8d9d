from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import IntegrityError

from tests.builders import ACCOUNT, NOW, junk
from tests.desk import Desk
from worker.errors import StoreError, UsageError
from worker.model.actions import LIVE
from worker.store import flags, migrate, schema
from worker.store.engine import SAFE_SQLITE, Store, sqlite_engine, sqlite_path, transact, transact_all
from worker.store.file import lock


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A database without tables."""
    opened = sqlite_engine(tmp_path / "data" / "worker.db")
    yield opened
    opened.dispose()


def from_scripts(conn: Connection) -> None:
    """The tables as the migrations make them, one after the other."""
    from alembic import command  # noqa: PLC0415 - slow to load
    from alembic.config import Config  # noqa: PLC0415 - slow to load

    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def test_head_is_the_newest_script() -> None:
    """Or a database would be refused as too new, or never upgraded."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - slow to load

    scripts = ScriptDirectory(str(migrate.MIGRATIONS))
    assert scripts.get_heads() == [migrate.HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == migrate.KNOWN


@pytest.mark.parametrize("make", [from_scripts, migrate.migrate])
def test_a_database_has_the_tables_of_this_program(engine: Engine, make: Any) -> None:
    """Whether it was made at once or script by script, nothing differs from the schema."""
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - slow to load
    from alembic.migration import MigrationContext  # noqa: PLC0415 - slow to load

    transact(engine, make)

    def differences(conn: Connection) -> Any:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(conn, opts=options), schema.metadata)

    assert transact(engine, differences) == []
    assert transact(engine, migrate.revision) == migrate.HEAD


def test_both_ways_make_the_same_indexes(tmp_path: Path) -> None:
    """Conditions of partial indexes included, which no comparison of metadata sees."""
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")

    def indexes(conn: Connection) -> list[tuple[str, str]]:
        return [(row.name, row.sql) for row in conn.execute(query)]

    found = []
    for name, make in (("scripts", from_scripts), ("at-once", migrate.migrate)):
        engine = sqlite_engine(tmp_path / f"{name}.db")
        transact(engine, make)
        found.append(transact(engine, indexes))
        engine.dispose()
    assert found[0] == found[1]
    unique = dict(found[0])["uq_actions_live"]
    assert all(f"'{state}'" in unique for state in LIVE)


def test_a_second_migration_does_nothing(engine: Engine) -> None:
    """Every start asks."""
    assert transact(engine, migrate.migrate)
    assert not transact(engine, migrate.migrate)


def test_a_database_of_a_newer_program_is_refused(engine: Engine) -> None:
    """An old program does not know what a new one wrote; the error says what to do."""
    transact(engine, migrate.migrate)
    transact(engine, lambda conn: conn.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(UsageError, match="revision 9999, newer than this program's"):
        transact(engine, migrate.migrate)


def test_the_database_is_as_durable_as_promised(engine: Engine) -> None:
    """A write-ahead log, written through to the disk at every commit, by a SQLite that two processes may share."""
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    values = transact(
        engine, lambda conn: [conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    )
    assert values == ["wal", 2, 1]
    version = str(transact(engine, lambda conn: conn.exec_driver_sql("SELECT sqlite_version()").scalar()))
    assert tuple(map(int, version.split("."))) >= SAFE_SQLITE


def test_nobody_else_may_read_the_database(engine: Engine, tmp_path: Path) -> None:
    """It quotes mail."""
    transact(engine, migrate.migrate)
    files = list((tmp_path / "data").iterdir())
    assert files
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o077 == 0 for file in files)


@pytest.mark.parametrize(
    "url, path",
    [
        ("sqlite:///var/worker.db", "var/worker.db"),
        ("sqlite:////data/worker.db", "/data/worker.db"),
        ("sqlite:///worker.db?timeout=5", "worker.db"),
    ],
)
def test_a_sqlite_url_names_a_file(url: str, path: str) -> None:
    """Relative with three slashes, absolute with four."""
    assert sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    ["postgresql://ann:hunter2@db/worker", "sqlite://", "sqlite:///:memory:", "mysql:///hunter2", "hunter2"],
)
def test_another_url_is_refused_without_its_password(url: str) -> None:
    """The message names the variable and an example, and nothing that may be secret."""
    with pytest.raises(UsageError, match="WORKER_DATABASE_URL") as caught:
        sqlite_path(url)
    assert "sqlite:///var/worker.db" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    """Named with the place and the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="WORKER_DATABASE_URL"):
        sqlite_engine(tmp_path / "file" / "worker.db")


def test_a_file_that_is_no_database_says_what_to_do(tmp_path: Path) -> None:
    """The error is one line with the remedy."""
    (tmp_path / "worker.db").write_bytes(b"this is a letter, not a database" * 100)
    engine = sqlite_engine(tmp_path / "worker.db")
    with pytest.raises(StoreError, match=r"not a database.*restore a backup"):
        transact(engine, migrate.migrate)
    engine.dispose()


def test_a_database_that_another_process_holds_is_a_store_error(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It passes by itself: whoever needs it tries again."""
    transact(engine, migrate.migrate)
    monkeypatch.setattr("worker.store.engine.BUSY_SECONDS", 0.01)
    other = sqlite_engine(Path(str(engine.url.database)))

    def busy(_: Connection) -> None:
        transact(other, lambda conn: flags.pause(conn, ACCOUNT, "drill", "ann", NOW))

    with pytest.raises(StoreError, match=r"locked.*end that process or wait"):
        transact(engine, busy)
    other.dispose()
    transact(engine, lambda conn: flags.pause(conn, ACCOUNT, "drill", "ann", NOW))


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_full_disk_undoes_no_neighbour_in_silence(engine: Engine, broken: int) -> None:
    """Functions share a commit: what is reported as written is there, whichever of them the disk had no room for."""
    transact(engine, lambda conn: conn.execute(text("CREATE TABLE t (name, body)")))
    with engine.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql("ROLLBACK")
        conn.exec_driver_sql(f"PRAGMA max_page_count={pages + 9}")
        conn.exec_driver_sql("BEGIN")

    def write(name: str, size: int) -> Any:
        row = {"name": name, "body": "x" * size}
        return lambda conn: conn.execute(text("INSERT INTO t VALUES (:name, :body)"), row) and name

    jobs = [write(f"job{n}", 10**6 if n == broken else 1) for n in range(3)]
    ends = transact_all(engine, jobs)
    there = transact(
        engine, lambda conn: list(conn.execute(text("SELECT name FROM t ORDER BY name")).scalars())
    )
    assert there == [f"job{n}" for n in range(3) if n != broken]
    assert [result for result, error in ends if error is None] == there
    error = ends[broken][1]
    assert isinstance(error, StoreError)
    assert "disk is full; free space on the volume" in str(error)


def test_a_mistake_in_one_function_leaves_its_neighbours_alone(engine: Engine) -> None:
    """It is undone by itself, and the others are asked only once."""
    transact(engine, migrate.migrate)
    asked: list[str] = []

    def pause(conn: Connection) -> None:
        asked.append("pause")
        flags.pause(conn, ACCOUNT, "drill", "ann", NOW)

    def fail(conn: Connection) -> None:
        flags.resume(conn, ACCOUNT, "ann", NOW)
        raise ZeroDivisionError

    (_, fine), (_, wrong) = transact_all(engine, [pause, fail])
    assert (fine, type(wrong), asked) == (None, ZeroDivisionError, ["pause"])
    assert transact(engine, lambda conn: flags.paused(conn, ACCOUNT)) is not None


async def test_what_was_written_is_there_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    """The file alone carries the state."""
    await desk.take_in(junk())
    await desk.store.close()
    again = Store(sqlite_engine(tmp_path / "worker.db"))
    again.start()
    rows = await again.run(lambda conn: conn.execute(select(schema.actions.c.state)).scalars().all())
    await again.close()
    assert rows == ["ready"]


async def test_a_cancelled_caller_does_not_tear_its_transaction(desk: Desk) -> None:
    """It commits or fails as a whole; nobody waits for it any more."""
    task = asyncio.create_task(desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await desk.ledger.paused() is not None
    assert await desk.intact()


async def test_our_own_mistakes_are_no_condition_of_the_database(desk: Desk) -> None:
    """A broken constraint must not look like a disk that will have room again."""
    await desk.take_in(junk())
    row = await desk.row()
    with pytest.raises(IntegrityError):
        await desk.run(lambda conn: conn.execute(schema.actions.insert().values(row)))
    assert await desk.intact()


async def test_a_transaction_that_raises_leaves_nothing(desk: Desk) -> None:
    """Whatever was raised goes to the caller, and the next transaction works."""

    def write_then_fail(conn: Connection) -> None:
        flags.pause(conn, ACCOUNT, "drill", "ann", NOW)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await desk.run(write_then_fail)
    assert await desk.ledger.paused() is None


def test_a_second_worker_on_the_same_file_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    """One `run` per SQLite file; the lock goes with its process."""
    database = tmp_path / "worker.db"
    assert lock.holder(database) is None
    handle = lock.acquire(database)
    assert lock.holder(database) == os.getpid()
    with pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        lock.acquire(database)
    handle.close()
    assert lock.holder(database) is None
    lock.acquire(database).close()


def test_a_lock_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """Named with the place and the remedy."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*worker\.db\.lock"):
        lock.acquire(tmp_path / "file" / "worker.db")
