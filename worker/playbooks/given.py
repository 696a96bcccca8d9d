"""What an example gives beyond the list's row: enrichment, as the worker would have fetched it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from worker.model import mail
from worker.model.enrichment import Attachment, Details, LogEntry, Raw, Trace
from worker.model.events import Detection, Event, message_of
from worker.model.known import REFUSED, Enriched, Known, known_of, settle_attachments, view
from worker.model.needs import NEEDS
from worker.playbooks.needs import remedy_for
from worker.playbooks.problems import clip, nearest

KINDS: dict[str, Any] = {
    "details": Details,
    "action_log": tuple[LogEntry, ...],
    "trace": Trace,
    "raw": Raw,
    "attachments": tuple[Attachment, ...],
}
"""What each need is."""
_HARMLESS: dict[str, Any] = {
    "details": Details(),
    "action_log": (),
    "trace": Trace(),
    "raw": Raw(),
    "attachments": (),
}
MISSING = "missing"
_LEFT_OUT = f"{REFUSED}: the example says None"


class GivenError(Exception):
    """What is given is no such thing: `args` are the message and the remedy."""


def apart(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of a message's row, and what is given beyond it."""
    given = {name: value for name, value in fields.items() if name in NEEDS or name == MISSING}
    return {name: value for name, value in fields.items() if name not in given}, given


def known_from(given: Mapping[str, Any], needs: Collection[str]) -> Known:
    """What an example gives; needs that it leaves out are there and empty.

    Raises:
        GivenError: of another kind, or not among the needs.
    """
    values = dict(given)
    missing = values.pop(MISSING, {})
    if not isinstance(missing, Mapping) or not all(isinstance(why, str) for why in missing.values()):
        raise GivenError(f"missing={missing!r}: expected needs with reasons", 'write missing={"raw": "gone"}')
    for need in (*values, *missing):
        if need not in needs:
            raise GivenError(f"`{need}` is not among the playbook's needs", remedy_for(need, needs))
    known = Known()
    for need, value in {**values, **dict.fromkeys(missing)}.items():
        if value is None:
            known.miss(need, missing.get(need, _LEFT_OUT))
        else:
            known.add(need, _value(need, value))
    if not known.has("attachments") and known.found.keys() & {"details", "raw"}:
        _derive(known)
    for need in needs:
        if not known.has(need):
            known.add(need, _HARMLESS[need])
    return known


def seen_by(event: Event, needs: Collection[str]) -> Event:
    """An event that was written down, as a playbook with these needs sees it; what is not given is there and empty."""
    message = message_of(event)
    if message is None or not (needs or isinstance(message, Enriched)):
        return event
    given = known_of(message)
    known = Known({need: given.found.get(need, _HARMLESS[need]) for need in needs}, dict(given.missing))
    row = Detection(**{name: getattr(message, name) for name in Detection.__struct_fields__})
    plain = row if isinstance(event, Detection) else replace(event, message=row)
    return view(plain, known, frozenset(needs))


def _derive(known: Known) -> None:
    """The attachments, as they follow from what else is given."""
    whole = Known(
        {"details": None, "raw": None} | known.found, dict.fromkeys(NEEDS, _LEFT_OUT) | known.missing
    )
    settle_attachments(whole)
    known.found["attachments"] = whole.found["attachments"]
    if whole.found["attachments"] is None:
        known.missing["attachments"] = whole.missing["attachments"]


def _value(need: str, value: Any) -> Any:
    if need == "raw" and isinstance(value, str | bytes):
        try:
            return mail.read(value)
        except mail.TooLargeError as error:
            raise GivenError(f"`raw` has {error}", "shorten it, or write raw=None") from None
    for place, name, kind in _unknown(value, KINDS[need], need):
        known = [field.name for field in msgspec.structs.fields(kind)]
        what = f"unknown field `{place}.{name}` of {kind.__name__}{nearest(name, known)}"
        raise GivenError(what, f"use one of {', '.join(known)}")
    try:
        return msgspec.convert(value, KINDS[need])
    except msgspec.ValidationError as error:
        what = clip(f"wrong value in `{need}`: {error}", 300)
        raise GivenError(what, "docs/authors/reference.md lists what it holds, under Needs") from None


def _unknown(value: Any, hint: Any, place: str) -> Iterator[tuple[str, str, type[msgspec.Struct]]]:
    """Names that no field of the struct has, with the place where they stand."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _unknown(item, next(iter(get_args(hint)), None), place)
    elif isinstance(value, Mapping) and isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        known = {field.name: field.type for field in msgspec.structs.fields(hint)}
        for name, inner in value.items():
            if name in known:
                yield from _unknown(inner, known[name], f"{place}.{name}")
            else:
                yield place, str(name), hint
