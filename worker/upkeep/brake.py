"""The brake: a file in the data directory and a signal work without the database, a command through it.

The file is looked at and the pause is read in the transaction of every claim, so that nothing has to be noticed first.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from worker.model.ledger import Pause

FILE = "PAUSE"
"""Its name, beside the database."""
_MOST = 500
"""Bytes of the file that are read as the reason."""


class Brake:
    """What stops new changes at once: the file, while it is there, and a signal until the database knows of it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.pulled: Pause | None = None

    @classmethod
    def beside(cls, database: Path) -> Brake:
        """The brake of the worker that uses this database."""
        return cls(database.with_name(FILE))

    def pull(self, pause: Pause) -> None:
        """A signal came."""
        self.pulled = pause

    def on(self) -> Pause | None:
        """Why nothing new may start; None where neither the file nor a signal says so."""
        return self.pulled or self.by_file()

    def by_file(self) -> Pause | None:
        """The pause of the file; one that is there but cannot be read, or be looked for, counts too."""
        try:
            found = os.lstat(self.file)
        except FileNotFoundError:
            return None
        except OSError as error:
            return Pause(f"cannot look for {self.file}: {error.strerror}", 0.0, "unknown", "file")
        return Pause(_text(self.file), found.st_mtime, _owner(found.st_uid), "file")


def _text(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            text = handle.read(_MOST).decode("utf-8", "replace").strip()
    except OSError as error:
        return f"no reason given ({error.strerror})"
    return text or "no reason given"


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
