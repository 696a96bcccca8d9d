"""What a playbook may know beside its event: the time, lists, what was done before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from worker.model.history import HISTORY_LIMIT, PastAction
from worker.playbooks.problems import nearest


class UnknownListError(KeyError):
    """No such list: `known` are the lists that there are."""

    def __init__(self, name: object, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.known = known

    def __str__(self) -> str:
        known = ", ".join(self.known) or "none"
        return f"no list {self.name!r}{nearest(self.name, self.known)}; known lists: {known}"


class Lists(Mapping[str, frozenset[str]]):
    """The lists of a rules folder by name, read-only: `lists["partners"]` is a set of lower-case entries.

    Raises:
        UnknownListError: a KeyError that names the known lists.
    """

    __slots__ = ("_digest", "_entries")

    def __init__(self, entries: Mapping[str, frozenset[str]] | None = None) -> None:
        self._entries = dict(entries or {})
        self._digest = ""

    @property
    def digest(self) -> str:
        """A hash over every list and entry: 12 hex digits, like a playbook's version."""
        if not self._digest:
            content = {name: sorted(entries) for name, entries in self._entries.items()}
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
        sizes = ", ".join(f"{name}: {len(entries)}" for name, entries in sorted(self._entries.items()))
        return f"Lists({sizes})"


def entries_of(text: str) -> frozenset[str]:
    """The entries of a list file: one a line, lower-cased; `#` after nothing or a space starts a comment."""
    lines = (f" {line}".partition(" #")[0].strip().lower() for line in text.replace("\t", " ").splitlines())
    return frozenset(line for line in lines if line)


class Context(msgspec.Struct, frozen=True):
    """The optional second parameter of a playbook.

    Raises:
        ValueError: `now` without a time zone, or a longer history.
    """

    now: datetime
    """The time of the decision, aware UTC: use it instead of the clock, so that a replay decides as the worker did."""
    lists: Mapping[str, frozenset[str]] = Lists()
    """The files of `lists/` by their names without ending."""
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
