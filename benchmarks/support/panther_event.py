"""An event as Panther hands it to rules: a read-only mapping that wraps what it gives, with `deep_get`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


class PantherEvent(Mapping[str, Any]):
    """Modelled on `panther_core.enriched_event`: nothing that a rule is given can be changed by it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        return _frozen(self._data[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def deep_get(self, *keys: str, default: Any = None) -> Any:
        """What lies under these keys."""
        found: Any = self
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
            if found is None:
                return default
        return found


class PantherList(Sequence[Any]):
    """A read-only list."""

    def __init__(self, data: Sequence[Any]) -> None:
        self._data = data

    def __getitem__(self, at: Any) -> Any:
        return _frozen(self._data[at])

    def __len__(self) -> int:
        return len(self._data)


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return PantherEvent(value)
    return PantherList(value) if isinstance(value, list | tuple) else value
