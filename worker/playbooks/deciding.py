"""One playbook that can decide. Whatever an author got wrong becomes a PlaybookFailure, never more."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from worker.errors import WorkerError
from worker.model.actions import Action, Mode
from worker.model.events import Detection, Event, message_of
from worker.model.kinds import ACTION_TYPES, contradicts
from worker.model.needs import UnfetchedError
from worker.model.storable import storable
from worker.playbooks.conditions.base import Condition, Leaf, Test, cheap_first
from worker.playbooks.context import Context, UnknownListError
from worker.playbooks.declaration import Caps
from worker.playbooks.examples import Example
from worker.playbooks.guard import NotRunAgainError, Overran
from worker.playbooks.interrupts import by_a_person
from worker.playbooks.needs import undeclared_fault
from worker.playbooks.problems import nearest

if TYPE_CHECKING:
    from worker.playbooks.params import Params

ACTIONS_LIMIT = 50
"""The most actions that one playbook may want on one event."""
REASON_LIMIT = 500
"""Longer reasons are cut: they may quote mail and go to the ledger and the audit log."""

_encode = msgspec.json.Encoder().encode
_NAMES = ", ".join(one.__name__ for one in ACTION_TYPES)
_EXPECTED = f"expected None, an action ({_NAMES}), or a list of them"


class PlaybookFailure(WorkerError):
    """A playbook raised or returned what cannot be carried out; `path` and `line` are the author's.

    The message never quotes mail. `__cause__`, where the author's code raised, may: it is not for logs.
    """

    overran = False
    """Whether it was stopped for taking too long."""

    def __init__(self, message: str, *, playbook: str, path: Path, line: int) -> None:
        # The path may have bytes that are no UTF-8; the message goes to the ledger and the audit log.
        super().__init__(storable(message))
        self.playbook = playbook
        self.path = path
        self.line = line


class WaitsError(WorkerError):
    """A playbook reads something that it needs and that is not there yet: ask it again when it is."""

    def __init__(self, need: str) -> None:
        super().__init__(f"waits for {need}")
        self.need = need


@dataclass(frozen=True, slots=True, eq=False)
class Playbook:
    """A loaded playbook. `version` changes with its source and that of the rules modules that it imports."""

    id: str
    on: type[Event]
    mode: Mode
    owner: str
    caps: Caps
    examples: tuple[Example, ...]
    function: Callable[..., Any]
    takes_context: bool
    version: str
    title: str
    path: Path
    line: int
    needs: frozenset[str] = frozenset()
    when: tuple[Condition, ...] = ()
    """What must hold before the function is called."""
    params: Params | None = None
    """The parameters in force, which `function` gets by itself."""
    tests: tuple[Test, ...] = field(init=False, repr=False)
    """The same for asking, what has to be fetched last."""
    sees_context: bool = field(init=False)
    """Whether it may look at more than its event."""

    def __post_init__(self) -> None:
        aware = self.takes_context or any(leaf.reads_context for leaf in self.leaves)
        object.__setattr__(self, "sees_context", aware)
        object.__setattr__(self, "tests", tuple(one.test(self.on) for one in cheap_first(self.when)))

    @property
    def leaves(self) -> Iterator[Leaf]:
        """The single conditions of `when`."""
        return (leaf for one in self.when for leaf in one.leaves())

    def decide(self, event: Event, context: Context) -> tuple[Action, ...]:
        """What the playbook wants done about the event; nothing is an empty tuple.

        Raises:
            PlaybookFailure: the author's code raised, or returned what is no action on this message.
            WaitsError: it came to read one of its needs, which is not there yet.
        """
        try:
            for test in self.tests:
                if not test(event, context):
                    return ()
            wanted = self.function(event, context) if self.takes_context else self.function(event)
            return () if wanted is None else self.actions(wanted, event)
        except BaseException as error:
            # SystemExit too: a playbook must not be able to end the worker.
            if by_a_person(error):
                raise
            failure = self.failure(error)
            raise failure from failure.__cause__

    def failure(self, error: BaseException) -> PlaybookFailure | WaitsError:
        """What to make of an error that came while the playbook was asked."""
        if isinstance(error, PlaybookFailure):
            return error
        if isinstance(error, UnfetchedError) and error.need in self.needs:
            return WaitsError(error.need)
        failure = self._undeclared(error) if isinstance(error, UnfetchedError) else self._raised(error)
        failure.__cause__ = error
        return failure

    def actions(self, wanted: object, event: Event) -> tuple[Action, ...]:
        """What the function returned, as actions. It may run the author's code: a generator."""
        if isinstance(wanted, ACTION_TYPES):
            return (self._action(wanted, event),)
        if inspect.iscoroutine(wanted):
            wanted.close()  # or Python warns that it was never awaited
            raise self._failure("returned a coroutine; a playbook is a plain function: write `def`")
        if not isinstance(wanted, Iterable) or isinstance(wanted, str | bytes | Mapping | msgspec.Struct):
            raise self._failure(f"returned {_a(wanted)}; {_EXPECTED}")
        items = list(islice(wanted, ACTIONS_LIMIT + 1))
        if len(items) > ACTIONS_LIMIT:
            raise self._failure(f"returned more than {ACTIONS_LIMIT} actions for one event")
        actions = [self._action(item, event) for item in items]
        # One wish stated twice is one wish.
        distinct = {(action.kind, action.target, action.subject): action for action in actions}
        self._refuse_contradiction(list(distinct.values()))
        return tuple(distinct.values())

    def _action(self, item: object, event: Event) -> Action:
        if not isinstance(item, ACTION_TYPES):
            raise self._failure(f"returned {_a(item)} among its actions; {_EXPECTED}")
        action: Any = item
        if not action.concerns(event):
            raise self._failure(f"returned a {type(item).__name__} of another message than the event's own")
        if not isinstance(action.reason, str):
            raise self._failure(
                f"returned a {type(item).__name__} whose reason is {_a(action.reason)}; expected text"
            )
        if type(action.reason) is not str or len(action.reason) > REASON_LIMIT or not action.reason.isascii():
            action = msgspec.structs.replace(action, reason=storable(action.reason[:REASON_LIMIT]))
        if not _can_be_stored(action, event):
            what = f"returned a {type(item).__name__} that cannot be stored: a text in it has half of a surrogate pair"
            raise self._failure(f"{what}, or is of a class of its own; make it plain text with `str`")
        return action  # type: ignore[no-any-return]

    def _refuse_contradiction(self, wishes: list[Action]) -> None:
        for index, one in enumerate(wishes):
            for other in wishes[index + 1 :]:
                same = one.subject == other.subject
                if same and contradicts(one.kind, one.target, other.kind, other.target):
                    both = " and ".join(
                        f"{wish.kind} to {wish.target}".removesuffix(" to ") for wish in (one, other)
                    )
                    raise self._failure(f"returned {both} for one message: they contradict each other")

    def _failure(self, what: str) -> PlaybookFailure:
        message = f"playbook {self.id} ({self.path}:{self.line}) {what}"
        return PlaybookFailure(message, playbook=self.id, path=self.path, line=self.line)

    def _undeclared(self, read: UnfetchedError) -> PlaybookFailure:
        path, line = _author_line(read.__traceback__, self.path) or (self.path, self.line)
        what, remedy = undeclared_fault(read.need, self.needs)
        message = f"playbook {self.id} ({path}:{line}) {what}; {remedy}"
        return PlaybookFailure(message, playbook=self.id, path=path, line=line)

    def _raised(self, error: BaseException) -> PlaybookFailure:
        path, line = _author_line(error.__traceback__, self.path) or (self.path, self.line)
        message = f"playbook {self.id}: {type(error).__name__} at {path}:{line}{_hint(error)}"
        failure = PlaybookFailure(message, playbook=self.id, path=path, line=line)
        failure.overran = isinstance(error, Overran)
        return failure


