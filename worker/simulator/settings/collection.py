"""The entries of one settings resource, and how they are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Literal
from uuid import UUID

import msgspec

from worker.simulator.envelope import unknown_id

from .filters import ListParams
from .resources import Resource

Entry = dict[str, Any]
_PAGING = frozenset(msgspec.structs.asdict(ListParams()))


class Change(msgspec.Struct, kw_only=True, frozen=True):
    """Something that truly happened to a setting, for tests to compare with what a client believes.

    `entry` is what the entry became, None when it was deleted; `at` is seconds since 1970; `request` is the
    number of the request as in the request log.
    """

    resource: str
    operation: Literal["delete", "patch", "put", "post"]
    id: str
    entry: Entry | None
    at: float
    request: int


class Collection:
    """The entries of one resource, in the order of their creation; an entry is replaced, never altered."""

    def __init__(
        self, resource: Resource, draw: Random, clock: Callable[[], float], changes: list[Change]
    ) -> None:
        self.resource = resource
        self.entries: dict[str, Entry] = {}
        self._draw = draw
        self.clock = clock
        self._changes = changes

    def listed(self, params: ListParams) -> list[Entry]:
        """What matches, in the order asked for."""
        filters = {
            name: value
            for name, value in msgspec.structs.asdict(params).items()
            if name not in _PAGING and value is not None
        }
        rows = [self.shown(entry) for entry in self.entries.values()]
        found = [entry for entry in rows if self._matches(entry, filters, (params.search or "").lower())]
        if params.order != "created_at":
            found.sort(key=lambda entry: str(entry[params.order]))
        return found[::-1] if params.direction == "desc" else found

    def shown(self, entry: Entry) -> Entry:
        """An entry as it stands now."""
        return self.resource.shown(entry, int(self.clock() * 1000))

    def get(self, name: str) -> Entry:
        """One entry; raises ApiError if there is none."""
        return self.shown(entry_of(self.entries, name))

    def keep(self, entries: dict[str, Entry], changes: Iterable[Change]) -> None:
        """Lets a change take effect."""
        self.entries = entries
        self._changes += changes

    def draw_id(self) -> str:
        """An id that was never used."""
        return str(UUID(int=self._draw.getrandbits(128), version=4))

    def _matches(self, entry: Entry, filters: Mapping[str, Any], search: str) -> bool:
        matched = self.resource.matched
        return all(
            matched[name](wanted, entry) if name in matched else entry[name] == wanted
            for name, wanted in filters.items()
        ) and any(search in str(entry[name] or "").lower() for name in self.resource.new.__struct_fields__)


def entry_of(entries: Mapping[str, Entry], name: str, pointer: str | None = None) -> Entry:
    """The entry of this id; raises ApiError if there is none."""
    try:
        return entries[name]
    except KeyError:
        raise unknown_id(name, "entry", pointer) from None
