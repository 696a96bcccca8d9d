"""What a condition is: a frozen value that names itself, tells what it reads, and can be joined by `&`, `|` and `~`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from reprlib import repr  # noqa: A004 - bounded, and safe where an author's __repr__ fails
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

from worker.model.events import Detection, Event, message_of
from worker.playbooks.context import Context
from worker.playbooks.problems import Fault, nearest

if TYPE_CHECKING:
    from worker.playbooks.conditions.fields import Field

Test = Callable[[Event, Context], bool]
Keys = tuple["Field", frozenset[str]]
"""A field, and the values of which it must have one for the condition to hold."""
P = ParamSpec("P")
MISSING = "not there"
NO_MESSAGE = "its message could not be found"


class Seen(NamedTuple):
    """What a condition saw of one event. `why` says more where the values do not."""

    holds: bool
    saw: Mapping[str, Any]
    why: str = ""


def nothing(saw: Mapping[str, Any], why: str = MISSING) -> Seen:
    """What the condition reads is not there: it does not hold."""
    return Seen(holds=False, saw=saw, why=why)


class Sight(NamedTuple):
    """A condition beside what it saw; of a joined one its parts."""

    name: str
    holds: bool
    saw: Mapping[str, Any]
    why: str = ""
    parts: tuple[Sight, ...] = ()


class ConditionError(ValueError):
    """A condition that cannot be: `args` are what is wrong and the remedy."""

    def __str__(self) -> str:
        return ": ".join(map(str, self.args))


class Condition:
    """A named, pure predicate on an event. What it reads and is not there makes it false."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """The condition as its author wrote it."""
        raise NotImplementedError

    def look(self, event: Event, context: Context) -> Sight:
        """Whether it holds, and what it saw."""
        raise NotImplementedError

    def test(self, on: type[Event]) -> Test:
        """The same answer without the explanation, for events of one type."""
        raise NotImplementedError

    def keys(self) -> Keys | None:
        """What an index can find it by; None where that is nothing."""
        return None

    def leaves(self) -> Iterator[Leaf]:
        """What it consists of."""
        raise NotImplementedError

    def __and__(self, other: Condition) -> Condition:
        return _joined(All, self, other)

    def __or__(self, other: Condition) -> Condition:
        return _joined(Any_, self, other)

    def __invert__(self) -> Condition:
        return Not(self)

    def __bool__(self) -> bool:
        raise TypeError("conditions are joined by `&`, `|` and `~`, not by `and`, `or` and `not`")

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, repr=False)
class Leaf(Condition):
    """A condition that is not made of others. `written` is given by `condition`."""

    written: str = ""

    @property
    def name(self) -> str:
        return self.written

    @property
    def of(self) -> type[Event]:
        """Whose fields it reads: the message's, of whatever event, or those of one type of event."""
        return Detection

    @property
    def needs(self) -> frozenset[str]:
        """What must be fetched before it can be told."""
        return frozenset()

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists that it looks into."""
        return ()

    @property
    def reads_context(self) -> bool:
        """Whether it hangs on more than the event: lists, the time, what was done before."""
        return bool(self.lists)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with it."""
        return ()

    def see(self, subject: Any, context: Context) -> Seen:
        """What it makes of the message, or of the event whose type is `of`."""
        raise NotImplementedError

    def look(self, event: Event, context: Context) -> Sight:
        subject = event if isinstance(event, self.of) else message_of(event)
        seen = nothing({}, NO_MESSAGE) if subject is None else self.see(subject, context)
        return Sight(self.name, *seen)

    def test(self, on: type[Event]) -> Test:
        if issubclass(on, self.of):
            return lambda event, context: self.see(event, context).holds
        return lambda event, context: (
            (message := message_of(event)) is not None and self.see(message, context).holds
        )

    def leaves(self) -> Iterator[Leaf]:
        yield self


@dataclass(frozen=True, slots=True, repr=False)
class Wrong(Leaf):
    """What an author wrote that is no condition; the loader tells."""

    fault: Fault = ("", "")

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (self.fault,)

    def see(self, subject: Any, context: Context) -> Seen:
        del subject, context
        raise ConditionError(*self.fault)


@dataclass(frozen=True, slots=True, repr=False)
class _Joined(Condition):
    parts: tuple[Condition, ...]

    def leaves(self) -> Iterator[Leaf]:
        for part in self.parts:
            yield from part.leaves()


@dataclass(frozen=True, slots=True, repr=False)
class All(_Joined):
    """All of the conditions hold."""

    @property
    def name(self) -> str:
        return f"({' & '.join(part.name for part in self.parts)})"

    def look(self, event: Event, context: Context) -> Sight:
        parts = tuple(part.look(event, context) for part in self.parts)
        return Sight(self.name, all(part.holds for part in parts), {}, "", parts)

    def test(self, on: type[Event]) -> Test:
        tests = [part.test(on) for part in self.parts]
        return lambda event, context: all(test(event, context) for test in tests)

    def keys(self) -> Keys | None:
        return best(part.keys() for part in self.parts)


