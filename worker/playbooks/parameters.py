"""The parameters in force of each playbook: the author's defaults with what `params.toml` says, bound to its function.

Whoever's parameters are wrong does not run: with the defaults it would do what an operator has ruled out.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import update_wrapper
from hashlib import sha256
from reprlib import repr  # noqa: A004 - bounded, and safe where an author's __repr__ fails
from types import FunctionType
from typing import TYPE_CHECKING, Any

import msgspec

from worker.playbooks.deciding import Playbook
from worker.playbooks.guard import Overran
from worker.playbooks.overrides import Overrides
from worker.playbooks.problems import Fault, Problem, clip, known_as, nearest, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from worker.playbooks.params import Params

PARAMETER = "params"
"""The name under which a function takes them."""
_DECLARE = "write class Limits(Params): days: int = 30, and params=Limits in the decorator"


def model_faults(model: object) -> Iterator[Fault]:
    """What is wrong with the decorator's `params`."""
    from pydantic import ValidationError  # noqa: PLC0415 - only playbooks with parameters need it

    from worker.playbooks.params import Params  # noqa: PLC0415

    if not (inspect.isclass(model) and issubclass(model, Params)) or model is Params:
        yield f"params={repr(model)}: expected a class of your own that extends Params", _DECLARE
        return
    for name, field in model.model_fields.items():
        if field.is_required():
            what = f"parameter `{name}` has no default"
            yield what, "give it one: without params.toml the playbook runs with the defaults"
            return
    try:
        yield from _changeable(model())
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            yield f"the default of {_what(detail)}", "correct the default, or the bounds"


