"""Examples that travel with a playbook: `hit(...)` must be acted on, `miss(...)` must not."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from worker.model.events import Detection, Event, PhishReport, Submission
from worker.model.known import view
from worker.playbooks.before import HISTORIES, NOW, BeforeError, moment_from, past_from
from worker.playbooks.context import Context
from worker.playbooks.given import GivenError, apart, known_from
from worker.playbooks.problems import clip, nearest, shown

EXAMPLE_NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The time at which examples are decided: fixed, so that a check says the same every day."""

_SCANNED_AT = datetime(2026, 11, 20, 11, 55, tzinfo=UTC)
DEFAULTS: dict[type[msgspec.Struct], dict[str, Any]] = {
    Detection: {
        "id": "4Njp3P0STMz2c02Q-2026-11-20T11:55:00-00000001",
        "postfix_id": "4Njp3P0STMz2c02Q",
        "message_id": "<example@sender.example>",
        "client_recipients": ("user@corp.example",),
        "to": ("user@corp.example",),
        "envelope_to": ("user@corp.example",),
        "scanned_at": _SCANNED_AT,
        "sent_at": _SCANNED_AT,
    },
    PhishReport: {
        "id": 1,
        "title": "Example report",
        "fields": {"postfix_id": "4Njp3P0STMz2c02Q"},
        "created_at": _SCANNED_AT,
        "updated_at": _SCANNED_AT,
        "message": {},
    },
    Submission: {
        "submission_id": "00000000-0000-4000-8000-000000000001",
        "type": "User",
        "requested_at": _SCANNED_AT,
        "requested_by": "user@corp.example",
        "original_postfix_id": "4Njp3P0STMz2c02Q",
        "message": {},
    },
}
_ALIASES = {
    "from": "sender",
    "from_": "sender",
    "recipients": "client_recipients",
    "verdict": "final_disposition",
}


@dataclass(frozen=True, slots=True)
class Example:
    """An event by the fields that matter. `expect`: (kind, target) pairs, None where any action will do.

    `before` is what a context has: what the worker did before, by the names of the histories, and the time.
    """

    acts: bool
    fields: Mapping[str, Any]
    expect: Any
    path: str
    line: int
    before: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = {**self.fields, **self.before}
        fields = ", ".join(f"{name}={shown(value)}" for name, value in given.items())
        return f"{'hit' if self.acts else 'miss'}({clip(fields, 300)})"


class ExampleError(Exception):
    """An example that describes no event: `args` are the message and the remedy."""


def hit(*, expect: Sequence[tuple[str, str]] | None = None, **fields: Any) -> Example:
    """An event that the playbook must act on.

    The fields are those of the event type, nested ones as dictionaries: `validation={"dmarc": "fail"}`; of a
    report or a submission `message={...}` or `message=None`. What is left out has a fixed, harmless value. `expect`
    names the actions that must come, as pairs of kind and target: `expect=[("move", "JunkEmail")]`. What the playbook
    needs is given as the fields are: `attachments=[{"name": "a.exe"}]`, `raw="From: ..."`; `raw=None` is what the
    vendor refuses, `missing={"raw": "gone"}` says why. So is what was done before: `history=[{"kind": "move"}]`,
    `sender_history=[{"kind": "block_sender", "at": "2026-11-19T12:00:00Z"}]`, and the time of the decision where it
    matters: `now="2026-11-21T03:00:00Z"`.
    """
    return _example(expect, fields, acts=True)


def miss(**fields: Any) -> Example:
    """An event that the playbook must leave alone; fields as in `hit`."""
    return _example(None, fields, acts=False)


