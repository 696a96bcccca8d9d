"""`params.toml`: one table for each playbook whose parameters are not the author's, and where each value stands."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from worker.playbooks.problems import Problem

NAME = "params.toml"
_LINE = re.compile(r" ?\(at (?:line (?P<line>\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the file says. `problem`: it cannot be read, so nobody knows what it was to say."""

    path: Path
    text: str = ""
    tables: Mapping[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    def line_of(self, *keys: str | int) -> int:
        """The line on which what these keys lead to begins, or on which what holds it does."""
        lines = self.text.splitlines(keepends=True)
        names = [key for key in keys if isinstance(key, str)]
        while names and not _holds(self.tables, names):
            names.pop()

        def known(number: int) -> bool:
            return _holds(_read(lines, number), names)

        end = bisect_left(range(len(lines) + 1), True, key=known)  # noqa: FBT003 - what is looked for
        while end > 1 and _parsed(lines, end - 1) is None:
            end -= 1  # within a value of several lines
        return max(end, 1)


def overrides_of(path: Path, text: str) -> Overrides:
    """What a file of this text says."""
    try:
        return Overrides(path, text, tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        place = _LINE.search(str(error))
        line = int(place["line"] or 0) if place else 0
        what = _LINE.sub("", str(error)) if isinstance(error, ValueError) else "nested too deeply"
        line = line or text.count("\n") + 1
        return unreadable(path, Problem(path, line, "", f"is not TOML: {what}", "mend the line"))


def unreadable(path: Path, problem: Problem) -> Overrides:
    """A file of which nobody knows what it was to say."""
    return Overrides(path, problem=problem)


def _read(lines: list[str], number: int) -> Mapping[str, Any]:
    """What the first lines say; of those that end within a value, what stands before it."""
    while (found := _parsed(lines, number)) is None:
        number -= 1
    return found


def _parsed(lines: list[str], number: int) -> Mapping[str, Any] | None:
    try:
        return tomllib.loads("".join(lines[:number]))
    except ValueError:
        return None


def _holds(found: object, names: list[str]) -> bool:
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True
