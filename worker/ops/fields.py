"""A log call becomes bounded fields with the Elastic Common Schema's names; no secret leaves this module."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TypeVar

import msgspec

from worker.ops.exceptions import describe, exception_of
from worker.ops.text import safe

_T = TypeVar("_T")
LIMIT = 500
"""Characters of one value, so that a line stays below the 16 KiB at which container runtimes split it."""
STACK_LIMIT = 2000
REDACTED = "[redacted]"
_ITEMS = 20
_DEPTH = 3
_MAX_INT = 2**63
# A shorter secret would match ordinary words and empty the log; real tokens have 40 characters.
_SHORTEST_SECRET = 4
# Somebody else may have cut a text in the middle of a token: its beginning gives it away.
_TELLING = 16

NAMES: Mapping[str, str] = {
    "message": "message",
    "outcome": "event.outcome",
    "reason": "event.reason",
    "playbook": "rule.id",
    "playbook_version": "rule.version",
    "trace_id": "trace.id",
    "rfc_message_id": "email.message_id",
    "subject": "email.subject",
    "sender": "email.from.address",
    "recipients": "email.to.address",
    "status": "http.response.status_code",
    "version": "service.version",
    "pid": "process.pid",
    "library": "log.logger",
    "error_type": "error.type",
    "error": "error.message",
    "stack_trace": "error.stack_trace",
}
"""Keyword of a log call -> field. Others become `worker.<keyword>`: `message_id` is the investigate id."""
MAIL_TEXT = frozenset({"email.subject", "email.from.address", "email.to.address"})

_encode_fast = msgspec.json.Encoder().encode
_encode = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
).encode


class Fields:
    """Turns keywords of log calls into fields; knows the secrets that must not pass."""

    def __init__(self, secrets: Iterable[str] = (), *, mail_text: bool = True) -> None:
        self._needles: frozenset[str] = frozenset(_needles(secrets))
        self._mail_text = mail_text

    def of(self, level: str, action: object, keywords: Mapping[str, object]) -> dict[str, object]:
        """The fields of one line, in the order in which a person reads them."""
        return {
            "@timestamp": _timestamp(),
            "log.level": level,
            "event.action": self._plain(action),
            **self.named(keywords),
        }

    def named(self, keywords: Mapping[str, object]) -> dict[str, object]:
        """The keywords as fields."""
        fields: dict[str, object] = {}
        for keyword, value in keywords.items():
            # Nearly every value is a short text: 12,000 lines a second pass here.
            if type(value) is str and len(value) <= LIMIT:
                fields[_name(keyword)] = value
            elif keyword == "exc_info" or isinstance(value, BaseException):
                self._add_error(fields, value, stack=keyword == "exc_info")
            elif value is not None:
                fields[_name(keyword)] = self._plain(value)
        if not self._mail_text:
            fields.update(dict.fromkeys(MAIL_TEXT & fields.keys(), REDACTED))
        return fields

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """These must not pass either, beside the earlier ones."""
        self._needles |= frozenset(_needles(secrets))

    def leaks(self, text: str) -> bool:
        """Whether the text holds a secret, raw or as JSON escapes it."""
        return any(needle in text for needle in self._needles)

    def redact(self, fields: Mapping[str, object]) -> dict[str, object]:
        """The fields, with every value that holds a secret replaced whole."""
        return {
            name: REDACTED if self.leaks(_encode(value)) else value
            for name, value in fields.items()
            if not self.leaks(name)
        }

    def _add_error(self, fields: dict[str, object], value: object, *, stack: bool) -> None:
        error = exception_of(value)
        if error is None:
            return
        kind, message, frames = describe(error)
        fields["error.type"] = kind
        fields["error.message"] = self._text(message)
        if stack and frames:
            fields["error.stack_trace"] = self._text("\n".join(frames), STACK_LIMIT)

    def _text(self, value: str, limit: int = LIMIT) -> str:
        if len(value) <= limit:
            return value
        # Looked at before the cut: half a token would not be recognised afterwards.
        return REDACTED if self.leaks(value) else value[: limit - 1] + "…"

    def _plain(self, value: object, depth: int = _DEPTH) -> object:  # noqa: PLR0911 - one return a type
        """The value as JSON can say it, bounded in every direction."""
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int):
            return int(value) if -_MAX_INT <= value < _MAX_INT else "(a number beyond 64 bits)"
        if isinstance(value, float):
            return value if math.isfinite(value) else repr(value)
        if depth and isinstance(value, Mapping):
            return {
                self._text(_str(key), 100): self._plain(item, depth - 1)
                for key, item in _first(value.items())
            }
        if depth and isinstance(value, list | tuple | set | frozenset):
            return [self._plain(item, depth - 1) for item in _first(value)]
        return self._text(_str(value))


def encode(fields: Mapping[str, object]) -> str:
    """One JSON object in ASCII: control and bidi characters are escaped, lone surrogates replaced."""
    try:
        fast = _encode_fast(fields)
        if fast.isascii() and b"\x7f" not in fast:  # a fifth of the time, and true of most lines
            return fast.decode("ascii")
    except UnicodeEncodeError:  # a lone surrogate
        pass
    line = _encode(fields)
    if "\\ud" in line:  # may be half a surrogate pair, which strict parsers refuse
        line = _encode(_whole(fields))
    return line


def _whole(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_whole(name): _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value


def _first(values: Iterable[_T]) -> Iterator[_T]:
    return itertools.islice(values, _ITEMS)


def _str(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a value's bad __str__ must not cost the line, or stop the worker
        return f"({type(value).__name__} without text)"


def _needles(secrets: Iterable[str]) -> Iterator[str]:
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            yield secret[:_TELLING]
            yield _encode(secret[:_TELLING])[1:-1]


@lru_cache(maxsize=512)
def _name(keyword: str) -> str:
    return NAMES.get(keyword) or f"worker.{safe(keyword, 60)}"


class _Second:
    """The formatted second of the last line: formatting it anew is a third of a line's cost."""

    number = -1
    text = ""


def _timestamp() -> str:
    now = time.time()
    second = int(now)
    if second != _Second.number:
        _Second.text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        _Second.number = second
    return f"{_Second.text}.{int(now * 1000) % 1000:03d}Z"
