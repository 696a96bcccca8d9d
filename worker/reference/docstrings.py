"""What the code says of itself: docstrings in parts, and the strings behind fields, which only the source holds."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

_HEADS = ("Args:", "Raises:")


class Doc(NamedTuple):
    """A docstring: prose in paragraphs, and the meaning of each argument and each exception."""

    paragraphs: tuple[str, ...]
    args: Mapping[str, str]
    raises: Mapping[str, str]

    @property
    def title(self) -> str:
        """The first paragraph."""
        return self.paragraphs[0] if self.paragraphs else ""


@cache
def doc_of(thing: Any) -> Doc:
    """The docstring of a class, function or property; empty where it has none of its own."""
    return parse(inspect.cleandoc(thing.__doc__ or ""))


def parse(text: str) -> Doc:
    """Takes a docstring in the style of this project apart."""
    paragraphs: list[str] = []
    named: dict[str, dict[str, str]] = {head: {} for head in _HEADS}
    for block in filter(None, text.split("\n\n")):
        head, _, rest = block.partition("\n")
        if head in named:
            named[head] = dict(_items(rest))
        else:
            paragraphs.append(flat(block))
    return Doc(tuple(paragraphs), named["Args:"], named["Raises:"])


def _items(text: str) -> list[tuple[str, str]]:
    """`name: meaning`, the meaning perhaps on several lines."""
    items = re.split(r"\n(?=\S)", textwrap.dedent(text))
    return [(name, flat(meaning)) for name, _, meaning in (item.partition(":") for item in items)]


@cache
def field_docs(kind: type) -> Mapping[str, str]:
    """The meaning of each field: the string that stands behind it, in the class or in those that it comes from."""
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        if part.__module__.startswith("worker."):
            source = ast.parse(textwrap.dedent(inspect.getsource(part)))
            body = next(node.body for node in source.body if isinstance(node, ast.ClassDef))
            found |= _after_fields(body)
    return found


def _after_fields(body: Sequence[ast.stmt]) -> dict[str, str]:
    found = {}
    for field, after in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match after:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = flat(text)
    return found


class Helper(NamedTuple):
    """A property or method: how it is written, what it gives, and its meaning."""

    call: str
    gives: str
    meaning: str


def helpers(kind: type) -> Mapping[str, Helper]:
    """What a class offers beyond its fields."""
    found = {}
    for name, value in vars(kind).items():
        function = value.fget if isinstance(value, property) else value
        if inspect.isfunction(function) and not name.startswith("_"):
            names = ", ".join([*inspect.signature(function).parameters][1:])
            call = name if isinstance(value, property) else f"{name}({names})"
            gives = str(inspect.get_annotations(function)["return"])
            found[name] = Helper(call, gives, " ".join(doc_of(function).paragraphs))
    return found


def flat(text: str) -> str:
    """In one line."""
    return " ".join(text.split())
