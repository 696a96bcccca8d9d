"""Notices that the file was deleted or replaced under the open connection, and puts back what that still holds.

On Unix an open file outlives its name: commits would go on, into a file that is gone when the process ends. What is
missing is therefore looked for before each transaction (two calls of `stat`), and written anew from the connection,
which has everything that was ever committed. Whatever lies in its place is kept aside.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from worker.errors import StoreError
from worker.store.file import files

Identity = tuple[int, int] | None


class Complaint(NamedTuple):
    """What is wrong with the file, and whether it has been mended."""

    why: str
    mended: bool


class Guard:
    """Watches the database's file, its log and its lock, by their inodes."""

    def __init__(self, path: Path, wall: Callable[[], float] = time.time) -> None:
        self._path = path
        self._wall = wall
        self._known: dict[str, Identity] = {}

    def check(self, engine: Engine) -> Complaint | None:
        """None where the connection's files are the ones that their names say."""
        if not self._known:
            self._note(engine)
            return None
        wrong = next((suffix for suffix in ("", "-wal") if self._strange(suffix)), None)
        return None if wrong is None else self._mend(engine, wrong)

    def _note(self, engine: Engine) -> None:
        """Remembers what the connection has open. The log is there from its first transaction on."""
        # What forbids one, the caller's own will tell.
        with suppress(DBAPIError), engine.begin():
            self._known = {suffix: self._identity(suffix) for suffix in ("", "-wal", ".lock")}

    def _strange(self, suffix: str) -> bool:
        return self._identity(suffix) != self._known[suffix]

    def _identity(self, suffix: str) -> Identity:
        try:
            stat = files.beside(self._path, suffix).stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _mend(self, engine: Engine, wrong: str) -> Complaint:
        what = "gone" if self._identity(wrong) is None else "another file now"
        why = f"database: {files.beside(self._path, wrong)} was deleted or replaced under the worker: it is {what}"
        if self._strange(".lock"):
            # Another worker may run on what is there by now.
            return Complaint(
                f"{why}, and so is its lock; stop this worker and restore a backup", mended=False
            )
        try:
            kept = self._write_anew(engine)
        except (OSError, StoreError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            return Complaint(f"{why}; what it held cannot be written anew: {reason}", mended=False)
        aside = f"; what lay there is kept as {kept.name}" if kept else ""
        return Complaint(f"{why}; written anew from what the worker still held{aside}", mended=True)

    def _write_anew(self, engine: Engine) -> Path | None:
        fresh = files.beside(self._path, ".rescued")
        files.copy(engine, fresh)
        kept = files.put_aside(self._path, self._wall())
        # The last connection to close a file deletes its log by name: so before the new file has that name.
        engine.dispose()
        files.put_in_place(fresh, self._path)
        self._known = {}
        self._note(engine)
        return kept
