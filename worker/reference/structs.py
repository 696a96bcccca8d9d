"""Tables of what there is to read: the fields of events and of what is fetched, with types and meanings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, get_args, get_type_hints

import msgspec

from worker.model.events import EVENT_TYPES, Event
from worker.model.known import Enrichment
from worker.model.needs import NEEDS
from worker.playbooks.examples import event_of, hit
from worker.reference.docstrings import doc_of, field_docs, helpers
from worker.reference.markdown import code, literal, table

Kind = type[msgspec.Struct]


def event(kind: type[Event]) -> str:
    """One event: what it has, and what follows from that."""
    given = event_of(hit(), kind)
    meanings = field_docs(kind)
    fields = [
        (code(field), code(annotated(kind, field)), code(_given(getattr(given, field))), meanings[field])
        for field in kind.__struct_fields__
    ]
    return "\n\n".join([
        f"### {code(kind.__name__)}",
        *doc_of(kind).paragraphs,
        table(("field", "type", "in examples, if left out", "meaning"), fields),
        *_follows(kind, without=(*NEEDS, "why_missing")),
    ])  # fmt: skip


def parts_of_events() -> str:
    """What events hold that has fields of its own."""
    return "\n\n".join(struct(kind) for kind in _within(EVENT_TYPES) if kind not in EVENT_TYPES)


def parts_of_needs() -> str:
    """The same of what is fetched."""
    known = {*EVENT_TYPES, *_within(EVENT_TYPES)}
    return "\n\n".join(struct(kind) for kind in _within([Enrichment]) if kind not in known)


def struct(kind: Kind, without: Collection[str] = ()) -> str:
    """One kind of value; `without` are helpers that are not for authors."""
    meanings = field_docs(kind)
    fields = [
        (code(field), code(annotated(kind, field)), meanings[field]) for field in kind.__struct_fields__
    ]
    parts = [
        f"### {code(kind.__name__)}",
        *doc_of(kind).paragraphs,
        table(("field", "type", "meaning"), fields),
    ]
    return "\n\n".join([*parts, *_follows(kind, without)])


def annotated(kind: type, field: str) -> str:
    """The type of a field, as its author wrote it."""
    written = next(
        str(one.__annotations__[field]) for one in kind.__mro__ if field in inspect.get_annotations(one)
    )
    return re.sub(r"\bText\b", "str", written)


def _follows(kind: Kind, without: Collection[str] = ()) -> Iterator[str]:
    rows = [
        (code(one.call), code(one.gives), one.meaning)
        for name, one in helpers(kind).items()
        if name not in without
    ]
    if rows:
        yield "Follows from these, and is never given in an example:"
        yield table(("helper", "type", "meaning"), rows)


def _within(kinds: Iterable[type]) -> list[Kind]:
    """Every struct that these hold, however deep, in the order of the fields."""
    found: dict[Kind, None] = {}
    waiting = [hint for kind in kinds for hint in get_type_hints(kind).values()]
    while waiting:
        hint = waiting.pop(0)
        waiting[:0] = get_args(hint)
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct) and hint not in found:
            found[hint] = None
            waiting += get_type_hints(hint).values()
    return list(found)


def _given(value: Any) -> str:
    """A value as an example gives it."""
    if isinstance(value, EVENT_TYPES):
        return "{}"
    if isinstance(value, msgspec.Struct):
        return _given({name: one for name in value.__struct_fields__ if (one := getattr(value, name))})
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(name)}: {_given(one)}" for name, one in value.items()) + "}"
    return literal(list(value) if isinstance(value, tuple) else value)
