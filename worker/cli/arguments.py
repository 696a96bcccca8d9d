"""Arguments as commands get them: whatever is typed in another encoding than UTF-8 must not keep one from working."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from worker.model.storable import storable

_PLAIN = "_gets_plain_arguments"


def give_plain(app: typer.Typer) -> None:
    """From now on its commands, and those of its groups, get texts that can be stored and shown."""
    for command in app.registered_commands:
        if command.callback is not None and not hasattr(command.callback, _PLAIN):
            command.callback = _with_plain(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            give_plain(group.typer_instance)


def _with_plain(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def given(**values: Any) -> Any:
        return command(**{name: _plain(value) for name, value in values.items()})

    setattr(given, _PLAIN, True)
    return given


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    # Files may have any name, also where a text may name one.
    return storable(value) if type(value) is str and not os.path.lexists(value) else value
