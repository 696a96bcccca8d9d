"""Identifiers that sort by time and are short enough to be read over the telephone."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
_RANDOM_BITS = 35
_SHIFTS = tuple(range(70, -1, -10))


def new_id(now: Callable[[], float] = time.time, bits: Callable[[int], int] = random.getrandbits) -> str:
    """Sixteen characters (Crockford base 32): 45 bits of milliseconds, 35 random bits."""
    value = int(now() * 1000) << _RANDOM_BITS | bits(_RANDOM_BITS)
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])
