"""What lies under an open connection: whether it is still the file that its name says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from tests.builders import ACCOUNT, NOW
from worker.errors import Damaged, StoreError
from worker.store import flags
from worker.store.conditions import as_store_error
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.file import files
from worker.store.file.guard import Guard
from worker.store.migrate import migrate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database lies."""
    return tmp_path / "worker.db"


@pytest.fixture
async def guarded(path: Path) -> AsyncIterator[Store]:
    """A store that watches its file, and tells what fails."""
    engine = sqlite_engine(path)
    transact(engine, migrate)
    store = Store(engine, guard=Guard(path, lambda: NOW))
    store.start()
    yield store
    await store.close()


async def pause(store: Store, reason: str) -> None:
    """Commits something."""
    await store.run(flags.pause, ACCOUNT, reason, "ann", NOW)


async def reason(store: Store) -> str:
    """What was committed last."""
    found = await store.run(flags.paused, ACCOUNT)
    return found.reason if found else ""


def read_elsewhere(path: Path) -> str:
    """The same, as another connection sees it."""
    other = sqlite_engine(path)
    found = transact(other, lambda conn: flags.paused(conn, ACCOUNT))
    other.dispose()
    return found.reason if found else ""


async def test_every_commit_is_in_the_file_that_has_the_name(guarded: Store, path: Path) -> None:
    """After the file was deleted, twice, what was committed before and after it is there for others."""
    told: list[StoreError] = []
    guarded.tell(told.append)
    for number in range(3):
        await pause(guarded, f"drill {number}")
        files.beside(path, "").unlink()
        assert await reason(guarded) == f"drill {number}"
        assert read_elsewhere(path) == f"drill {number}"
    assert len(told) == 3


async def test_what_lay_in_its_place_is_kept(guarded: Store, path: Path) -> None:
    """Under a name that says when; a second one of that second gets another."""
    await pause(guarded, "drill")
    for name in ("worker.db.replaced-20270115T080000Z", "worker.db.replaced-20270115T080000Z-2"):
        (path.parent / "other").write_text("a letter")
        (path.parent / "other").rename(path)
        assert await reason(guarded) == "drill"
        assert (path.parent / name).read_text() == "a letter"


async def test_a_folder_that_takes_no_copy_stops_everything(guarded: Store, path: Path) -> None:
    """Nothing goes on into a file without a name; when there is room again, all is there."""
    await pause(guarded, "drill")
    files.beside(path, "").unlink()
    blocker = files.beside(path, ".rescued")
    blocker.mkdir()
    with pytest.raises(StoreError, match=r"deleted or replaced under the worker.*cannot be written anew"):
        await pause(guarded, "lost")
    blocker.rmdir()
    assert await reason(guarded) == "drill"


async def test_a_database_that_is_locked_at_first_harms_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first transaction fails as any other, and the next one works."""
    monkeypatch.setattr("worker.store.engine.BUSY_SECONDS", 0.01)
    engine = sqlite_engine(path)
    transact(engine, migrate)
    store = Store(engine, guard=Guard(path))
    store.start()
    other = sqlite_engine(path)
    with other.begin(), pytest.raises(StoreError, match="locked"):
        await pause(store, "drill")
    other.dispose()
    await pause(store, "drill")
    assert await reason(store) == "drill"
    await store.close()


async def test_damage_is_for_good(guarded: Store) -> None:
    """Later functions are not even tried: half a ledger is none."""

    def damaged(_: Connection) -> None:
        raise as_store_error("database disk image is malformed")

    with pytest.raises(Damaged, match="`worker restore FILE`"):
        await guarded.run(damaged)
    with pytest.raises(Damaged):
        await reason(guarded)
