"""One decision, as the worker would make it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.model.actions import Action
from worker.model.events import Event
from worker.model.history import PastAction
from worker.playbooks.context import Context, Lists
from worker.playbooks.deciding import Playbook
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.given import seen_by
from worker.playbooks.loader import lists_of, overrides_in
from worker.playbooks.parameters import in_force, with_values
from worker.playbooks.validation import playbook_of

if TYPE_CHECKING:
    from worker.playbooks.params import Params


def decide(
    playbook: Playbook | Callable[..., Any],
    event: Event,
    *,
    lists: Mapping[str, Collection[str]] | None = None,
    tables: Mapping[str, Iterable[Mapping[str, str]]] | None = None,
    now: datetime = EXAMPLE_NOW,
    history: Iterable[PastAction] = (),
    sender_history: Iterable[PastAction] = (),
    params: Params | Mapping[str, Any] | None = None,
) -> tuple[Action, ...]:
    """What the playbook wants done about the event; nothing is an empty tuple.

    Args:
        playbook: the decorated function.
        event: made by `detection`, `report` or `submission`, or any other event.
        lists: in the place of those that lie in `lists/` beside the playbook's file.
        tables: rows of lists with columns, in the place of those; with `lists` alone there are none.
        now: `context.now`; a fixed time, unless told otherwise, so that a test says the same every day.
        history: `context.history`, newest first.
        sender_history: `context.sender_history`, newest first.
        params: in the place of those that `params.toml` beside the playbook's file says; some of them as a mapping
            where the class is not at hand.

    Raises:
        ValueError: the function is no playbook, or what it declares, or `params.toml` says of it, is wrong.
        TypeError: the playbook is for another type of event, or of parameters.
        PlaybookFailure: the playbook raised, or returned what cannot be carried out.
    """
    asked = playbook if isinstance(playbook, Playbook) else playbook_of(playbook)
    if isinstance(params, Mapping) and asked.params is not None:
        params = type(asked.params)(**params)
    if params is not None and type(params) is not type(asked.params):
        raise TypeError(f"{asked.id} takes {type(asked.params).__name__}, not {type(params).__name__}")
    asked = _tuned(asked) if params is None and asked is not playbook else asked
    asked = asked if params is None else with_values(asked, params)
    if not isinstance(event, asked.on):
        raise TypeError(f"{asked.id} decides on a {asked.on.__name__}, not on a {type(event).__name__}")
    known = _lists(asked.path, lists, tables)
    context = Context(now, known, tuple(history), tuple(sender_history))
    return asked.decide(seen_by(event, asked.needs), context)


def _tuned(playbook: Playbook) -> Playbook:
    """With what stands beside it in `params.toml`."""
    if playbook.params is None:
        return playbook
    built = in_force(playbook, overrides_in(playbook.path.parent))
    if isinstance(built, Playbook):
        return built
    raise ValueError("\n".join(map(str, built)))


@cache
def _lists_beside(file: Path) -> Lists:
    return lists_of(file.parent)


def _lists(
    file: Path,
    lists: Mapping[str, Collection[str]] | None,
    tables: Mapping[str, Iterable[Mapping[str, str]]] | None,
) -> Lists:
    """As files hold them: entries in lower case."""
    if lists is None and tables is None:
        return _lists_beside(file)
    entries: Mapping[str, Collection[str]] = _lists_beside(file) if lists is None else lists
    return Lists(
        {name: frozenset(map(str.lower, lines)) for name, lines in entries.items()},
        {name: tuple(dict(row) for row in rows) for name, rows in (tables or {}).items()},
    )
