"""What a file's code will do wrong where no example has come yet: seen in its source, without running it.

Only what is certain: names that an event does not have, folders and verdicts that no action takes, lists that are not
there. An example that comes to such a line tells the same; a line that none comes to would tell it in production.
"""

from __future__ import annotations

import ast
import inspect
import typing
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import msgspec

from worker.model.actions import DESTINATIONS, Move, Reclassify, Submit
from worker.model.events import DISPOSITIONS
from worker.model.kinds import ACTION_TYPES
from worker.playbooks.context import Context, Lists
from worker.playbooks.given import KINDS
from worker.playbooks.parameters import PARAMETER
from worker.playbooks.problems import Fault, nearest

Types = Mapping[str, type[msgspec.Struct]]
"""What names of a function stand for, as far as that is certain."""
_CHOICES: dict[object, tuple[str, tuple[str, ...]]] = {
    Move: ("destination", DESTINATIONS),
    Reclassify: ("disposition", DISPOSITIONS),
    Submit: ("disposition", DISPOSITIONS),
}
_FROZEN = "keep it in a variable of your own"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where names are looked up."""

    module: ModuleType
    types: Types
    rebound: Collection[str]
    lists: Lists | None

    def outer(self, node: ast.expr | None) -> object:
        """The value of a constant, or of a name of the module that the function leaves alone."""
        if isinstance(node, ast.Name) and node.id not in self.rebound:
            return vars(self.module).get(node.id)
        return node.value if isinstance(node, ast.Constant) else None


def foreseen(
    tree: ast.Module, module: ModuleType, on: Mapping[str, type], lists: Lists | None
) -> Iterator[tuple[str, int, Fault]]:
    """Function, line and fault of all that a module's functions will do wrong once they come there.

    `on` has the playbooks' events by the names of their functions; `lists` those that there are, None: unknown.
    """
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        bound = Counter(_bound(node))
        place = _Place(module, _known_types(node, module, on.get(node.name), bound), bound, lists)
        for inner in ast.walk(node):
            yield from ((node.name, inner.lineno, fault) for fault in _faults(inner, place))  # type: ignore[attr-defined]


def _faults(node: ast.AST, place: _Place) -> Iterator[Fault]:
    if isinstance(node, ast.Attribute):
        yield from _attribute_faults(node, place.types)
    elif isinstance(node, ast.Subscript) and place.lists is not None:
        yield from _list_faults(node, place, place.lists)
    elif isinstance(node, ast.Call):
        yield from _call_faults(node, place)


def _attribute_faults(node: ast.Attribute, types: Types) -> Iterator[Fault]:
    kind = _kind(node.value, types)
    if kind is None or node.attr.startswith("_"):
        return
    if not isinstance(node.ctx, ast.Load):
        yield f"changes `{node.attr}`: a {kind.__name__} is frozen", _FROZEN
    elif not hasattr(kind, node.attr):
        known = [name for name in dir(kind) if not name.startswith("_")]
        yield (
            f"reads `{node.attr}`, which no {kind.__name__} has{nearest(node.attr, known)}",
            "use a name that rules/README.md lists",
        )


def _list_faults(node: ast.Subscript, place: _Place, lists: Lists) -> Iterator[Fault]:
    read = node.value
    if not isinstance(read, ast.Attribute) or _kind(read.value, place.types) is not Context:
        return
    name = place.outer(node.slice)
    if type(name) is not str:
        return
    if read.attr == "lists" and name not in lists:
        known = ", ".join(sorted(lists)) or "none"
        yield f"no list {name!r}{nearest(name, lists)}", f"write lists/{name}.txt; known lists: {known}"
    elif read.attr == "tables" and name not in lists.tables:
        known = ", ".join(sorted(lists.tables)) or "none"
        remedy = f"write lists/{name}.csv with a line of column names; known tables: {known}"
        yield f"no list with columns {name!r}{nearest(name, lists.tables)}", remedy


def _call_faults(node: ast.Call, place: _Place) -> Iterator[Fault]:
    called = place.outer(node.func)
    action = next((one for one in ACTION_TYPES if one is called), None)
    if action is None:
        return
    fields = action.__struct_fields__
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    for name in given:
        if name is not None and name not in fields:
            yield (
                f"{action.__name__}() takes no `{name}`{nearest(name, fields)}",
                f"it takes {', '.join(fields)}",
            )
    noun, choices = _CHOICES.get(action, ("", ()))
    target = place.outer(given.get("to"))
    if noun and type(target) is str and target not in choices:
        what = f"{action.__name__}(to={target!r}): unknown {noun}{nearest(target, choices)}"
        yield what, f"choose one of {', '.join(choices)}"


def _known_types(
    node: ast.FunctionDef, module: ModuleType, on: type | None, bound: Mapping[str, int]
) -> Types:
    """Of parameters that are annotated with an event or Context, and of names for parts of them."""
    parameters = [*node.args.posonlyargs, *node.args.args]
    names = [one.arg for number, one in enumerate(parameters) if not number or one.arg != PARAMETER]
    ours = dict(zip(names, (on, Context), strict=False)) if on else {}
    types = {}
    for one in parameters:
        hint = ours.get(one.arg) if one.annotation is None else _annotated(one.annotation, module)
        if one.arg not in bound and (kind := _struct(hint)):
            types[one.arg] = kind
    own = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    for inner in ast.walk(node):
        named = _named(inner)
        if named and named[0] not in own and bound[named[0]] == 1 and (kind := _kind(named[1], types)):
            types[named[0]] = kind
    return types


def _annotated(hint: ast.expr, module: ModuleType) -> object:
    """The class that an annotation names, be it in quotes or beside None; nothing of it is run."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return _annotated(ast.parse(hint.value, mode="eval").body, module)
        except (SyntaxError, ValueError):
            return None
    if isinstance(hint, ast.BinOp) and isinstance(hint.right, ast.Constant) and hint.right.value is None:
        return _annotated(hint.left, module)
    return vars(module).get(hint.id) if isinstance(hint, ast.Name) else None


