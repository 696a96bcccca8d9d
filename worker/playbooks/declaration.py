"""The decorator attaches what the author declared and changes nothing else; the loader validates it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from worker.model.events import Detection, PhishReport
from worker.playbooks.examples import Example

MARK = "__playbook__"
"""The attribute under which a function carries its Declaration."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Caps:
    """How much one playbook may do before a person is asked: a plan over a cap is held whole.

    Raises:
        ValueError: a cap that is no positive whole number.
    """

    per_poll: int = 100
    per_hour: int = 500

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is not int or value < 1:
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
    repeated: bool


def playbook(
    *,
    on: type[Detection | PhishReport],
    id: str | None = None,  # noqa: A002 - the public name
    mode: str = "shadow",
    owner: str = "",
    caps: Caps = Caps(),
    examples: Sequence[Example] = (),
) -> Callable[[_Function], _Function]:
    """Marks a function as a playbook; the function itself stays as it is and can be called as before.

    Args:
        on: the events that the function decides on, `Detection` or `PhishReport`.
        id: lower-case words joined by dashes; the function's name with dashes where it is left out.
        mode: `shadow`, `approve` or `enforce`; WORKER_MODE and the operator can only lower it.
        owner: whom to ask about this playbook.
        caps: how much it may do in one poll and in an hour.
        examples: `hit(...)` and `miss(...)`, run by `worker check`.
    """

    def mark(function: _Function) -> _Function:
        repeated = MARK in vars(function)
        setattr(function, MARK, Declaration(on, id, mode, owner, caps, examples, repeated))
        return function

    return mark
