"""Rows without the value that cannot be read, where nothing hangs on it: the others are worth a decision."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.cloudflare.lenient import Poison

_PATH = re.compile(r" - at `\$\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\[|`)")
"""The field in msgspec's words: `... - at `$.fields.occurred_at``, `... - at `$.to[...]``."""


@dataclass(frozen=True, slots=True)
class Spare:
    """What the rows of one resource may be read without, as `field` or `field.of_it`."""

    fields: frozenset[str] = frozenset()
    """These count as not sent."""
    gaps: frozenset[str] = frozenset()
    """Of these lists a null, which names nobody, counts as not sent; anything else that is odd is not spared."""


class LeftOut(NamedTuple):
    """A value that a row was read without."""

    field: str
    row_id: str


TellLeftOut = Callable[[str, Sequence[LeftOut]], None]


def tell_nobody(endpoint: str, left_out: Sequence[LeftOut]) -> None:
    """For clients whose rows nobody acts on unseen."""
    del endpoint, left_out


NOTHING = Spare()


def without(row: Any, error: str, spare: Spare) -> tuple[Any, str] | None:
    """A copy of the row without the value that the error names, and its field; None where it may not be spared.

    What the parser has poisoned, a key that stands twice above all, is no odd value but a row that somebody forged.
    """
    found = _PATH.search(error)
    if found is None or not isinstance(row, dict):
        return None
    path = found[1]
    parents, name = path.split(".")[:-1], path.rpartition(".")[2]
    copy = holder = dict(row)
    for parent in parents:
        if not isinstance(holder.get(parent), dict):
            return None
        holder[parent] = holder = dict(holder[parent])
    if _is_poisoned(holder.get(name)):
        return None
    if path in spare.fields and name in holder:
        del holder[name]
        return copy, path
    if path in spare.gaps and isinstance(values := holder.get(name), list):
        holder[name] = [value for value in values if value is not None]
        return (copy, path) if len(holder[name]) < len(values) else None
    return None


def _is_poisoned(value: Any) -> bool:
    # Not by recursion: it may be as deep as the parser allows.
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, Poison):
            return True
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return False
