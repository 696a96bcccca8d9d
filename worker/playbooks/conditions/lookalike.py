"""What a hurried reader takes for something else: domains, and the letters of names."""

from __future__ import annotations

from functools import lru_cache
from unicodedata import combining, normalize

_SWAPS = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("-", ""))
_TWINS = str.maketrans("0135\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0131", "olesaeopcyxii")
"""Digits, Cyrillic letters and the dotless i, each with the Latin letter that a reader takes it for."""
_LONGEST = 253
"""Characters of a domain."""
_LONG_ENOUGH = 5
"""Letters of a name from which on a slip in it is no chance: shorter ones have too many honest neighbours."""


def looks_like(domain: str, owned: frozenset[str]) -> str:
    """Which of one's own domains it reads like, is one slip away from or begins with; empty for one's own and others."""
    return _likeness(domain, owned) if len(domain) <= _LONGEST else ""


def twins_read(text: str) -> str:
    """The text with each letter as the Latin one that it is taken for, in lower case."""
    letters = normalize("NFKD", text.casefold())
    return "".join(one for one in letters if not combining(one)).translate(_TWINS)


@lru_cache(maxsize=4096)
def _likeness(domain: str, owned: frozenset[str]) -> str:
    if any(f".{domain}".endswith(f".{own}") for own in owned):
        return ""
    return next((own for own in sorted(owned) if _alike(domain, own)), "")


def _alike(domain: str, own: str) -> bool:
    if any(f".{own}{mark}" in f".{domain}" for mark in ".-"):
        return True
    ours, theirs = _read(own), _read(domain)
    long_enough = len(own.partition(".")[0]) >= _LONG_ENOUGH
    return theirs == ours or (long_enough and _one_slip(theirs, ours))


@lru_cache(maxsize=1024)
def _read(domain: str) -> str:
    """What a hurried reader sees."""
    try:
        shown = domain.encode("ascii").decode("idna")
    except UnicodeError:
        shown = domain  # no Punycode, or letters of other scripts as they are
    seen = twins_read(shown)
    for twins, one in _SWAPS:
        seen = seen.replace(twins, one)
    return seen


def _one_slip(one: str, other: str) -> bool:
    """Whether a letter is other, more or less, or two neighbours have changed places."""
    pairs = enumerate(zip(one, other, strict=False))
    at = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    a, b = one[at:], other[at:]
    swapped = a[:2] == b[:2][::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped
