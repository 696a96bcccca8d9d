"""Whether one example does what it promises, and if not, what was expected and what came."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.model.actions import Action
from worker.model.events import Event
from worker.model.needs import UnfetchedError
from worker.playbooks.context import Lists
from worker.playbooks.deciding import Playbook, PlaybookFailure
from worker.playbooks.examples import Example, ExampleError, context_of, event_of
from worker.playbooks.guard import Guard, NotRunAgainError
from worker.playbooks.namespace import TOO_LONG
from worker.playbooks.needs import undeclared_fault
from worker.playbooks.overrides import NAME as PARAMS
from worker.playbooks.parameters import changed
from worker.playbooks.problems import Fault, Problem, clip, nearest, shown
from worker.playbooks.vetting import refusal

_GUARD = "mend the line, or guard it: most fields of an event may be None or empty"
_FIELD = "name a field of the event; docs/authors/reference.md lists them"
_MEND = "mend the line"
_PAIRS = 'write pairs of kind and target: expect=[("move", "JunkEmail"), ("release", "")]'
_CHANGE = "change the condition, or the example if it is the one in error"
_NARROWER = "name a narrower sender, or none in such a case"

Pairs = list[tuple[str, str]]
"""Kinds and targets of actions."""


@dataclass(frozen=True, slots=True)
class Case:
    """One example of one playbook."""

    playbook: str
    path: Path
    line: int
    name: str
    problem: Problem | None

    def as_json(self) -> dict[str, Any]:
        """The case as `worker check --json` prints it."""
        return {
            "playbook": self.playbook,
            "example": self.name,
            "path": str(self.path),
            "line": self.line,
            "problem": self.problem and self.problem.as_json(),
        }


def case(playbook: Playbook, number: int, lists: Lists, guard: Guard) -> Case:
    """Decides one example."""
    example = playbook.examples[number]
    try:
        # All of it, because an example may hold objects of the author's own making.
        with guard.holding(f"example {playbook.id} {playbook.version} {number}"):
            name, problem = str(example), _problem(playbook, example, lists)
    except NotRunAgainError as error:
        name, problem = "example", _at(playbook, example, f"the example cannot be decided: {error}", TOO_LONG)
    return Case(playbook.id, Path(example.path), example.line, name, problem)


def failure_fault(failure: PlaybookFailure, playbook: Playbook) -> Fault:
    """What to say of an event that somebody wrote and the playbook could not decide.

    The text of the exception may be shown: such an event is nobody's mail.
    """
    cause = failure.__cause__
    if cause is None:
        return str(failure), _GUARD
    if isinstance(cause, UnfetchedError):
        return undeclared_fault(cause.need, playbook.needs)
    if failure.overran:
        return str(cause), TOO_LONG
    raised = clip(f"raised {type(cause).__name__}: {shown(cause, str)}".removesuffix(": "), 300)
    if isinstance(cause, AttributeError) and isinstance(cause.obj, Event):
        names = (name for name in dir(cause.obj) if not name.startswith("_"))
        return f"{raised}{nearest(cause.name, names)}", _FIELD
    if _is_ours(cause):
        return raised, _MEND
    return raised, TOO_LONG if isinstance(cause, MemoryError) else _GUARD


def _is_ours(error: BaseException) -> bool:
    """Whether an action refused what it was given, and so says itself what it takes."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("worker.model.")


def _problem(playbook: Playbook, example: Example, lists: Lists) -> Problem | None:
    """What is wrong with the example, if anything."""
    try:
        expected = _expected(example)
        event = event_of(example, playbook.on, playbook.needs)
        context = context_of(example, lists, sees_context=playbook.sees_context)
        actions = playbook.decide(event, context)
    except ExampleError as error:
        return _at(playbook, example, *error.args)
    except PlaybookFailure as failure:
        return _failed(playbook, example, failure)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - reading an author's objects runs the author's code
        what = f"{example}: raised {type(error).__name__}: {shown(error, str)} while it was read"
        return _at(
            playbook, example, clip(what, 300), "give plain values: text, numbers, lists, dictionaries"
        )
    if why := next((why for action in actions if (why := refusal(action))), ""):
        return _at(playbook, example, f"{example}: {why}", _NARROWER)
    return _mismatch(playbook, example, expected, actions)


def _mismatch(
    playbook: Playbook, example: Example, expected: Pairs | None, actions: tuple[Action, ...]
) -> Problem | None:
    came = sorted((action.kind, action.target) for action in actions)
    if example.acts == bool(came) and (expected is None or sorted(expected) == came):
        return None
    wanted = _shown(expected) if expected else "an action" if example.acts else "nothing"
    message = f"{example}: expected {wanted}, got {_shown(came)}{_reasons(actions)}"
    tuned = changed(playbook)
    remedy = f"{_CHANGE}; {PARAMS} says {tuned}" if tuned else _CHANGE
    return _at(playbook, example, message, remedy, _diff(example, expected, came))


def _failed(playbook: Playbook, example: Example, failure: PlaybookFailure) -> Problem:
    what, remedy = failure_fault(failure, playbook)
    if failure.__cause__ is None:
        return _at(playbook, example, f"{example}: {what}", remedy)
    message = f"{what} while it decided {example} of line {example.line}"
    return Problem(failure.path, failure.line, playbook.id, message, remedy)


def _expected(example: Example) -> Pairs | None:
    if example.expect is None:
        return None
    try:
        pairs = [(str(kind), str(target)) for kind, target in example.expect]
    except (Exception, SystemExit):  # noqa: BLE001 - whatever it is, it is no list
        pairs = []
    if not pairs:
        raise ExampleError(f"{example}: expect={shown(example.expect)} is no list of pairs", _PAIRS)
    return pairs


def _at(
    playbook: Playbook, example: Example, message: str, remedy: str, diff: tuple[str, ...] = ()
) -> Problem:
    return Problem(Path(example.path), example.line, playbook.id, message, remedy, diff)


def _diff(example: Example, expected: Pairs | None, came: Pairs) -> tuple[str, ...]:
    """Line by line what is missing, what is too much, and what is as it should be."""
    if expected is None:
        expected = [] if came or not example.acts else [("an action", "")]
    missing, surplus = Counter(expected) - Counter(came), Counter(came) - Counter(expected)
    same = Counter(expected) & Counter(came)
    lines = [
        (wish, mark)
        for mark, wishes in ((" ", same), ("-", missing), ("+", surplus))
        for wish in wishes.elements()
    ]
    return tuple(f"{mark} {_shown([wish])}" for wish, mark in sorted(lines))


def _shown(wishes: Pairs) -> str:
    return ", ".join(" to ".join(filter(None, wish)) for wish in wishes) or "nothing"


def _reasons(actions: tuple[Action, ...]) -> str:
    reasons = "; ".join(action.reason for action in actions if action.reason)
    return f" ({clip(reasons, 100)})" if reasons else ""
