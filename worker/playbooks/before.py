"""What an example says beside its event: what was done before, as the worker would have it, and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from worker.model.history import HISTORY_LIMIT, PastAction
from worker.playbooks.problems import clip, nearest

NOW, HISTORIES = "now", ("history", "sender_history")
_LEFT_OUT: dict[str, Any] = {"kind": "move", "target": "", "state": "succeeded", "playbook": ""}
_AWARE = 'write an aware time: now="2026-11-19T12:00:00Z"'
_DAY = timedelta(days=1)


class BeforeError(Exception):
    """What is given is no history: `args` are the message and the remedy."""


def past_from(name: str, given: object, now: datetime) -> tuple[PastAction, ...]:
    """The past actions, newest first; what one leaves out is a move that succeeded a day before.

    Raises:
        BeforeError: no list of past actions, or too many.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise BeforeError(
            f"{name}={clip(repr(given), 60)}: expected a list", f'write {name}=[{{"kind": "move"}}]'
        )
    if len(given) > HISTORY_LIMIT:
        raise BeforeError(f"`{name}` has {len(given)} past actions", f"give at most {HISTORY_LIMIT}")
    past = [_past(name, one, now - _DAY) for one in given]
    return tuple(sorted(past, key=lambda one: one.at, reverse=True))


def moment_from(given: object) -> datetime:
    """The time of the decision.

    Raises:
        BeforeError: no time, or one without a zone.
    """
    try:
        moment = msgspec.convert(given, datetime)
    except msgspec.ValidationError as error:
        raise BeforeError(clip(f"wrong value in `now`: {error}", 300), _AWARE) from None
    if moment.tzinfo is None:
        raise BeforeError("`now` has no time zone", _AWARE)
    return moment.astimezone(UTC)


def _past(name: str, given: object, at: datetime) -> PastAction:
    if isinstance(given, PastAction):
        return given
    known = msgspec.structs.fields(PastAction)
    if not isinstance(given, Mapping):
        what = f"`{name}` holds {clip(repr(given), 60)}"
        raise BeforeError(what, f"write each as a dictionary with {_names(known)}")
    if unknown := [key for key in given if key not in {field.name for field in known}]:
        what = f"unknown field `{name}.{unknown[0]}`{nearest(str(unknown[0]), [one.name for one in known])}"
        raise BeforeError(what, f"use one of {_names(known)}")
    try:
        past = msgspec.convert({**_LEFT_OUT, "at": at, **given}, PastAction)
    except msgspec.ValidationError as error:
        raise BeforeError(
            clip(f"wrong value in `{name}`: {error}", 300),
            "docs/authors/reference.md lists what it holds, under Context",
        ) from None
    if past.at.tzinfo is None:
        raise BeforeError(f"`{name}.at` has no time zone", 'write an aware time: "2026-11-19T12:00:00Z"')
    return msgspec.structs.replace(past, at=past.at.astimezone(UTC))


def _names(fields: Sequence[Any]) -> str:
    return ", ".join(field.name for field in fields)
