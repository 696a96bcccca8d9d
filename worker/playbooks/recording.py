"""Frozen values that note what is read of them: the same values under the same types, for `worker explain`."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar, cast

import msgspec

S = TypeVar("S", bound=msgspec.Struct)
_HIDDEN = ("_recorder", "_place")


class Recorder:
    """What has been read while it was `listening`, by how an author would write it; each once, in its order."""

    def __init__(self) -> None:
        self.read: dict[str, Any] = {}
        self._listens = False

    def listen(self, *, on: bool) -> None:
        """Begins to note what is read, or notes nothing any more."""
        self._listens = on

    def wrap(self, value: S, place: str) -> S:
        """The value, of a type below its own, that tells this recorder what is read of it."""
        kind = type(value)
        fields = {name: getattr(value, name) for name in kind.__struct_fields__}
        return cast("S", _recorded(kind)(**fields, _recorder=self, _place=place))

    def got(self, instance: Any, name: str) -> Any:
        """Reads a field or a helper of a wrapped value."""
        if not self._listens:
            return object.__getattribute__(instance, name)
        # What a helper reads itself is its own affair.
        self._listens = False
        try:
            value = object.__getattribute__(instance, name)
        finally:
            self._listens = True
        if callable(value):
            return value
        place = f"{object.__getattribute__(instance, '_place')}.{name}"
        if isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
            self.read.setdefault(place, f"{len(value)} of them")
            return tuple(self.wrap(one, f"{place}[{number}]") for number, one in enumerate(value))
        if isinstance(value, msgspec.Struct):
            return self.wrap(value, place)
        self.read.setdefault(place, value)
        return value


@cache
def _recorded(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    def get(self: Any, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        recorder: Recorder = object.__getattribute__(self, "_recorder")
        return recorder.got(self, name)

    return msgspec.defstruct(
        kind.__name__,
        [(name, Any) for name in _HIDDEN],
        bases=(kind,),
        namespace={"__getattribute__": get},
        frozen=True,
        kw_only=True,
    )
