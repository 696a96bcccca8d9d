"""Identifiers that sort by time and are short enough to be read over the telephone."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_CHARS, _RANDOM_CHARS = 9, 7


def new_id(now: Callable[[], float] = time.time, bits: Callable[[int], int] = secrets.randbits) -> str:
    """Sixteen characters (Crockford base 32): 45 bits of milliseconds, 35 random bits."""
    return _encode(int(now() * 1000), _TIME_CHARS) + _encode(bits(5 * _RANDOM_CHARS), _RANDOM_CHARS)


def _encode(value: int, length: int) -> str:
    out = []
    for _ in range(length):
        value, digit = divmod(value, 32)
        out.append(_ALPHABET[digit])
    return "".join(reversed(out))
