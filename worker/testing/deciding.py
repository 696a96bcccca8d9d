"""One decision, as the worker would make it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from worker.model.actions import Action
from worker.model.events import Event
from worker.model.history import PastAction
from worker.playbooks.context import Context, Lists
from worker.playbooks.deciding import Playbook
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.given import seen_by
from worker.playbooks.loader import lists_of
from worker.playbooks.validation import playbook_of


def decide(
    playbook: Playbook | Callable[..., Any],
    event: Event,
    *,
    lists: Mapping[str, Collection[str]] | None = None,
    now: datetime = EXAMPLE_NOW,
    history: Iterable[PastAction] = (),
    sender_history: Iterable[PastAction] = (),
) -> tuple[Action, ...]:
    """What the playbook wants done about the event; nothing is an empty tuple.

    Args:
        playbook: the decorated function.
        event: made by `detection`, `report` or `submission`, or any other event.
        lists: in the place of those that lie in `lists/` beside the playbook's file.
        now: `context.now`; a fixed time, unless told otherwise, so that a test says the same every day.
        history: `context.history`, newest first.
        sender_history: `context.sender_history`, newest first.

    Raises:
        ValueError: the function is no playbook, or what it declares is wrong.
        TypeError: the playbook is for another type of event.
        PlaybookFailure: the playbook raised, or returned what cannot be carried out.
    """
    asked = playbook if isinstance(playbook, Playbook) else playbook_of(playbook)
    if not isinstance(event, asked.on):
        raise TypeError(f"{asked.id} decides on a {asked.on.__name__}, not on a {type(event).__name__}")
    known = _lists_beside(asked.path) if lists is None else _lists(lists)
    context = Context(now, known, tuple(history), tuple(sender_history))
    return asked.decide(seen_by(event, asked.needs), context)


@cache
def _lists_beside(file: Path) -> Lists:
    return lists_of(file.parent)


def _lists(entries: Mapping[str, Collection[str]]) -> Lists:
    """As files hold them: lower-case."""
    return Lists({name: frozenset(map(str.lower, lines)) for name, lines in entries.items()})