def _named(node: ast.AST) -> tuple[str, ast.expr] | None:
    """A plain name and what it is given."""
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    if isinstance(node, ast.NamedExpr):
        target = node.target
    if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.NamedExpr):
        return target.id, node.value
    return None


def _kind(node: ast.expr, types: Types) -> type[msgspec.Struct] | None:
    if isinstance(node, ast.Name):
        return types.get(node.id)
    if isinstance(node, ast.NamedExpr):
        return _kind(node.value, types)
    owner = _kind(node.value, types) if isinstance(node, ast.Attribute) else None
    return _part(owner, node.attr) if owner is not None and isinstance(node, ast.Attribute) else None


@cache
def _part(kind: type[msgspec.Struct], name: str) -> type[msgspec.Struct] | None:
    """The struct that an attribute of a struct holds, if it is one."""
    if name in KINDS:
        return _struct(KINDS[name])
    return _struct(_hints(kind).get(name))


@cache
def _hints(kind: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _struct(hint: Any) -> type[msgspec.Struct] | None:
    """The one struct that a hint allows; None among its parts does not count."""
    parts = [part for part in typing.get_args(hint) or (hint,) if part is not type(None)]
    (only,) = parts if len(parts) == 1 else (None,)
    return only if inspect.isclass(only) and issubclass(only, msgspec.Struct) else None


def _bound(node: ast.FunctionDef) -> Iterator[str]:
    """Names that are given a meaning inside the function, its own parameters apart."""
    own = {id(one) for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
            yield inner.id
        elif isinstance(inner, ast.arg) and id(inner) not in own:
            yield inner.arg
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef) and inner is not node:
            yield inner.name
        elif isinstance(inner, ast.alias | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            yield getattr(inner, "asname", None) or inner.name or ""
        elif isinstance(inner, ast.MatchMapping):
            yield inner.rest or ""
