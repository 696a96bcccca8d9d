"""Why a playbook wants something of an event, or does not: its conditions, what its function read, where it returned."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, NamedTuple

from worker.model.actions import Action
from worker.model.events import Event
from worker.model.needs import UnfetchedError
from worker.playbooks.conditions.base import Condition, Sight, nothing
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook
from worker.playbooks.loops import answers
from worker.playbooks.recording import Recorder


class Account(NamedTuple):
    """What came of asking a playbook about an event."""

    when: tuple[Sight, ...]
    """Each condition with what it saw."""
    called: bool
    """Whether the function was called: where all conditions hold."""
    read: Mapping[str, Any]
    """What the function read, with its value."""
    line: int | None
    """The line of the playbook's file on which the function returned, or raised."""
    wanted: tuple[Action, ...]
    failure: str
    """Why it could not tell; empty where it could."""

    @property
    def unmet(self) -> str:
        """The first condition that does not hold; empty where all do."""
        return next((one.name for one in self.when if not one.holds), "")


def account(playbook: Playbook, event: Event, context: Context) -> Account:
    """Asks the playbook as the worker does, and watches it."""
    when = _looked_at(playbook.when, event, context)
    if not all(one.holds for one in when):
        return Account(when, called=False, read={}, line=None, wanted=(), failure="")
    recorder = Recorder()
    name, *_ = playbook.function.__code__.co_varnames
    seen, beside = recorder.wrap(event, name), recorder.wrap(context, "context")
    with _watching(playbook.function.__code__, recorder) as lines:
        answer = next((answer for _, answer in answers(playbook, (), [seen], [beside])), ())
    line = lines[-1] if lines else None
    if isinstance(answer, tuple):
        return Account(when, called=True, read=recorder.read, line=line, wanted=answer, failure="")
    return Account(when, called=True, read=recorder.read, line=line, wanted=(), failure=str(answer))


def _looked_at(when: tuple[Condition, ...], event: Event, context: Context) -> tuple[Sight, ...]:
    """All of them, also behind one that does not hold; but nothing that would have to be fetched in vain."""
    cheap = {one: one.look(event, context) for one in when if not any(leaf.needs for leaf in one.leaves())}
    met = all(sight.holds for sight in cheap.values())
    return tuple(cheap.get(one) or _needy(one, event, context, met=met) for one in when)


def _needy(one: Condition, event: Event, context: Context, *, met: bool) -> Sight:
    if not met:
        return Sight(one.name, *nothing({}, "not looked at: another condition does not hold"))
    try:
        return one.look(event, context)
    except UnfetchedError as read:
        return Sight(one.name, *nothing({}, f"waits for {read.need}, which has not been fetched"))


@contextmanager
def _watching(code: CodeType, recorder: Recorder) -> Iterator[list[int]]:
    """Lets the recorder listen while a frame of this code runs, and notes the lines on which such frames return."""
    lines: list[int] = []

    def leave(frame: FrameType, event: str, _: Any) -> Any:
        if event == "return":
            lines.append(frame.f_lineno)
            recorder.listen(on=False)
        return leave

    def enter(frame: FrameType, _: str, __: Any) -> Any:
        if frame.f_code is not code:
            return None
        frame.f_trace_lines = False
        recorder.listen(on=True)
        return leave

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        yield lines
    finally:
        sys.settrace(before)
