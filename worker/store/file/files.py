"""The database as files: its companions, whole copies of it, and how it is put aside without losing anything."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from worker.store.conditions import as_store_error

COMPANIONS = ("-wal", "-shm")


def beside(path: Path, suffix: str) -> Path:
    """The file of that name with something added: `worker.db` and `-wal`."""
    return path.with_name(path.name + suffix)


def copy(engine: Engine, target: Path) -> None:
    """Writes everything that the engine's connection sees, at one moment, to one new private file, durably.

    The copy has no log of its own: it is whole by itself. An existing `target` is overwritten.
    """
    discard(target)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    source = engine.raw_connection()
    try:
        driver: Any = source.driver_connection
        other = type(driver)(str(target), isolation_level=None)
        try:
            driver.backup(other)
            other.execute("PRAGMA journal_mode=DELETE").fetchall()
        finally:
            other.close()
    except engine.dialect.loaded_dbapi.Error as error:
        discard(target)
        raise as_store_error(str(error)) from error
    except BaseException:
        discard(target)
        raise
    finally:
        source.close()
    sync(target)


def discard(path: Path) -> None:
    """Removes a database with its companions, where there is one."""
    for suffix in ("", *COMPANIONS):
        beside(path, suffix).unlink(missing_ok=True)


def put_aside(path: Path, now: float) -> Path | None:
    """Renames a database and its companions to a name that says when; None where there is none."""
    if not path.exists():
        return None
    aside = beside(path, time.strftime(".replaced-%Y%m%dT%H%M%SZ", time.gmtime(now)))
    number = 1
    while aside.exists():
        number += 1
        aside = beside(path, time.strftime(f".replaced-%Y%m%dT%H%M%SZ-{number}", time.gmtime(now)))
    for suffix in (*COMPANIONS, ""):
        if beside(path, suffix).exists():
            beside(path, suffix).rename(beside(aside, suffix))
    return aside


def put_in_place(fresh: Path, path: Path) -> None:
    """Renames a whole copy to the database's name, where nothing may be left of an older one."""
    for suffix in COMPANIONS:
        beside(path, suffix).unlink(missing_ok=True)
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
