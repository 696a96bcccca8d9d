"""One daemon per SQLite file, one person who applies settings: locks that die with their process and name it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from worker.errors import UsageError

TRIES, PAUSE_SECONDS = 4, 0.05


def acquire(database: Path) -> TextIO:
    """Locks `<database>.lock`; the caller keeps the returned file open. UsageError names the process that holds it."""
    return _hold(
        database.with_name(database.name + ".lock"),
        lambda process: (
            f"WORKER_DATABASE_URL: {database} is in use by process {process}; "
            "stop that worker first (only one `worker run` may use a SQLite file)"
        ),
    )


def acquire_settings(database: Path) -> TextIO:
    """Locks `<database>.settings.lock`, as `acquire`: two people who apply at once would both add what is missing."""
    return _hold(
        database.with_name(database.name + ".settings.lock"),
        lambda process: (
            f"settings are being applied by process {process}; wait for its end, then give the command again"
        ),
    )


def _hold(path: Path, taken: Callable[[str], str]) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("a+")
    except OSError as error:
        raise UsageError(
            f"WORKER_DATABASE_URL: cannot write {path}: {error.strerror}; make the folder writable for this user, "
            "or name another file, for example WORKER_DATABASE_URL=sqlite:///var/worker.db"
        ) from error
    if not _locked(handle):
        handle.seek(0)
        holder = handle.read().strip() or "unknown"
        handle.close()
        raise UsageError(taken(holder))
    handle.seek(0)
    handle.truncate()
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def _locked(handle: TextIO) -> bool:
    """Takes the lock; a command that only asks who holds it has it for an instant."""
    for _ in range(TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False


def holder(database: Path) -> int | None:
    """The process id of the daemon that runs on this file, or None."""
    path = database.with_name(database.name + ".lock")
    try:
        with path.open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                handle.seek(0)
                text = handle.read().strip()
                return int(text) if text.isdigit() else None
    except OSError:
        return None
    return None