def event_of(example: Example, on: type[Event], needs: Collection[str] = ()) -> Event:
    """The event that an example describes, as a playbook with these needs sees it.

    Raises:
        ExampleError: an unknown field, a value of the wrong type, a time without zone, or what is not among the needs.
    """
    fields, given = _fields_and_given(example.fields, on)
    try:
        known = known_from(given, needs)
    except GivenError as error:
        raise ExampleError(f"{example}: {error.args[0]}", error.args[1]) from None
    row = _row(fields, on, "")
    try:
        event = msgspec.convert(row, on)
    except msgspec.ValidationError as error:
        raise ExampleError(
            f"wrong value in {example}: {str(error).replace('$.from', '$.sender')}",
            "give the field a value of its type; docs/authors/reference.md lists the fields and their types",
        ) from None
    _require_zones(event, "")
    return view(event, known, frozenset(needs)) if needs else event


def context_of(example: Example, lists: Mapping[str, frozenset[str]], *, sees_context: bool) -> Context:
    """The context in which an example is decided: at EXAMPLE_NOW or its `now`, with what it says was done before.

    Raises:
        ExampleError: no history, or the playbook has no parameter for it.
    """
    if example.before and not sees_context:
        name = next(iter(example.before))
        what = f"`{name}` in {example} goes nowhere: the playbook takes no context"
        raise ExampleError(what, "give the function a second parameter, `context`")
    try:
        now = moment_from(example.before.get(NOW, EXAMPLE_NOW))
        past = {name: past_from(name, given, now) for name, given in example.before.items() if name != NOW}
    except BeforeError as error:
        raise ExampleError(f"{example}: {error.args[0]}", error.args[1]) from None
    return Context(now=now, lists=lists, **past)


def _fields_and_given(fields: Mapping[str, Any], on: type[Event]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the event, and what is given beyond the row of its message."""
    if on is Detection:
        return apart(fields)
    message = fields.get("message")
    if not isinstance(message, Mapping):
        return dict(fields), {}
    row, given = apart(message)
    return {**fields, "message": row}, given


def _example(expect: object, fields: dict[str, Any], *, acts: bool) -> Example:
    frame = inspect.currentframe()
    caller = frame.f_back.f_back if frame and frame.f_back else None
    path = caller.f_code.co_filename if caller else ""
    before = {name: fields.pop(name) for name in (NOW, *HISTORIES) if name in fields}
    line = caller.f_lineno if caller else 0
    return Example(acts=acts, fields=fields, expect=expect, path=path, line=line, before=before)


def _row(fields: Mapping[str, Any], kind: type[msgspec.Struct], place: str) -> dict[str, Any]:
    """The fields under the API's names, with defaults, ready for msgspec."""
    known = _fields(kind)
    row: dict[str, Any] = {}
    for name, value in {**DEFAULTS.get(kind, {}), **fields}.items():
        if name not in known:
            raise _unknown_field(name, kind, place, known)
        inner = _struct_in(known[name].type)
        nested = inner is not None and isinstance(value, Mapping)
        row[known[name].encode_name] = _row(value, inner, f"{place}{name}.") if inner and nested else value
    return row


@cache
def _fields(kind: type[msgspec.Struct]) -> Mapping[str, msgspec.structs.FieldInfo]:
    """By name. Asking msgspec costs a millisecond, and each example asks several times."""
    return {field.name: field for field in msgspec.structs.fields(kind)}


def _struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The struct that a field holds, also where it may be None."""
    for part in getattr(hint, "__args__", (hint,)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _unknown_field(
    name: str, kind: type[msgspec.Struct], place: str, known: Mapping[str, Any]
) -> ExampleError:
    message = f"unknown field `{place}{name}` of {kind.__name__}"
    if isinstance(inspect.getattr_static(kind, name, None), property):
        return ExampleError(message, f"`{name}` follows from other fields: set those instead")
    if _ALIASES.get(name) in known:
        return ExampleError(message, f"write `{_ALIASES[name]}`")
    return ExampleError(
        message + nearest(name, known),
        "use a field's name as docs/authors/reference.md lists it: " + clip(", ".join(known), 400),
    )


def _require_zones(value: object, place: str) -> None:
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ExampleError(
            f"`{place}` has no time zone", 'write an aware time, such as "2026-11-20T11:55:00Z"'
        )
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _require_zones(getattr(value, name), f"{place}.{name}".lstrip("."))
