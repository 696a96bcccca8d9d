"""Fields of events, and the conditions that look at one of them; some an index can find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from worker.model.events import Detection, Event
from worker.playbooks.conditions.base import MISSING, ConditionError, Keys, Leaf, Seen, Test
from worker.playbooks.context import Context
from worker.playbooks.problems import nearest

_LONGEST = 253
"""Characters of a domain: what is longer lies in none."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field under the name that authors know it by.

    `keys`: what one value of it counts as: a domain as itself and those above it; nothing where there is no value.
    `rank`: the lower, the fewer events have the same.
    """

    name: str
    rank: int
    keys: Callable[[Any], Collection[str]]
    of: type[Event] = Detection

    def reader(self, on: type[Event]) -> Callable[[Event], Any]:
        """Reads it off an event of that type; None where there is no message to read it off."""
        read = attrgetter(self.name)
        if issubclass(on, self.of):
            return read
        return lambda event: None if (message := event.message) is None else read(message)  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True, repr=False)
class OneOf(Leaf):
    """The field has one of some values."""

    field: Field = Field("", 0, tuple)
    wanted: frozenset[str] = frozenset()

    @property
    def of(self) -> type[Event]:
        return self.field.of

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        value = attrgetter(self.field.name)(subject)
        return Seen(
            not self.wanted.isdisjoint(self.field.keys(value)),
            {self.field.name: value},
            "" if value else MISSING,
        )

    def test(self, on: type[Event]) -> Test:
        read, keys, foreign = self.field.reader(on), self.field.keys, self.wanted.isdisjoint
        return lambda event, _: not foreign(keys(read(event)))

    def keys(self) -> Keys | None:
        return self.field, self.wanted


@dataclass(frozen=True, slots=True, repr=False)
class Flag(Leaf):
    """The field is true."""

    field: str = ""
    kind: type[Event] = Detection

    @property
    def of(self) -> type[Event]:
        return self.kind

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        value = getattr(subject, self.field)
        return Seen(bool(value), {self.field: value})

    def test(self, on: type[Event]) -> Test:
        read = Field(self.field, 0, tuple, self.kind).reader(on)
        return lambda event, _: bool(read(event))


def itself(value: str | None) -> tuple[str, ...]:
    """A word as it stands."""
    return () if value is None else (value,)


def each(values: frozenset[str] | None) -> frozenset[str]:
    """Several words as they stand."""
    return values or frozenset()


def lower(value: str | None) -> tuple[str, ...]:
    """Without regard to case and spaces around."""
    return (value.strip().lower(),) if value else ()


def each_lower(values: tuple[str, ...] | None) -> tuple[str, ...]:
    """Several, each without regard to case and spaces around."""
    return tuple(value.strip().lower() for value in values or ())


def and_above(domain: str | None) -> tuple[str, ...]:
    """A domain and all domains that it lies in."""
    if not domain or len(domain) > _LONGEST:
        return ()
    parts = domain.lower().split(".")
    return tuple(".".join(parts[at:]) for at in range(len(parts)))


def and_kind(disposition: str | None) -> tuple[str, ...]:
    """A verdict and what it is a kind of: MALICIOUS-BEC is MALICIOUS too."""
    if not disposition:
        return ()
    whole, dash, _ = disposition.partition("-")
    return (disposition, whole) if dash else (disposition,)


def chosen(given: Iterable[object], known: Collection[str], what: str) -> frozenset[str]:
    """The words that an author chose among the known ones, in their case.

    Raises:
        ConditionError: none, no text, or unknown.
    """
    right = {one.casefold(): one for one in known}
    words = texts(given, what)
    for word in words:
        if word.casefold() not in right:
            hint = nearest(word, known) or nearest(word.upper(), known)
            raise ConditionError(f"no such {what} {word!r}{hint}", f"use one of {', '.join(known)}")
    return frozenset(right[word.casefold()] for word in words)


def texts(given: Iterable[object], what: str) -> tuple[str, ...]:
    """At least one text.

    Raises:
        ConditionError: none, or something else.
    """
    words = tuple(given)
    if not words:
        raise ConditionError(f"names no {what}", f"name at least one {what}")
    for word in words:
        if not isinstance(word, str):
            unpack = (
                ": write it with a star before the list"
                if isinstance(word, list | tuple | set | frozenset)
                else ""
            )
            raise ConditionError(
                f"{word!r} is no text{unpack}", f"name each {what} as text, separated by commas"
            )
        if not word.strip():
            raise ConditionError(f"names an empty {what}", f"name a {what}")
    return tuple(word.strip() for word in words if isinstance(word, str))
