"""Checks a rules folder: loads it and decides every example. Needs no network, no token and no database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from worker.model.actions import Action
from worker.model.needs import UnfetchedError
from worker.playbooks.context import Lists
from worker.playbooks.deciding import Playbook, PlaybookFailure
from worker.playbooks.examples import Example, ExampleError, context_of, event_of
from worker.playbooks.guard import NO_GUARD, Guard, NotRunAgainError
from worker.playbooks.loader import Catalogue, load
from worker.playbooks.namespace import TOO_LONG
from worker.playbooks.needs import undeclared_fault
from worker.playbooks.problems import Problem, clip
from worker.playbooks.vetting import refusal

_GUARD = "mend the line, or guard it: most fields of an event may be None or empty"
_PAIRS = 'write pairs of kind and target: expect=[("move", "JunkEmail"), ("release", "")]'


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. `problems` forbid a roll-out; `warnings` are worth a thought."""

    catalogue: Catalogue
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    examples: int
    failed: int
    """How many of the examples did not do what they promise."""

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
            "problems": [problem.as_json() for problem in self.problems],
            "warnings": [warning.as_json() for warning in self.warnings],
        }


def check(directory: Path, guard: Guard = NO_GUARD) -> Report:
    """Loads the folder and decides each example of each playbook that could be loaded, at a fixed time."""
    catalogue = load(directory, guard)
    playbooks, lists = catalogue.playbooks, catalogue.lists
    with guard.watching():
        verdicts = [
            _verdict(one, number, lists, guard) for one in playbooks for number in range(len(one.examples))
        ]
    wrong = tuple(problem for problem in verdicts if problem is not None)
    warnings = tuple(warning for one in playbooks for warning in _warnings(one))
    warnings = (*catalogue.cautions, *warnings)
    return Report(catalogue, (*catalogue.problems, *wrong), warnings, len(verdicts), len(wrong))


def _verdict(playbook: Playbook, number: int, lists: Lists, guard: Guard) -> Problem | None:
    """What is wrong with one example, if anything."""
    example = playbook.examples[number]
    try:
        expected = _expected(example)
        event = event_of(example, playbook.on, playbook.needs)
        context = context_of(example, lists, takes_context=playbook.takes_context)
        with guard.holding(f"example {playbook.id} {playbook.version} {number}"):
            actions = playbook.decide(event, context)
    except NotRunAgainError as error:
        return _problem(playbook, example, f"{example}: {error}", TOO_LONG)
    except ExampleError as error:
        return _problem(playbook, example, *error.args)
    except PlaybookFailure as failure:
        return _failed(playbook, example, failure)
    if why := next((why for action in actions if (why := refusal(action))), ""):
        return _problem(
            playbook, example, f"{example}: {why}", "name a narrower sender, or none in such a case"
        )
    came = tuple((action.kind, action.target) for action in actions)
    if example.acts == bool(came) and (expected is None or sorted(expected) == sorted(came)):
        return None
    wanted = _shown(expected) if expected else "an action" if example.acts else "nothing"
    message = f"{example}: expected {wanted}, got {_shown(came)}{_reasons(actions)}"
    return _problem(
        playbook, example, message, "change the condition, or the example if it is the one in error"
    )


def _failed(playbook: Playbook, example: Example, failure: PlaybookFailure) -> Problem:
    """What to say of an example that the playbook could not decide."""
    cause = failure.__cause__
    if cause is None:
        return _problem(playbook, example, f"{example}: {failure}", _GUARD)
    if isinstance(cause, UnfetchedError):
        what, remedy = undeclared_fault(cause.need, playbook.needs)
        return Problem(failure.path, failure.line, playbook.id, f"{what}: {example}", remedy)
    # The text of the exception may be shown here: an example is the author's own mail.
    what = str(cause) if failure.overran else clip(f"raised {type(cause).__name__}: {cause}", 300)
    message = f"{what} while it decided {example} of line {example.line}"
    remedy = TOO_LONG if failure.overran or isinstance(cause, MemoryError) else _GUARD
    return Problem(failure.path, failure.line, playbook.id, message, remedy)


def _expected(example: Example) -> list[tuple[str, str]] | None:
    if example.expect is None:
        return None
    try:
        pairs = [(str(kind), str(target)) for kind, target in example.expect]
    except (TypeError, ValueError):
        pairs = []
    if not pairs:
        raise ExampleError(f"{example}: expect={example.expect!r} is no list of pairs", _PAIRS)
    return pairs


def _warnings(playbook: Playbook) -> Iterator[Problem]:
    for acts, name, what in ((True, "hit", "acts"), (False, "miss", "stays quiet")):
        if not any(example.acts is acts for example in playbook.examples):
            message = f"has no {name} example: nothing shows when it {what}"
            yield Problem(
                playbook.path, playbook.line, playbook.id, message, f"add a {name}(...) to `examples`"
            )


def _problem(playbook: Playbook, example: Example, message: str, remedy: str) -> Problem:
    return Problem(Path(example.path), example.line, playbook.id, message, remedy)


def _shown(wishes: list[tuple[str, str]] | tuple[tuple[str, str], ...]) -> str:
    return ", ".join(" to ".join(filter(None, wish)) for wish in wishes) or "nothing"


def _reasons(actions: tuple[Action, ...]) -> str:
    reasons = "; ".join(action.reason for action in actions if action.reason)
    return f" ({clip(reasons, 100)})" if reasons else ""


def _summary(playbook: Playbook) -> dict[str, Any]:
    return {
        "id": playbook.id,
        "title": playbook.title,
        "on": playbook.on.__name__,
        "mode": str(playbook.mode),
        "owner": playbook.owner,
        "caps": asdict(playbook.caps),
        "needs": sorted(playbook.needs),
        "version": playbook.version,
        "path": str(playbook.path),
        "line": playbook.line,
        "examples": len(playbook.examples),
    }
