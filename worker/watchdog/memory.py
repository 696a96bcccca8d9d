"""What a process leaves to the next one: what it had in hand, where it stood when it was ended, what is barred."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

_FRAME = re.compile(r'^  File "(?P<path>.*)", line (?P<line>\d+) in ', re.MULTILINE)
_MAX_DUMP = 64 * 2**10


def beside(database: Path) -> Path:
    """Where the memory of the worker on this database is."""
    return database.with_name(database.name + ".watch")


class Stopped(msgspec.Struct, frozen=True):
    """Author code that ended a process."""

    hand: str
    """What was run; empty where it was not known."""
    file: str
    """The author's file, and `line` the line, on which it stood."""
    line: int


class _Known(msgspec.Struct):
    barred: dict[str, str] = {}
    """What must not be run again, and where it stood."""
    suspects: dict[str, list[str]] = {}
    """Files with a playbook that ended a process, nobody knows at which event; and their playbooks' versions."""


class Memory:
    """A folder of three small files: `dump` and `hand`, written in passing, and `barred.json`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._file = folder / "barred.json"
        self.dump = self._open("dump")
        self._hand = self._open("hand")
        self._known = self._read()

    def close(self) -> None:
        """Closes the files; the folder stays."""
        os.close(self.dump)
        os.close(self._hand)

    def hold(self, hand: str) -> None:
        """Writes down what is in hand: two microseconds, and nothing where the disk is full."""
        with contextlib.suppress(OSError):
            os.pwrite(self._hand, hand.encode("utf-8", "replace").replace(b"\n", b" ") + b"\n", 0)

    def barred(self, hand: str) -> str | None:
        """Where this stood when it ended a process; None where it never did."""
        return self._known.barred.get(hand)

    def suspected(self, versions: Mapping[str, Sequence[str]]) -> frozenset[str]:
        """The suspects among these files, by their playbooks' versions: a file that was changed is none any more."""
        before = self._known.suspects
        now = {
            file: list(versions[file])
            for file in before
            if before[file] in ([], versions.get(file)) and file in versions
        }
        if now != before:
            self._known.suspects = now
            self._write()
        return frozenset(now)

    def forget(self, outdated: Callable[[str], bool]) -> None:
        """What cannot be run any more need not be barred."""
        left = {hand: where for hand, where in self._known.barred.items() if not outdated(hand)}
        if len(left) < len(self._known.barred):
            self._known.barred = left
            self._write()

    def hands(self) -> tuple[str, ...]:
        """All that is barred."""
        return tuple(self._known.barred)

    def recover(self, rules: Path, *, died: bool = False) -> Stopped | None:
        """What ended the process before this one, if author code did: it is barred, or its file a suspect.

        Args:
            rules: the folder of the author's files.
            died: whether what was in hand is to blame, even where the process left no trace of its last resort.
        """
        text = os.pread(self.dump, _MAX_DUMP, 0).decode("utf-8", "replace")
        hand = os.pread(self._hand, _MAX_DUMP, 0).decode("utf-8", "replace").partition("\n")[0]
        if not text and not (died and hand):
            return None
        stopped = Stopped(hand, *_innermost(text, rules))
        if hand:
            self._known.barred[hand] = f"{stopped.file}:{stopped.line}" if stopped.file else "an unknown line"
        elif stopped.file and stopped.file not in self._known.suspects:
            self._known.suspects[stopped.file] = []
        self._write()
        self.hold("")
        os.ftruncate(self.dump, 0)
        return stopped

    def _open(self, name: str) -> int:
        return os.open(
            self.folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND * (name == "dump") | os.O_CLOEXEC, 0o600
        )

    def _read(self) -> _Known:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Known)
        except (OSError, ValueError):
            return _Known()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        with new.open("wb") as file:
            file.write(msgspec.json.encode(self._known))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._file)


def _innermost(traceback: str, rules: Path) -> tuple[str, int]:
    """File and line of the first of the author's frames; the traceback is faulthandler's, the latest call first."""
    folder = str(rules).encode("ascii", "backslashreplace").decode()
    for frame in _FRAME.finditer(traceback):
        parent, _, name = frame["path"].rpartition("/")
        if parent == folder:
            return name, int(frame["line"])
    return "", 0
