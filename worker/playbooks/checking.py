"""Checks a rules folder: loads it, decides every example, and compares what its playbooks want.

Needs no network, no token and no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.model.events import Event
from worker.playbooks.comparing import compare
from worker.playbooks.deciding import Playbook
from worker.playbooks.guard import NO_GUARD, Guard
from worker.playbooks.loader import Catalogue, load
from worker.playbooks.parameters import dumped
from worker.playbooks.problems import Problem
from worker.playbooks.signature import unannotated
from worker.playbooks.verdicts import Case, case


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. `problems` forbid a roll-out; `warnings` are worth a thought."""

    catalogue: Catalogue
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    cases: tuple[Case, ...]
    """Every example, with what is wrong with it."""

    @property
    def examples(self) -> int:
        """How many were run."""
        return len(self.cases)

    @property
    def failed(self) -> int:
        """How many of the examples did not do what they promise."""
        return sum(one.problem is not None for one in self.cases)

    @property
    def ok(self) -> bool:
        """Whether there is no problem; warnings do not count."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """The report as `worker check --json` prints it."""
        return {
            "ok": self.ok,
            "playbooks": [_summary(playbook) for playbook in self.catalogue.playbooks],
            "lists": {name: len(entries) for name, entries in sorted(self.catalogue.lists.items())},
            "examples": {"run": self.examples, "failed": self.failed},
            "cases": [one.as_json() for one in self.cases],
            "problems": [problem.as_json() for problem in self.problems],
            "warnings": [warning.as_json() for warning in self.warnings],
        }


def check(directory: Path, guard: Guard = NO_GUARD, mail: Sequence[Event] = ()) -> Report:
    """Loads the folder and decides each example of each playbook that could be loaded, at a fixed time.

    `mail` is what the playbooks are compared on beside one another's examples.
    """
    catalogue = load(directory, guard)
    playbooks, lists = catalogue.playbooks, catalogue.lists
    with guard.watching():
        cases = tuple(
            case(one, number, lists, guard) for one in playbooks for number in range(len(one.examples))
        )
        wrong = [one.problem for one in cases if one.problem is not None]
        told = {(problem.path, problem.line) for problem in wrong}
        ahead = [problem for problem in catalogue.foreseen if (problem.path, problem.line) not in told]
        failing = {problem.playbook for problem in (*wrong, *ahead)}
        compared = compare(playbooks, cases, failing, lists, guard, mail)
    warnings = [warning for one in playbooks for warning in _warnings(one)]
    return Report(
        catalogue,
        (*catalogue.problems, *ahead, *wrong, *compared.problems),
        (*catalogue.cautions, *warnings, *compared.warnings),
        cases,
    )


def _warnings(playbook: Playbook) -> Iterator[Problem]:
    for acts, name, what in ((True, "hit", "acts"), (False, "miss", "stays quiet")):
        if not any(example.acts is acts for example in playbook.examples):
            message = f"has no {name} example: nothing shows when it {what}"
            yield _about(playbook, message, f"add a {name}(...) to `examples`")
    if missing := unannotated(playbook.function):
        message = (
            f"{' and '.join(missing)} not annotated: no editor and no type checker can find a slip there"
        )
        remedy = f"write def {playbook.function.__name__}(event: {playbook.on.__name__}) -> Move | None"
        yield _about(playbook, message, remedy)


def _about(playbook: Playbook, message: str, remedy: str) -> Problem:
    return Problem(playbook.path, playbook.line, playbook.id, message, remedy)


def _summary(playbook: Playbook) -> dict[str, Any]:
    return {
        "id": playbook.id,
        "title": playbook.title,
        "on": playbook.on.__name__,
        "mode": str(playbook.mode),
        "owner": playbook.owner,
        "caps": asdict(playbook.caps),
        "needs": sorted(playbook.needs),
        "params": dumped(playbook.params) if playbook.params is not None else None,
        "version": playbook.version,
        "path": str(playbook.path),
        "line": playbook.line,
        "examples": len(playbook.examples),
    }
