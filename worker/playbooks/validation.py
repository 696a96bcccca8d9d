"""From a decorated function to a Playbook, or to everything that is wrong with what its author declared."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from reprlib import repr  # noqa: A004 - bounded, and safe where an author's __repr__ fails
from typing import TYPE_CHECKING, Any, cast

from worker.model.actions import Mode
from worker.model.events import EVENT_TYPES, Detection
from worker.model.undoing import EXPIRY, UNDO
from worker.playbooks.conditions.base import Condition, Leaf, no_condition
from worker.playbooks.deciding import Playbook
from worker.playbooks.declaration import MARK, Caps, Declaration
from worker.playbooks.examples import Example
from worker.playbooks.needs import need_faults
from worker.playbooks.parameters import bound, model_faults
from worker.playbooks.problems import Fault, Problem, clip, nearest
from worker.playbooks.signature import signature_faults, takes_context

if TYPE_CHECKING:
    from worker.playbooks.params import Params

TAKEN = {UNDO: "`worker undo`", EXPIRY: "allowances that have expired"}
"""Ids that the ledger knows something else by."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def build(function: Any, path: Path, version: str) -> Playbook | tuple[Problem, ...]:
    """The playbook that the function was declared to be, or the problems that forbid it."""
    declared: Declaration = getattr(function, MARK)
    name = _id_of(function, declared)
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", declared.line)
    faults = tuple(_faults(function, declared))
    if faults:
        return tuple(Problem(path, line, clip(str(name), 64), *fault) for fault in faults)
    params = None if declared.params is None else cast("type[Params]", declared.params)()
    return Playbook(
        id=cast("str", name),
        on=cast("type[Detection]", declared.on),
        mode=Mode(cast("str", declared.mode)),
        owner=cast("str", declared.owner),
        caps=cast("Caps", declared.caps),
        examples=tuple(cast("list[Example]", declared.examples)),
        function=function if params is None else bound(function, params),
        takes_context=takes_context(function),
        version=version,
        title=_title(function) or str(name),
        path=path,
        line=line,
        needs=frozenset(cast("list[str]", declared.needs)).union(
            *(one.needs for one in _leaves(declared.when))
        ),
        when=tuple(cast("list[Condition]", declared.when)),
        params=params,
    )


def playbook_of(function: Callable[..., Any], *, version: str = "0" * 12) -> Playbook:
    """The playbook of one decorated function, without a rules folder: for tests.

    Raises:
        ValueError: the function is no playbook, or what it declares is wrong; the text lists every problem.
    """
    if not hasattr(function, MARK):
        raise ValueError(f"{function!r} is not decorated with @playbook(on=...)")
    code = getattr(function, "__code__", None)
    built = build(function, Path(code.co_filename if code else "."), version)
    if isinstance(built, Playbook):
        return built
    raise ValueError("\n".join(map(str, built)))


def _faults(function: Any, declared: Declaration) -> Iterator[Fault]:
    if not inspect.isfunction(function):
        yield (
            f"is a {type(function).__name__}; a playbook is a plain function",
            "put @playbook on top of a `def`",
        )
        return
    if declared.repeated:
        yield "is decorated with @playbook more than once", "write one function for each event type"
    yield from _id_faults(_id_of(function, declared))
    yield from _mode_faults(declared.mode)
    if not isinstance(declared.owner, str):
        yield f"owner={repr(declared.owner)}: expected text", 'write owner="soc@example.com"'
    if not isinstance(declared.caps, Caps):
        yield f"caps={repr(declared.caps)}: expected Caps", "write caps=Caps(per_poll=100, per_hour=500)"
    yield from _example_faults(declared.examples)
    yield from need_faults(declared.needs)
    yield from _when_faults(declared.when, declared.on)
    if declared.params is not None:
        yield from model_faults(declared.params)
    if declared.on in EVENT_TYPES:
        yield from signature_faults(function, cast("type", declared.on), declared.params)
    else:
        shown = getattr(declared.on, "__name__", None) or repr(declared.on)
        yield f"on={shown}: no such event type", "write on=Detection, on=PhishReport or on=Submission"


def _id_of(function: Any, declared: Declaration) -> object:
    name = getattr(function, "__name__", type(function).__name__)
    return name.replace("_", "-") if declared.id is None else declared.id


def _id_faults(name: object) -> Iterator[Fault]:
    if not isinstance(name, str) or not _ID.fullmatch(name):
        kebab = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-")[:64] or "my-playbook"
        yield (
            f"id {repr(name)}: expected letters, digits, dashes and underscores, at most 64 characters",
            f'write id="{kebab}"',
        )
    if name in TAKEN:
        yield f"id {name!r}: is taken by {TAKEN[str(name)]}", "choose another id"


def _mode_faults(mode: object) -> Iterator[Fault]:
    modes = [str(one) for one in Mode]
    if mode not in modes:
        yield f"mode={repr(mode)}: no such mode{nearest(mode, modes)}", f"choose one of {', '.join(modes)}"


def _example_faults(examples: object) -> Iterator[Fault]:
    remedy = 'write examples=[hit(final_disposition="SPOOF"), miss(final_disposition="NONE")]'
    if not isinstance(examples, list | tuple):
        yield f"examples: expected a list of hit(...) and miss(...), got {type(examples).__name__}", remedy
        return
    for index, example in enumerate(examples, 1):
        if not isinstance(example, Example):
            yield f"example {index} is a {type(example).__name__}; expected hit(...) or miss(...)", remedy


def _when_faults(when: object, on: object) -> Iterator[Fault]:
    if not isinstance(when, list | tuple):
        yield (
            f"when={repr(when)}: expected a list of conditions",
            'write when=[disposition("SPOOF"), delivered()]',
        )
        return
    yield from (no_condition(one) for one in when if not isinstance(one, Condition))
    for leaf in _leaves(when):
        yield from leaf.faults
        if leaf.of is not Detection and leaf.of is not on and not leaf.faults:
            yield (
                f"{leaf.name} is a condition on {leaf.of.__name__}",
                f"write on={leaf.of.__name__}, or leave it out",
            )


def _leaves(when: object) -> Iterator[Leaf]:
    return (leaf for one in cast("list[object]", when) if isinstance(one, Condition) for leaf in one.leaves())


def _title(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0].strip()
