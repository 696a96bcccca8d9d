"""One playbook about many events: the loops that every message goes through.

Each playbook is asked about all events of a page before the next one's turn comes: Python calls one function over and
over faster than many in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any

from worker.model.actions import Action
from worker.model.events import Event
from worker.playbooks.conditions.base import Test
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook, PlaybookFailure, WaitsError
from worker.playbooks.interrupts import by_a_person

Answer = tuple[Action, ...] | PlaybookFailure | WaitsError


def answers(
    playbook: Playbook, tests: Sequence[Test], events: Sequence[Event], contexts: Sequence[Context]
) -> Iterator[tuple[int, Answer]]:
    """What the playbook wants of these events, or why it cannot tell; with the event's place, in their order.

    `tests`: what has to hold before its function is called.
    """
    rest = iter(events)
    seen = iter(contexts) if tests or playbook.takes_context else None
    while True:
        answer: Answer
        try:
            wanted = (
                _next(playbook.function, rest) if seen is None else _next_where(playbook, tests, rest, seen)
            )
            if wanted is None:
                return
            answer = playbook.actions(wanted[1], wanted[0])
        except BaseException as error:
            # SystemExit too: a playbook must not be able to end the worker.
            if by_a_person(error):
                raise
            answer = playbook.failure(error)
        if answer:
            yield len(events) - 1 - length_hint(rest), answer


def _next(function: Callable[..., Any], rest: Iterator[Event]) -> tuple[Event, Any] | None:
    """The next event of which a function wants anything, and what. As little as possible for each that it passes."""
    for event in rest:
        if (wanted := function(event)) is not None:
            return event, wanted
    return None


def _next_where(
    playbook: Playbook, tests: Sequence[Test], rest: Iterator[Event], contexts: Iterator[Context]
) -> tuple[Event, Any] | None:
    """The same for a playbook with conditions or a context."""
    function, takes_context = playbook.function, playbook.takes_context
    for event, context in zip(rest, contexts, strict=False):
        for test in tests:
            if not test(event, context):
                break
        else:
            wanted = function(event, context) if takes_context else function(event)
            if wanted is not None:
                return event, wanted
    return None


GUARDED = (
    Playbook.decide.__code__,
    Playbook.actions.__code__,
    _next.__code__,
    _next_where.__code__,
)
"""What runs author code while an event is decided, inside of what turns whatever that raises into a failure."""
