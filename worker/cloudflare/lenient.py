"""The slow, sure way to read JSON: bounded, and one poisonous value costs its own row only.

`json` of the standard library takes what msgspec refuses for a whole page: lone surrogates, NaN, the same key
twice. The hooks turn each of these into what the row's conversion can judge alone.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from worker.model.events import MAX_TEXT

MAX_CONTAINERS, MAX_COMMAS = 200_000, 1_000_000
"""Of one body: what it may cost in memory once it is parsed. A real page has a tenth of either at most."""
MAX_DEPTH = 64
"""Ten times that of any answer of the API. Deeper ones are parsed too, as long as the parser can."""
MAX_CONTENT = 100_000
"""Characters of a report's `content`, which is prose for people."""
WHOLE = frozenset({"raw", "screenshot"})
"""A mail as it is and a picture: neither cut nor mended; their operations bound the whole body."""
UNSAFE = "\ufffd"
"""What stands for half a letter, or for a control character where a space would be wrong."""
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
"""A string that does not end is one to the end: no character is looked at twice."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EXACT = frozenset({"id", "next"})
"""Beside all that end in `_id`: names and cursors, which mean something else with a space in them."""
_MAX_DIGITS = 18


class UnbelievableError(Exception):
    """The answer as a whole is not what the API sends. Its text quotes nothing of the answer."""


class Poison:
    """Stands where a value cannot be believed; no field takes it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class NotANumber(Poison):
    """NaN, Infinity, or a number beyond every field of the API."""

    __slots__ = ()


class DuplicateKey(Poison):
    """The value of a key that its object holds twice."""

    __slots__ = ()


def parse(body: bytes) -> Any:
    """The body as Python values: nulls in objects left out, long strings cut, surrogates and control characters replaced.

    Raises:
        UnbelievableError: not JSON, too much.
    """
    if body.count(b"{") + body.count(b"[") > MAX_CONTAINERS or body.count(b",") > MAX_COMMAS:
        raise UnbelievableError(f"more than {MAX_CONTAINERS} objects and arrays or {MAX_COMMAS} commas")
    try:
        try:
            return _loads(body)
        except RecursionError:
            return _loads(_shallow(body))
    except ValueError:
        raise UnbelievableError("not JSON" if body.strip() else "an empty body") from None


def _loads(body: bytes) -> Any:
    return json.loads(
        body.decode("utf-8", "replace"),
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_float=_float,
        parse_int=_int,
        # Control characters as they are, in one subject, are no reason to refuse the page.
        strict=False,
    )


def _shallow(body: bytes) -> bytes:
    """The body with NaN, which is poison, for what lies too deep: it costs its row, and not the page."""
    parts: list[bytes] = []
    kept: int | None = 0
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(body):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH and kept is not None:
                parts += [body[kept : token.start()], b"NaN"]
                kept = None
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if depth == MAX_DEPTH and kept is None:
                kept = token.end()
    return b"".join([*parts, b"" if kept is None else body[kept:]])


def dump(value: object) -> str:
    """Canonical JSON, ASCII only: keys sorted, poison by its name."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=repr)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    clean = {_text(key): _value(key, value) for key, value in pairs if value is not None}
    if len({key for key, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                clean[_text(key)] = DuplicateKey()
            seen.add(key)
    return clean


def _value(key: str, value: Any) -> Any:
    if isinstance(value, str):
        if key in WHOLE:
            return value.encode("utf-8", "replace").decode()
        if key == "content":
            return _text(value, MAX_CONTENT, keep="\n\r\t")
        return _text(value, keep="" if key in _EXACT or key.endswith("_id") else None)
    return _items(value) if isinstance(value, list) else value


def _items(items: list[Any]) -> list[Any]:
    return [_value("", item) for item in items]


def _text(text: str, limit: int = MAX_TEXT, keep: str | None = None) -> str:
    """The text, cut and made safe. `keep`: control characters to leave; None turns those that are spaces into one."""
    text = text[:limit]
    if text.isprintable():
        return text

    def safe(match: re.Match[str]) -> str:
        character = match[0]
        if keep is not None:
            return character if character in keep else UNSAFE
        return " " if character.isspace() else UNSAFE

    return _CONTROL.sub(safe, text)


def _constant(_: str) -> NotANumber:
    return NotANumber()


def _float(text: str) -> float | NotANumber:
    number = float(text)
    return number if math.isfinite(number) else NotANumber()


def _int(text: str) -> int | NotANumber:
    return int(text) if len(text) <= _MAX_DIGITS else NotANumber()
