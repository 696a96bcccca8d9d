"""What is wrong with a playbook file, said so that its author can mend it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.model.storable import storable

Fault = tuple[str, str]
"""What is wrong and the remedy, before file and line are known."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` is 0 for a whole file or folder, `playbook` empty where none is known."""

    path: Path
    line: int
    playbook: str
    message: str
    remedy: str
    diff: tuple[str, ...] = ()
    """What was expected (`- `) and what came (`+ `), a line each."""
    stops: tuple[str, ...] = ()
    """Files of code that cannot run whole because of it, where it stands in none itself."""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        who = f"[{self.playbook}] " if self.playbook else ""
        return one_line(f"{place}: {who}{self.message}. Remedy: {self.remedy}")

    @property
    def stopped(self) -> tuple[str, ...]:
        """The files of code for which events wait until it is mended."""
        return self.stops or ((known_as(self.path),) if self.path.suffix == ".py" else ())

    def as_json(self) -> dict[str, Any]:
        """The problem as `worker check --json` prints it."""
        return {
            "path": str(self.path),
            "line": self.line or None,
            "playbook": self.playbook or None,
            "message": self.message,
            "remedy": self.remedy,
            "diff": list(self.diff),
        }


def known_as(file: Path) -> str:
    """The name by which events wait for a file of code."""
    return storable(file.name)


def problem_of(printed: Mapping[str, Any]) -> Problem:
    """The problem that `as_json` printed."""
    path, line, playbook = Path(printed["path"]), printed["line"] or 0, printed["playbook"] or ""
    return Problem(path, line, playbook, printed["message"], printed["remedy"], tuple(printed["diff"]))


def one_line(text: str) -> str:
    """The text without control characters, so that no error text can break a line or steer a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(value: object, how: Callable[[object], str] = repr) -> str:
    """An author's object as text, also where its own code fails at that."""
    try:
        return how(value)
    except (Exception, SystemExit):  # noqa: BLE001 - the author's code
        return f"<{type(value).__name__}>"


def clip(text: str, limit: int = 200) -> str:
    """The text, cut to `limit` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def nearest(word: object, choices: Iterable[str]) -> str:
    """` (did you mean `x`?)` with the choice that looks most like the word, or nothing."""
    close = difflib.get_close_matches(word, list(choices), n=1) if isinstance(word, str) else []
    return f" (did you mean `{close[0]}`?)" if close else ""
