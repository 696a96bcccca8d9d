"""Conditions on what looks like somebody else: domains like one's own, names like those of one's own people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache
from typing import Any, NamedTuple

from worker.model.events import Detection, domain_of
from worker.playbooks.conditions.base import MISSING, ConditionError, Leaf, Seen, condition, nothing
from worker.playbooks.conditions.lookalike import looks_like, twins_read
from worker.playbooks.conditions.people import listed
from worker.playbooks.context import Context

_LONGEST = 200
"""Characters of a name that are compared."""
_LEAST = 0.7
"""Below that, any two names of the same length are similar."""


class Person(NamedTuple):
    """One line of a list of people: `Grace Kim <grace.kim@corp.example>`."""

    name: str
    email: str
    domain: str
    """Where the person really writes from."""


@condition
def lookalike_domain(name: str) -> Leaf:
    """The sender's domain reads like one of the list's, is one slip from it or begins with it, and is none of them."""
    return LookalikeDomain(list_name=listed(name))


@condition
def borrowed_name(name: str, *, at_least: float = 1.0) -> Leaf:
    """The message shows a name of the list (`Grace Kim <g.kim@corp.example>` a line) and comes from outside that domain.

    Order of words, case, marks and letters that look alike do not matter; `at_least=0.9` also takes similar names.
    """
    if type(at_least) not in (int, float) or not _LEAST <= at_least <= 1:
        raise ConditionError(
            f"at_least={at_least!r} is no share between {_LEAST} and 1", "write at_least=0.9"
        )
    return BorrowedName(list_name=listed(name), at_least=float(at_least))


@dataclass(frozen=True, slots=True, repr=False)
class LookalikeDomain(Leaf):
    """The sender's domain is made to be taken for one of the list's."""

    list_name: str = ""

    @property
    def lists(self) -> tuple[str, ...]:
        return (self.list_name,)

    def see(self, subject: Any, context: Context) -> Seen:
        domain = subject.sender_domain
        own = looks_like(domain, context.lists[self.list_name]) if domain else ""
        return Seen(
            bool(own), {"sender_domain": domain}, f"looks like {own}" if own else "" if domain else MISSING
        )


@dataclass(frozen=True, slots=True, repr=False)
class BorrowedName(Leaf):
    """The name of somebody on the list, from elsewhere."""

    list_name: str = ""
    at_least: float = 1.0

    @property
    def lists(self) -> tuple[str, ...]:
        return (self.list_name,)

    def see(self, subject: Any, context: Context) -> Seen:
        saw = {"from_name": subject.from_name, "sender_domain": subject.sender_domain}
        if not subject.from_name or not subject.sender_domain:
            return nothing(saw)
        person, alike = _nearest(subject.from_name, context.lists[self.list_name], self.at_least)
        if person is None:
            return nothing(saw, "nobody on the list is called so")
        return Seen(not _is_own(subject, person), saw, f"{alike:.0%} like {person.name} <{person.email}>")


def impersonated(message: Detection, people: frozenset[str], at_least: float = 1.0) -> Person | None:
    """The person of a list whose name an address outside of the person's own domain shows."""
    if not message.from_name or not message.sender_domain:
        return None
    person, _ = _nearest(message.from_name, people, at_least)
    return None if person is None or _is_own(message, person) else person


def _is_own(message: Detection, person: Person) -> bool:
    return f".{message.sender_domain}".endswith(f".{person.domain}")


def _nearest(name: str, people: frozenset[str], at_least: float) -> tuple[Person | None, float]:
    """Who is called so, or most nearly so, and how nearly."""
    words, known = _words(name), _by_name(people)
    if not words:
        return None, 0.0
    if words in known or at_least >= 1:
        return known.get(words), 1.0
    from rapidfuzz import fuzz, process  # noqa: PLC0415 - only those who compare need it

    found = process.extractOne(words, list(known), scorer=fuzz.ratio, score_cutoff=100 * at_least)
    return (None, 0.0) if found is None else (known[found[0]], found[1] / 100)


@lru_cache(maxsize=8)
def _by_name(people: frozenset[str]) -> dict[str, Person]:
    listed: Sequence[Person] = [
        Person(*parseaddr(line), domain_of(parseaddr(line)[1])) for line in sorted(people)
    ]
    return {_words(one.name): one for one in listed if one.name and one.domain}


def _words(name: str) -> str:
    """In any order, with any marks between, in letters that are read the same: `KIM, Grace` is `Grace Kim`."""
    read = twins_read(name[:_LONGEST])
    return " ".join(sorted("".join(one if one.isalnum() else " " for one in read).split()))
