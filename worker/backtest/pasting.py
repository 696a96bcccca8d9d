"""A real event as the text of an example: only the fields that the playbook reads, ready to be pasted into its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import defstruct
from msgspec.structs import asdict, fields

from worker.backtest.redacting import IDS
from worker.model.actions import Action
from worker.model.events import Detection, Event, Properties, ReportFields, Validation
from worker.model.needs import NEEDS
from worker.playbooks.before import HISTORIES, BeforeError, past_from
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook, PlaybookFailure, WaitsError
from worker.playbooks.examples import DEFAULTS, EXAMPLE_NOW, Example, ExampleError, event_of

Wants = list[tuple[str, str]]
"""Kind and target."""
Read = dict[str, "Read"]
"""Names of the fields that were read, and of those of theirs."""


def wants(actions: Sequence[Action]) -> Wants:
    """What is wanted, in a settled order."""
    return sorted((action.kind, action.target) for action in actions)


def pasted(playbook: Playbook, event: Event, context: Context) -> str:
    """`hit(...)` or `miss(...)`, with a comment where an example cannot decide as the event was decided.

    `event` as the playbook sees it, with what was fetched.
    """
    now = wants(playbook.decide(event, context))
    given, before = _given(playbook, event, context), _before(playbook, context)
    arguments = [f"{name}={_source(value)}" for name, value in {**given, **before}.items()]
    arguments += [f"expect={_source(now)}"] if now else []
    text = f"{'hit' if now else 'miss'}({', '.join(arguments)}),"
    again = _again(playbook, given, before, context)
    if again == now:
        return text
    told = again if isinstance(again, str) else f"wants {again or 'nothing'}"
    return f"# as an example it {told}: the time of the decision or an id matters\n{text}"


def _given(playbook: Playbook, event: Event, context: Context) -> dict[str, Any]:
    """The arguments: what conditions and function read, where that is not as in every example."""
    read: Read = {}
    watched = _watched(event, read)
    if not _called(playbook, watched, context):
        return _plain(event, read)
    # The function alone: what the worker reads of the message afterwards is not the playbook's.
    found = playbook.function(watched, context) if playbook.takes_context else playbook.function(watched)
    if not isinstance(found, Action) and found is not None:
        list(found)
    return _plain(event, read)


def _called(playbook: Playbook, event: Event, context: Context) -> bool:
    """Whether all conditions hold. Those that cost nothing are all looked at: an example shows what each of them saw."""
    free = [one for one in playbook.when if not any(leaf.needs for leaf in one.leaves())]
    dear = [one for one in playbook.when if one not in free]
    seen = [one.look(event, context).holds for one in free]
    return all(seen) and all(one.look(event, context).holds for one in dear)


def _watched(value: Any, read: Read) -> Any:
    """The same value; which of its fields are read is noted, and of those that are structs themselves, theirs."""
    kind = type(value)

    def noting(self: object, name: str) -> Any:
        found, noted = object.__getattribute__(self, name), read.setdefault(name, {})
        return _watched(found, noted) if name in kind.__struct_fields__ and _is_row(found) else found

    namespace = {"__getattribute__": noting}
    watched = defstruct("Watched", (), bases=(kind,), namespace=namespace, frozen=True, kw_only=True)
    return watched(**asdict(value))


def _is_row(value: object) -> bool:
    return isinstance(value, Detection | Validation | Properties | ReportFields)


def _plain(value: Any, read: Read) -> dict[str, Any]:
    """What was read of it, as an example gives it."""
    usual = DEFAULTS.get(_row_type(value), {})
    chosen: dict[str, Any] = {}
    for field in fields(type(value)):
        name, found = field.name, getattr(value, field.name)
        if name not in read or name in IDS or name.startswith("_"):
            continue
        if _is_row(found):
            told = _plain(found, read[name])
            chosen |= {name: told} if told else {}
        elif name in usual or found != _default(field):
            chosen[name] = _builtin(found)
    for need in NEEDS:
        if need in read:
            chosen[need] = _builtin(getattr(value, need))
    return chosen


def _row_type(value: Any) -> type[Any]:
    return next((kind for kind in DEFAULTS if isinstance(value, kind)), type(value))


def _default(field: Any) -> Any:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _builtin(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        given = {field.name: (getattr(value, field.name), _default(field)) for field in fields(type(value))}
        return {name: _builtin(one) for name, (one, usual) in given.items() if one != usual}
    if isinstance(value, tuple):
        return [_builtin(one) for one in value]
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _source(value: Any) -> str:
    """As Python, in ASCII: what acts or hides in a text is written as an escape."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_source(name)}: {_source(one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_source, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    text = ascii(value)
    return f'"{text[1:-1]}"' if isinstance(value, str) and '"' not in text else text


def _before(playbook: Playbook, context: Context) -> dict[str, Any]:
    """The histories, where the playbook may look at them."""
    if not playbook.sees_context:
        return {}
    return {name: list(msgspec.to_builtins(past)) for name in HISTORIES if (past := getattr(context, name))}


def _again(
    playbook: Playbook, given: Mapping[str, Any], before: Mapping[str, Any], context: Context
) -> Wants | str:
    example = Example(acts=True, fields=given, expect=None, path="", line=0)
    try:
        event = event_of(example, playbook.on, playbook.needs)
        past = {name: past_from(name, told, EXAMPLE_NOW) for name, told in before.items()}
        return wants(playbook.decide(event, Context(EXAMPLE_NOW, context.lists, **past)))
    except (ExampleError, BeforeError) as error:
        return f"is none ({error.args[0]})"
    except (PlaybookFailure, WaitsError) as error:
        return f"cannot be decided ({error})"
