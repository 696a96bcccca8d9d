"""Whether a body holds a key twice in one object, of which msgspec would quietly take the last."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_FEW_ROWS = 100
_HEAD = 64 * 2**10
"""Bytes in which the first row must end, for the short cut."""
_SPACES = b" \t\r\n"
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"(:?)')
_RESULT = re.compile(rb'"result"\s*:\s*\[\s*(?=\{)')
_decode = msgspec.json.Decoder().decode


def holds_a_key_twice(body: bytes, rows: int) -> bool:
    """Counts keys as written against keys as read; the body is valid JSON with so many rows as its `result`.

    A long page with as many keys as its first row's, times the rows, is clear without being read once more: what mail
    could smuggle into a row adds keys and takes none away. Only a vendor that itself leaves one key out and writes
    another twice gets by there (docs/decisions/0039).
    """
    if rows > _FEW_ROWS and _is_even(body, rows):
        return False
    return not _wrote(body, _count(_decode(body)))


def _is_even(body: bytes, rows: int) -> bool:
    first = _first(body[:_HEAD])
    if first is None:
        return False
    keys, start = first
    # What stands around the rows is short; if `}]` is not where they end, what is left is no JSON.
    around = body[:start] + body[body.rfind(b"}]") + 1 :]
    try:
        return _wrote(body, _count(_once_only.decode(around.decode())) + rows * keys)
    except (ValueError, RecursionError):
        return False


def _first(head: bytes) -> tuple[int, int] | None:
    """How many keys the first row has, and where it begins; None where it holds one twice, or is too long."""
    found = _RESULT.search(head)
    if found is None:
        return None
    try:
        row, _ = _once_only.raw_decode(head[found.end() :].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return _count(row), found.end()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return found


_once_only = json.JSONDecoder(object_pairs_hook=_once)


def _count(value: Any) -> int:
    """How many keys were read, in all objects."""
    if type(value) is not dict and type(value) is not list:
        return 0
    count, items = (len(value), value.values()) if type(value) is dict else (0, value)
    for item in items:
        if type(item) is dict or type(item) is list:
            count += _count(item)
    return count


def _wrote(body: bytes, keys: int) -> bool:
    """Whether exactly so many keys were written.

    Quick: once no space stands between them, a bare quote and a colon end a key. Strings that begin with a colon count
    too, and keys that end with a backslash are missed: where either may be, every string is looked at.
    """
    dense = body.translate(None, _SPACES)
    escaped = dense.count(b'\\":') if b"\\" in dense else 0
    if dense.count(b'":') - escaped == keys and not (escaped and b'\\\\":' in dense):
        return True
    return _STRING.findall(dense).count(b":") == keys