def bound(function: Callable[..., Any], values: Params) -> Callable[..., Any]:
    """A copy of the function that gets these parameters by itself: a plain function like the author's, no wrapper."""
    plain: Any = function
    copy = FunctionType(
        plain.__code__, plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    update_wrapper(copy, function)
    copy.__kwdefaults__ = plain.__kwdefaults__
    if inspect.signature(function).parameters[PARAMETER].kind is inspect.Parameter.KEYWORD_ONLY:
        copy.__kwdefaults__ = {**(plain.__kwdefaults__ or {}), PARAMETER: values}
    else:
        copy.__defaults__ = (*(plain.__defaults__ or ())[:-1], values)
    del copy.__dict__["__wrapped__"]
    return copy


def tuned(found: Iterable[Playbook], overrides: Overrides) -> tuple[list[Playbook], list[Problem]]:
    """The playbooks with their parameters in force, without those whose parameters are wrong."""
    playbooks = list(found)
    tunable = {one.id: one for one in playbooks if one.params is not None}
    if overrides.problem is not None:
        problem = replace(overrides.problem, stops=_files(tunable.values()))
        return [one for one in playbooks if one.params is None], [problem]
    whole, problems, meant = [], [], set()
    for name in sorted(overrides.tables.keys() - tunable.keys()):
        # Who was probably meant must not go on without what was to be said.
        likely = get_close_matches(name, tunable.keys() - overrides.tables.keys(), n=1)
        meant.update(likely)
        stops = _files(tunable[one] for one in likely)
        problems.append(replace(_stranger(name, playbooks, overrides), stops=stops))
    for one in playbooks:
        built = [] if one.id in meant else in_force(one, overrides)
        if isinstance(built, Playbook):
            whole.append(built)
        else:
            problems += built
    return whole, problems


def in_force(playbook: Playbook, overrides: Overrides) -> Playbook | list[Problem]:
    """The playbook with the parameters that the file gives it; its version covers them."""
    values = playbook.params
    if values is None:
        return playbook
    if overrides.problem is not None:
        return [overrides.problem]
    from pydantic import ValidationError  # noqa: PLC0415 - only playbooks with parameters need it

    def problem(what: str, remedy: str, *keys: str | int) -> Problem:
        line = overrides.line_of(playbook.id, *keys)
        return Problem(overrides.path, line, playbook.id, what, remedy, stops=(known_as(playbook.path),))

    table = overrides.tables.get(playbook.id, {})
    if not isinstance(table, Mapping):
        return [
            problem(f"`{playbook.id}` is no table", f"write [{playbook.id}], and below it {_some(values)}")
        ]
    try:
        if table:
            # As JSON, where an array may become a tuple or a set, and a text a date, and nothing else is bent.
            values = type(values).model_validate_json(json.dumps(table, default=str))
        faults = [problem(*fault) for fault in _changeable(values)]
        return faults or with_values(playbook, values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        return [problem(*_told(detail, values), *detail["loc"]) for detail in details]
    except (Exception, Overran) as error:  # noqa: BLE001 - a model is the author's code
        what = clip(f"the parameters cannot be read: {type(error).__name__}: {shown(error, str)}")
        return [problem(what, "keep code out of the model: fields with defaults and bounds")]


def with_values(playbook: Playbook, values: Params) -> Playbook:
    """The playbook with other parameters, under a version of its own."""
    version = sha256(playbook.version.encode() + _canonical(values)).hexdigest()[:12]
    return replace(playbook, function=bound(playbook.function, values), params=values, version=version)


def changed(playbook: Playbook) -> str:
    """The parameters that are not the author's own: `days = 3, words = ["toner"]`; empty where all are."""
    if playbook.params is None:
        return ""
    own = dumped(type(playbook.params)())
    now = dumped(playbook.params).items()
    return ", ".join(f"{name} = {json.dumps(value)}" for name, value in now if value != own.get(name))


def dumped(values: Params) -> dict[str, Any]:
    """The values as JSON has them."""
    return msgspec.json.decode(_canonical(values))  # type: ignore[no-any-return]


def _canonical(values: Params) -> bytes:
    from pydantic_core import to_jsonable_python  # noqa: PLC0415 - it is there where values are

    return msgspec.json.encode(values.model_dump(), order="deterministic", enc_hook=to_jsonable_python)


def _stranger(name: str, playbooks: Sequence[Playbook], overrides: Overrides) -> Problem:
    """A table of nobody who has parameters."""
    line, known = overrides.line_of(name), {one.id for one in playbooks}
    if name in known:
        remedy = "remove the table, or declare some: params=Limits in its decorator"
        return Problem(overrides.path, line, name, "the playbook has no parameters", remedy)
    takers = sorted(one.id for one in playbooks if one.params is not None)
    remedy = f"name one that has parameters, or remove the table: {', '.join(takers) or 'there is none'}"
    what = f"no playbook {repr(name)} is loaded{nearest(name, takers)}"
    return Problem(overrides.path, line, "", what, remedy)


def _told(detail: ErrorDetails, values: Params) -> Fault:
    name, nested = str(detail["loc"][0]) if detail["loc"] else "", len(detail["loc"]) > 1
    known = tuple(type(values).model_fields)
    if detail["type"] == "extra_forbidden":
        hint = "" if nested else nearest(name, known)
        return f"no parameter `{_path(detail)}`{hint}", f"it has {', '.join(known)}"
    default = (
        shown(type(values).model_fields[name].get_default(call_default_factory=True)) if name in known else ""
    )
    return _what(detail), f"correct the value, or remove it: the default is {clip(default, 60)}"


def _what(detail: ErrorDetails) -> str:
    said = detail["msg"]
    return clip(f"`{_path(detail)}` is {repr(detail['input'])}: {said[:1].lower()}{said[1:]}")


def _path(detail: ErrorDetails) -> str:
    return ".".join(map(str, detail["loc"]))


def _changeable(values: Params) -> Iterator[Fault]:
    for name in type(values).model_fields:
        value = getattr(values, name)
        try:
            hash(value)
        except TypeError:
            yield (
                f"parameter `{name}` is a {type(value).__name__}, which can be changed",
                ("annotate it tuple[str, ...] or frozenset[str], or with a class that extends Params"),
            )


def _some(values: Params) -> str:
    return "; ".join(f"{name} = ..." for name in type(values).model_fields)


def _files(playbooks: Iterable[Playbook]) -> tuple[str, ...]:
    return tuple(sorted({known_as(one.path) for one in playbooks}))


GUARDED = (in_force.__code__,)
"""What runs the author's models, and turns whatever they raise into a Problem."""
