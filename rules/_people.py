"""Whose name a message bears. For the playbooks on impersonation; holds no playbook itself."""

from email.utils import parseaddr
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from worker.playbooks import Detection


class Person(NamedTuple):
    """One line of lists/executives.txt."""

    name: str
    email: str
    domain: str
    """Where the person really writes from."""


def impersonated(message: Detection, people: frozenset[str]) -> Person | None:
    """The person whose name an address outside of the person's own domain shows."""
    person = _by_name(people).get(_words((message.from_name or "")[:200]))
    if person is None or not message.sender_domain:
        return None
    return None if f".{message.sender_domain}".endswith(f".{person.domain}") else person


def domain_of(address: str | None) -> str:
    """The lower-case domain of an address; empty where there is none."""
    _, at, domain = parseaddr(address or "")[1].rpartition("@")
    return domain.lower() if at else ""


@lru_cache(maxsize=8)
def _by_name(people: frozenset[str]) -> dict[tuple[str, ...], Person]:
    listed = [Person(*parseaddr(line), domain_of(line)) for line in sorted(people)]
    return {_words(one.name): one for one in listed if one.name and one.domain}


def _words(name: str) -> tuple[str, ...]:
    """In any order and with any marks between: `KIM, Grace` is `Grace Kim`."""
    folded = normalize("NFKC", name).casefold()
    return tuple(sorted("".join(one if one.isalnum() else " " for one in folded).split()))
