"""What a playbook may know beside its event: the time, lists, what was done before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sized
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from worker.model.history import HISTORY_LIMIT, PastAction
from worker.playbooks.problems import nearest
from worker.playbooks.tables import Row


class UnknownListError(KeyError):
    """No such list: `known` are the lists that there are."""

    def __init__(self, name: object, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"no list {self.name!r}{nearest(self.name, self.known)}; known lists: {known}"


class Review(NamedTuple):
    """When somebody last looked through a list, as its file says; None where it does not."""

    path: Path
    line: int
    day: date | None


class Lists(Mapping[str, frozenset[str]]):
    """The lists of a rules folder by name, read-only: `lists["partners"]` is a set of lower-case entries.

    Raises:
        UnknownListError: a KeyError that names the known lists.
    """

    __slots__ = ("_digest", "_entries", "reviews", "tables")

    def __init__(
        self,
        entries: Mapping[str, frozenset[str]] | None = None,
        tables: Mapping[str, tuple[Row, ...]] | None = None,
        reviews: Mapping[str, Review] | None = None,
    ) -> None:
        self._entries = dict(entries or {})
        self.tables = Tables(tables or {})
        """The rows of those that have columns."""
        self.reviews = MappingProxyType(dict(reviews or {}))
        self._digest = ""

    @property
    def digest(self) -> str:
        """A hash over every list and entry: 12 hex digits, like a playbook's version."""
        if not self._digest:
            content: Any = {name: sorted(entries) for name, entries in self._entries.items()}
            if self.tables:
                content = [content, {name: [dict(row) for row in rows] for name, rows in self.tables.items()}]
            canonical = msgspec.json.encode(content, order="deterministic")
            self._digest = sha256(canonical).hexdigest()[:12]
        return self._digest

    def __getitem__(self, name: str) -> frozenset[str]:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownListError(name, tuple(sorted(self._entries))) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Lists({_sizes(self._entries)})"


def _sizes(lists: Mapping[str, Sized]) -> str:
    return ", ".join(f"{name}: {len(entries)}" for name, entries in sorted(lists.items()))


class Tables(Mapping[str, tuple[Row, ...]]):
    """The lists that have columns, by name, read-only: `tables["vips"]` is a tuple of rows, each by column.

    Raises:
        UnknownListError: a KeyError that names the known tables.
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[str, tuple[Row, ...]]) -> None:
        self._rows = dict(rows)

    def __repr__(self) -> str:
        return f"Tables({_sizes(self._rows)})"

    def __getitem__(self, name: str) -> tuple[Row, ...]:
        try:
            return self._rows[name]
        except (KeyError, TypeError):
            raise UnknownListError(name, tuple(sorted(self._rows))) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


class Context(msgspec.Struct, frozen=True):
    """The optional second parameter of a playbook.

    Raises:
        ValueError: `now` without a time zone, or a longer history.
    """

    now: datetime
    """The time of the decision, aware UTC: use it instead of the clock, so that a replay decides as the worker did."""
    lists: Mapping[str, frozenset[str]] = Lists()
    """The files of `lists/` by their names without ending: of each its entries, or its first column."""
    history: tuple[PastAction, ...] = ()
    """What the worker did, or wanted to do, to this message before, newest first, at most 20."""
    sender_history: tuple[PastAction, ...] = ()
    """The same because of other mail from this address in the last 30 days, newest first, at most 20."""

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("Context(now): expected an aware datetime (UTC)")
        for name in ("history", "sender_history"):
            if len(getattr(self, name)) > HISTORY_LIMIT:
                raise ValueError(f"Context({name}): at most {HISTORY_LIMIT} past actions")

    @property
    def tables(self) -> Mapping[str, tuple[Row, ...]]:
        """All columns of the lists that have some: rows in their order, each by the names of its columns."""
        return self.lists.tables if isinstance(self.lists, Lists) else Tables({})

    def seen(self) -> dict[str, Any]:
        """All of it that a decision may have rested on, as JSON values; lists by their digest."""
        lists = self.lists if isinstance(self.lists, Lists) else Lists(self.lists)
        seen = {
            "now": self.now.isoformat(),
            "lists": lists.digest,
            "history": msgspec.to_builtins(self.history),
        }
        if self.sender_history:
            seen["sender_history"] = msgspec.to_builtins(self.sender_history)
        return seen
