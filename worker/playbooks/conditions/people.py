"""Conditions on who wrote to whom: addresses, domains, lists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from worker.model.events import domain_of
from worker.playbooks.conditions.base import MISSING, ConditionError, Leaf, Seen, condition
from worker.playbooks.conditions.fields import (
    Field,
    OneOf,
    and_above,
    each,
    each_lower,
    lower,
    texts,
)
from worker.playbooks.context import Context

_SENDER = Field("sender", 0, lower)
_DOMAIN = Field("sender_domain", 1, lower)
_BELOW = Field("sender_domain", 2, and_above)
_RECIPIENTS = Field("client_recipients", 2, each_lower)
_RECIPIENT_DOMAINS = Field("recipient_domains", 5, each)


@condition
def sender(*addresses: str) -> Leaf:
    """The address that the message shows as its sender's is one of these, in any case."""
    return OneOf(field=_SENDER, wanted=_addresses(addresses, "sender_domain"))


@condition
def sender_domain(*domains: str, subdomains: bool = False) -> Leaf:
    """The sender's domain is one of these, with `subdomains=True` also one below them."""
    return OneOf(field=_BELOW if subdomains else _DOMAIN, wanted=_domains(domains, "sender"))


@condition
def sender_in(name: str) -> Leaf:
    """The list has the sender's address, or the sender's domain as an entry without `@`: an allow or block list."""
    return SenderIn(list_name=listed(name))


@condition
def recipient(*addresses: str) -> Leaf:
    """One of `client_recipients` is one of these addresses, in any case."""
    return OneOf(field=_RECIPIENTS, wanted=_addresses(addresses, "recipient_domain"))


@condition
def recipient_domain(*domains: str) -> Leaf:
    """The domain of one of `client_recipients` is one of these."""
    return OneOf(field=_RECIPIENT_DOMAINS, wanted=_domains(domains, "recipient"))


@condition
def any_recipient_in(name: str) -> Leaf:
    """The list has one of `client_recipients`."""
    return RecipientsIn(list_name=listed(name))


@condition
def every_recipient_in(name: str) -> Leaf:
    """The list has all of `client_recipients`, and there is at least one."""
    return RecipientsIn(list_name=listed(name), every=True)


@condition
def recipients(*, at_least: int = 0, at_most: int | None = None) -> Leaf:
    """The number of `client_recipients` lies between these, both included."""
    return Count(
        at_least=number(at_least, "at_least"), at_most=None if at_most is None else number(at_most, "at_most")
    )


@dataclass(frozen=True, slots=True, repr=False)
class _OnList(Leaf):
    list_name: str = ""

    @property
    def lists(self) -> tuple[str, ...]:
        return (self.list_name,)


@dataclass(frozen=True, slots=True, repr=False)
class SenderIn(_OnList):
    """The sender is on a list."""

    def see(self, subject: Any, context: Context) -> Seen:
        entries = context.lists[self.list_name]
        address = (subject.sender or "").strip().lower()
        domain = domain_of(address)
        found = next((one for one in (address, domain) if one and one in entries), "")
        return Seen(
            bool(found),
            {"sender": subject.sender},
            MISSING if not address else f"the list has {found}" if found else "",
        )


@dataclass(frozen=True, slots=True, repr=False)
class RecipientsIn(_OnList):
    """Recipients are on a list."""

    every: bool = False

    def see(self, subject: Any, context: Context) -> Seen:
        entries = context.lists[self.list_name]
        there = each_lower(subject.client_recipients)
        on = [one in entries for one in there]
        holds = bool(on) and (all(on) if self.every else any(on))
        why = f"the list has {sum(on)} of {len(on)}" if on else MISSING
        return Seen(holds, {"client_recipients": subject.client_recipients}, why)


@dataclass(frozen=True, slots=True, repr=False)
class Count(Leaf):
    """So many recipients."""

    at_least: int = 0
    at_most: int | None = None

    def see(self, subject: Any, context: Context) -> Seen:
        del context
        count = len(subject.client_recipients)
        holds = self.at_least <= count and (self.at_most is None or count <= self.at_most)
        return Seen(holds, {"client_recipients": subject.client_recipients}, f"{count} of them")


def listed(name: object) -> str:
    """The name of a list; whether there is such a list is known when the folder is loaded.

    Raises:
        ConditionError: no name.
    """
    (word,) = texts([name], "list")
    if word.endswith((".txt", ".csv", ".yaml")) or "/" in word:
        raise ConditionError(
            f"{word!r} is a file", "name the list without folder and ending: lists/NAME.txt is NAME"
        )
    return word


def number(given: object, name: str) -> int:
    """A whole number that is not negative.

    Raises:
        ConditionError: anything else.
    """
    if type(given) is not int or given < 0:
        raise ConditionError(f"{name}={given!r} is no whole number", f"write {name}=3")
    return given


def _addresses(given: Iterable[object], other: str) -> frozenset[str]:
    return _checked(
        given, "address", lambda word: "@" in word[1:], f"write ann@corp.example, or use {other}(...)"
    )


def _domains(given: Iterable[object], other: str) -> frozenset[str]:
    return _checked(
        given,
        "domain",
        lambda word: "@" not in word and "*" not in word,
        f"write corp.example, or use {other}(...)",
    )


def _checked(
    given: Iterable[object], what: str, is_one: Callable[[str], bool], remedy: str
) -> frozenset[str]:
    words: Collection[str] = texts(given, what)
    for word in words:
        if not is_one(word):
            raise ConditionError(f"{word!r} is no {what}", remedy)
    return frozenset(word.lower().strip(".") for word in words)