@dataclass(frozen=True, slots=True, repr=False)
class Any_(_Joined):  # noqa: N801 - `Any` is taken
    """One of the conditions holds."""

    @property
    def name(self) -> str:
        return f"({' | '.join(part.name for part in self.parts)})"

    def look(self, event: Event, context: Context) -> Sight:
        parts = tuple(part.look(event, context) for part in self.parts)
        return Sight(self.name, any(part.holds for part in parts), {}, "", parts)

    def test(self, on: type[Event]) -> Test:
        tests = [part.test(on) for part in self.parts]
        return lambda event, context: any(test(event, context) for test in tests)

    def keys(self) -> Keys | None:
        found = [part.keys() for part in self.parts]
        if not all(found) or len({keys[0] for keys in found if keys}) != 1:
            return None
        return next(keys[0] for keys in found if keys), frozenset().union(
            *(keys[1] for keys in found if keys)
        )


@dataclass(frozen=True, slots=True, repr=False)
class Not(Condition):
    """The condition does not hold, also where what it reads is not there."""

    part: Condition

    @property
    def name(self) -> str:
        return f"~{self.part.name}"

    def look(self, event: Event, context: Context) -> Sight:
        part = self.part.look(event, context)
        return Sight(self.name, not part.holds, part.saw, part.why, part.parts)

    def test(self, on: type[Event]) -> Test:
        test = self.part.test(on)
        return lambda event, context: not test(event, context)

    def leaves(self) -> Iterator[Leaf]:
        return self.part.leaves()


def cheap_first(when: Iterable[Condition]) -> list[Condition]:
    """What has to be fetched is looked at last."""
    return sorted(when, key=lambda one: any(leaf.needs for leaf in one.leaves()))


def best(found: Iterator[Keys | None]) -> Keys | None:
    """The keys that the fewest events have."""
    known = [keys for keys in found if keys is not None]
    return min(known, key=lambda keys: (keys[0].rank, len(keys[1])), default=None)


def _joined(kind: type[All | Any_], *parts: object) -> Condition:
    flat: list[Condition] = []
    for part in parts:
        if isinstance(part, Condition):
            flat += part.parts if isinstance(part, kind) else [part]
        else:
            flat.append(Wrong(repr(part), no_condition(part)))
    return kind(tuple(flat))


def no_condition(value: object) -> Fault:
    """What is wrong with a value that stands where a condition should."""
    name = getattr(value, "__name__", "")
    if callable(value) and name:
        return f"`{name}` is a function, and no condition", f"call it: {name}(...)"
    return f"{repr(value)} is no condition", 'write one such as disposition("SPOOF")'


def condition(make: Callable[P, Leaf]) -> Callable[P, Condition]:
    """Makes a function that returns a condition one for authors: mistakes become a Wrong that the loader tells of."""
    signature = inspect.signature(make)

    @wraps(make)
    def build(*args: P.args, **kwargs: P.kwargs) -> Condition:
        written = _written(make.__name__, args, kwargs)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            hint = next(
                (nearest(one, signature.parameters) for one in kwargs if one not in signature.parameters), ""
            )
            return Wrong(written, (f"{written}: {error}{hint}", f"write {make.__name__}{_shown(signature)}"))
        try:
            return replace(make(*args, **kwargs), written=written)
        except ConditionError as error:
            what, remedy = error.args
            return Wrong(written, (f"{written}: {what}", remedy))

    return build


def _written(name: str, args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    given = [*map(_quoted, args), *(f"{key}={_quoted(value)}" for key, value in kwargs.items())]
    return f"{name}({', '.join(given)})"


def _quoted(value: object) -> str:
    """As the project's formatter would write it."""
    shown = repr(value)
    return f'"{shown[1:-1]}"' if isinstance(value, str) and '"' not in shown else shown


def _shown(signature: inspect.Signature) -> str:
    return str(signature.replace(return_annotation=inspect.Signature.empty))


def any_of(*conditions: Condition) -> Condition:
    """One of the conditions holds: the same as `|` between them."""
    return _joined(Any_, *conditions)


def all_of(*conditions: Condition) -> Condition:
    """All of the conditions hold: the same as `&` between them."""
    return _joined(All, *conditions)


def not_(one: Condition) -> Condition:
    """The condition does not hold: the same as `~` before it."""
    given: object = one
    return Not(given) if isinstance(given, Condition) else Wrong(repr(given), no_condition(given))
