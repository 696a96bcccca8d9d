from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.errors import UsageError
from worker.store.engine import sqlite_path
from worker.store.file import lock
from worker.upkeep.brake import Brake


@pytest.mark.parametrize("made", [True, False], ids=["file", "no file yet"])
@pytest.mark.parametrize("way", ["link", "link to a link", "link of the folder"])
def test_a_file_has_one_lock_by_whatever_name(tmp_path: Path, way: str, made: bool) -> None:
    """Two daemons on one file would both act; and whoever pauses one of its names means the file."""
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.mkdir()
    if made:
        (data / "w.db").touch()
    (elsewhere / "l.db").symlink_to("../data/w.db")
    (elsewhere / "again.db").symlink_to("l.db")
    (tmp_path / "current").symlink_to(data)
    other = {"link": "elsewhere/l.db", "link to a link": "elsewhere/again.db"}.get(way, "current/w.db")
    own, same = (sqlite_path(f"sqlite:///{tmp_path}/{name}") for name in ("data/w.db", other))
    with lock.acquire(own), pytest.raises(UsageError, match=r"data/w\.db is in use by process"):
        lock.acquire(same)
    assert Brake.beside(own).file == Brake.beside(same).file == data / "PAUSE"


def test_a_file_with_a_second_name_is_refused(tmp_path: Path) -> None:
    """A hard link: SQLite would keep a log beside each name, and two workers would both act."""
    (tmp_path / "w.db").touch()
    (tmp_path / "same.db").hardlink_to(tmp_path / "w.db")
    with pytest.raises(UsageError, match=r"same\.db has 2 names \(hard links\).*; remove the others"):
        lock.acquire(tmp_path / "same.db")
    (tmp_path / "same.db").unlink()
    lock.acquire(tmp_path / "w.db").close()


def test_a_file_is_locked_by_whatever_path_it_is_reached(tmp_path: Path) -> None:
    """Mounted in two places it has two lock files, and is one file."""
    database = tmp_path / "w.db"
    database.touch()
    with lock.acquire(database):
        (tmp_path / "w.db.lock").rename(tmp_path / "elsewhere.lock")
        with pytest.raises(UsageError, match=rf"w\.db is in use by process {os.getpid()}; stop that worker"):
            lock.acquire(database)
    lock.acquire(database).close()


def test_a_path_is_shown_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is no link, a message names it as the setting does; a link to itself is the operator's to mend."""
    monkeypatch.chdir(tmp_path)
    assert sqlite_path("sqlite:///var/w.db") == Path("var/w.db")
    Path("loop.db").symlink_to("loop.db")
    with pytest.raises(UsageError, match=r"WORKER_DATABASE_URL: loop\.db is a link that leads to itself"):
        sqlite_path("sqlite:///loop.db")
