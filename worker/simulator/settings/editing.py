"""A change of entries: each method is one operation of the API, and nothing shows until it is kept.

Where the vendor's documents are silent the simulator decides, on the harsh side: an entry that exists already is
created a second time, and ids are never used again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from worker.simulator.envelope import invalid
from worker.simulator.reading import decode
from worker.simulator.rows import to_rfc3339

from .collection import Change, Collection, Entry, entry_of

Json = bytes | msgspec.Raw


class Edit:
    """A change under way, on behalf of one request. Each method raises ApiError for what the vendor refuses."""

    def __init__(self, collection: Collection, request: int) -> None:
        self._collection = collection
        self._resource = collection.resource
        self._entries = dict(collection.entries)
        self._changes: list[Change] = []
        self._request = request
        self._now = collection.clock()

    def keep(self) -> None:
        """Lets what was done take effect."""
        self._collection.keep(dict(self._entries), self._changes)
        self._changes = []

    def delete(self, name: str, pointer: str | None = None) -> Entry:
        """Deletes an entry; what is left of it is its id."""
        entry_of(self._entries, name, pointer)
        del self._entries[name]
        self._note("delete", name, None)
        return {"id": name}

    def patch(self, name: str, body: Json, pointer: str | None = None) -> Entry:
        """Changes the fields that are sent."""
        before = entry_of(self._entries, name, pointer)
        fields = msgspec.to_builtins(decode(body, self._resource.part, pointer))
        return self._put("patch", name, before, fields, pointer)

    def put(self, name: str, body: Json, pointer: str | None = None) -> Entry:
        """Replaces an entry."""
        before = entry_of(self._entries, name, pointer)
        fields = msgspec.to_builtins(decode(body, self._resource.whole, pointer))
        return self._put("put", name, before, fields, pointer)

    def post(self, body: Json, pointer: str | None = None) -> Entry:
        """Creates an entry."""
        fields = msgspec.to_builtins(decode(body, self._resource.new, pointer))
        name = self._collection.draw_id()
        created = {"id": name, "created_at": self._time(), **self._resource.added}
        return self._put("post", name, None, created | fields, pointer)

    def _put(
        self,
        operation: Literal["patch", "put", "post"],
        name: str,
        before: Entry | None,
        fields: Entry,
        pointer: str | None,
    ) -> Entry:
        entry = (before or {}) | fields | {"modified_at": self._time()}
        try:
            self._resource.check(before, entry)
        except ValueError as error:
            raise invalid(str(error), pointer) from error
        self._entries[name] = entry
        self._note(operation, name, entry)
        return self._collection.shown(entry)

    def _note(
        self, operation: Literal["delete", "patch", "put", "post"], name: str, entry: Entry | None
    ) -> None:
        self._changes.append(
            Change(
                resource=self._resource.name,
                operation=operation,
                id=name,
                entry=entry,
                at=self._now,
                request=self._request,
            )
        )

    def _time(self) -> str:
        return to_rfc3339(int(self._now * 1000))