def _can_be_stored(action: Action, event: Event) -> bool:
    """Whether what the ledger keeps of it can be written as JSON; else the whole page could not be."""
    own, kept = action.message, [action.reason, action.target, action.subject, action.params]
    if own is not None and own is not message_of(event):
        kept += [getattr(own, name) for name in Detection.__struct_fields__]
    try:
        _encode(kept)
    except (TypeError, ValueError):
        return False
    return True


def _author_line(trace: TracebackType | None, path: Path) -> tuple[Path, int] | None:
    """File and line of the innermost frame that lies in the playbook's folder."""
    found = None
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.parent == path.parent:
            found = file, trace.tb_lineno
        trace = trace.tb_next
    return found


def _hint(error: BaseException) -> str:
    """What can be said of an exception without its text, which may quote mail."""
    if isinstance(error, Overran | NotRunAgainError):
        return f" ({error})"
    if isinstance(error, UnknownListError):
        return f" (no such list; known lists: {', '.join(error.known) or 'none'})"
    if not isinstance(error, AttributeError) or not _in_code(error):
        return ""
    if error.obj is None:
        return f" (None has no `{error.name}`)"
    if isinstance(error.obj, msgspec.Struct):
        kind = type(error.obj)
        known = [name for name in dir(kind) if not name.startswith("_")]
        return f" ({kind.__name__} has no `{error.name}`{nearest(error.name, known)})"
    return ""


def _in_code(error: AttributeError) -> bool:
    """Whether the attribute's name stands in the author's code (and was not computed, perhaps from mail)."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and error.name in trace.tb_frame.f_code.co_names


def _a(value: object) -> str:
    if value is None or isinstance(value, type):
        return "None" if value is None else f"the class {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
