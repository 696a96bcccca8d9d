"""One daemon per SQLite file, one person who applies settings: locks that die with their process and name it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from worker.errors import UsageError

TRIES, PAUSE_SECONDS = 4, 0.05


def acquire(database: Path) -> ExitStack:
    """Locks `<database>.lock` and the file itself, until the caller closes. UsageError names the process that holds it.

    The file may have another path, where it is mounted elsewhere too.
    """

    def taken(process: str) -> str:
        return (
            f"WORKER_DATABASE_URL: {database} is in use by process {process}; "
            "stop that worker first (only one `worker run` may use a SQLite file)"
        )

    with ExitStack() as held:
        held.enter_context(_hold(database.with_name(database.name + ".lock"), taken))
        # None yet, or none that can be read: whoever opens the database says so.
        with suppress(OSError):
            file = held.enter_context(database.open("rb"))
            status = os.fstat(file.fileno())
            if status.st_nlink > 1:
                raise UsageError(
                    f"WORKER_DATABASE_URL: {database} has {status.st_nlink} names (hard links), and SQLite keeps its log "
                    "beside one of them; remove the others"
                )
            if not _locked(file):
                raise UsageError(taken(_process_with(status.st_ino)))
        return held.pop_all()


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


def _process_with(inode: int) -> str:
    """Who has locked the file of this number, as the kernel says."""
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        locks = []
    for line in locks:
        _, kind, _, _, process, file, *_ = line.split()
        if kind == "FLOCK" and file.endswith(f":{inode}"):
            return process
    return "unknown"


def _locked(handle: IO[Any]) -> bool:
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
