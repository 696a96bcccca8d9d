"""Whether a function can be called with an event, and what its annotations say of that."""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from worker.model.actions import Action
from worker.model.kinds import ACTION_TYPES
from worker.playbooks.context import Context
from worker.playbooks.parameters import PARAMETER
from worker.playbooks.problems import Fault

_SEQUENCES = (
    list,
    tuple,
    set,
    frozenset,
    collections.abc.Sequence,
    collections.abc.Collection,
    collections.abc.Iterable,
    collections.abc.Iterator,
)
_SIGNATURE = "write def {name}(event: {on}{more}) or def {name}(event: {on}, context: Context{more})"


def takes_context(function: Callable[..., Any]) -> bool:
    """Whether the function wants the second parameter; only for functions without `signature_faults`."""
    return len(_apart(function)[0]) == 2  # noqa: PLR2004 - event and context


def signature_faults(function: Callable[..., Any], on: type, model: object = None) -> Iterator[Fault]:
    """What is wrong with the function's kind, parameters and annotations; `model` is what it declares as `params`."""
    more = "" if model is None else f", {PARAMETER}: {_shown(model)}"
    remedy = _SIGNATURE.format(name=function.__name__, on=on.__name__, more=more)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield "is `async`; a playbook waits for nothing", "write `def` in the place of `async def`"
        return
    if inspect.isgeneratorfunction(function):
        yield (
            "is a generator: nothing of it runs when it is called",
            "build a list and return it: -> list[Move]",
        )
        return
    parameters, tuned = _apart(function)
    names = ", ".join(str(one).partition(":")[0] for one in [*parameters, *tuned]) or "nothing"
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not 1 <= len(parameters) <= 2 or any(one.kind not in positional for one in parameters):  # noqa: PLR2004
        yield f"takes {names}; expected one event and at most one more parameter named `context`", remedy
    elif len(parameters) > 1 and parameters[1].name != "context":
        yield f"its second parameter is `{parameters[1].name}`; only `context` can be passed", remedy
    elif tuned and model is None:
        what = f"takes `{PARAMETER}`, but its decorator declares none"
        yield what, f"write @playbook(..., {PARAMETER}=Limits), where Limits extends Params"
    elif model is not None and not tuned:
        yield (
            f"declares {PARAMETER}={_shown(model)}, but takes no `{PARAMETER}` as its last parameter",
            remedy,
        )
    else:
        gets = dict(zip([one.name for one in parameters], (on, Context), strict=False))
        gets |= {
            one.name: model for one in tuned if isinstance(model, type) and hasattr(model, "model_fields")
        }
        yield from _annotation_faults(function, gets)


def unannotated(function: Callable[..., Any]) -> list[str]:
    """What an editor and a type checker cannot check: parameters, and `the return value`, without annotations."""
    named = inspect.get_annotations(function)
    parameters = [f"`{name}`" for name in inspect.signature(function).parameters if name not in named]
    return parameters + ["the return value"] * ("return" not in named)


def _apart(function: Callable[..., Any]) -> tuple[list[inspect.Parameter], list[inspect.Parameter]]:
    """The parameters for the event and the context, and the one for `params` where there is one."""
    found = list(inspect.signature(function).parameters.values())
    named = len(found) > 1 and found[-1].name == PARAMETER
    single = named and found[-1].kind in (
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return (found[:-1], found[-1:]) if single else (found, [])


def _annotation_faults(function: Callable[..., Any], gets: Mapping[str, type]) -> Iterator[Fault]:
    try:
        hints = typing.get_type_hints(function)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - annotations are the author's code
        yield (
            f"its annotations cannot be read: {type(error).__name__}: {error}",
            "import the names at the file's top, not under TYPE_CHECKING",
        )
        return
    for number, (name, expected) in enumerate(gets.items()):
        hint = hints.get(name, Any)
        if not _accepts(hint, expected):
            yield (
                f"its parameter `{name}` is annotated {_shown(hint)} but gets a {expected.__name__}",
                f"annotate it {expected.__name__}" + (", or change `on`" if not number else ""),
            )
    if "return" in hints and not _is_wish(hints["return"]):
        yield (
            f"its return annotation is {_shown(hints['return'])}",
            f"return None, an action ({', '.join(one.__name__ for one in ACTION_TYPES)}), or a list: -> Move | None",
        )


def _accepts(hint: Any, expected: type) -> bool:
    if hint is Any or hint is object or hint is expected:
        return True
    return any(_accepts(part, expected) for part in typing.get_args(hint)) if _is_union(hint) else False


def _is_wish(hint: Any) -> bool:
    """Whether an annotation promises None, actions, or sequences and unions of them."""
    if hint is type(None) or hint in _SEQUENCES:
        return True
    if isinstance(hint, type) and issubclass(hint, Action):
        return True
    parts = typing.get_args(hint)
    known = _is_union(hint) or typing.get_origin(hint) in _SEQUENCES
    return known and all(part is Ellipsis or _is_wish(part) for part in parts)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _shown(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
