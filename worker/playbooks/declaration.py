"""The decorator attaches what the author declared and changes nothing else; the loader validates it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from worker.model.events import Event
from worker.model.needs import Need
from worker.playbooks.conditions.base import Condition
from worker.playbooks.examples import Example

if TYPE_CHECKING:
    from worker.playbooks.params import Params

MARK = "__playbook__"
"""The attribute under which a function carries its Declaration."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one playbook may do before a person is asked: a plan over a cap is held whole.

    Args:
        per_poll: actions from one poll.
        per_hour: actions in any hour.
        per_day: actions in any 24 hours; no such cap where it is left out.
        share: of the messages that a poll brings, such as 0.2; plans of up to ten actions are not held by it.

    Raises:
        ValueError: a cap that is no positive whole number, or a share that is not above 0 and at most 1.
    """

    per_poll: int = 100
    per_hour: int = 500
    per_day: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if field.name == "share":
                if type(value) not in (int, float) or not 0 < value <= 1:
                    raise ValueError(f"Caps(share={value!r}): expected a number above 0 and at most 1")
            elif type(value) is not int or value < 1:
                raise ValueError(f"Caps({field.name}={value!r}): expected a positive whole number")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the decorator was given, unchecked: wrong values must reach the loader, which knows the line."""

    on: object
    id: object
    mode: object
    owner: object
    caps: object
    examples: object
    needs: object
    when: object
    params: object
    repeated: bool
    line: int
    """Of the decorator."""


def playbook(
    *,
    on: type[Event],
    id: str | None = None,  # noqa: A002 - the public name
    mode: str = "shadow",
    owner: str = "",
    caps: Caps = Caps(),
    examples: Sequence[Example] = (),
    needs: Sequence[Need] = (),
    when: Sequence[Condition] = (),
    params: type[Params] | None = None,
) -> Callable[[_Function], _Function]:
    """Marks a function as a playbook; the function itself stays as it is and can be called as before.

    Args:
        on: the events that the function decides on: `Detection`, `PhishReport` or `Submission`.
        id: letters, digits, dashes and underscores; the function's name with dashes where it is left out.
        mode: `shadow`, `approve` or `enforce`; WORKER_MODE and the operator can only lower it.
        owner: whom to ask about this playbook.
        caps: how much it may do in one poll, in an hour, in a day, and of a poll's messages.
        examples: `hit(...)` and `miss(...)`, run by `worker check`.
        needs: what the function may read of a message beyond the list's row: `details`, `action_log`, `trace`, `raw`,
            `attachments`. It is fetched where the function comes to read it: check what is cheap first.
        when: conditions of `worker.playbooks.conditions` that must all hold before the function is called.
        params: a class that extends `Params`: what operators may set in `params.toml`. The function gets the values as
            its last parameter, `params`.
    """
    frame = inspect.currentframe()
    line = frame.f_back.f_lineno if frame and frame.f_back else 0

    def mark(function: _Function) -> _Function:
        repeated = MARK in vars(function)
        setattr(
            function,
            MARK,
            Declaration(on, id, mode, owner, caps, examples, needs, when, params, repeated, line),
        )
        return function

    return mark
