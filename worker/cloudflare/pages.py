"""The fast way to read a page of rows: typed JSON straight into structs.

It answers only for a page in which nothing is odd; None sends the page the slow, sure way (`rows.read_list`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec.structs import fields

from worker.cloudflare.lenient import MAX_COMMAS, MAX_CONTAINERS
from worker.cloudflare.twice import holds_a_key_twice

W = TypeVar("W", bound=msgspec.Struct)
R = TypeVar("R")

_CONTROL = (
    (b"\\", re.compile(rb"\\(?:u00[0189]|u007[fF]|[bfnrt])")),
    (b"\xc2", re.compile(rb"\xc2[\x80-\x9f]")),
)
"""Control characters as JSON may write them (and a few harmless ones): the slow way makes them safe."""
_FIELD = re.compile(r"got `null` - at `\$\.result\[\d+\]\.(\w+)`$")


_HUGE = 10**17
_Number = Annotated[int, msgspec.Meta(ge=-_HUGE, le=_HUGE)] | float | None


class _Info(msgspec.Struct):
    next: str | None = None
    count: _Number = 0
    page: _Number = 0
    per_page: _Number = 0
    total_count: _Number = 0
    total_pages: _Number = 0


class _Page(msgspec.Struct, Generic[W]):
    success: bool
    result: list[W]
    result_info: _Info | None = None


class FastRows(Generic[W, R]):
    """Reads pages of one resource; `settle` makes of each row what the worker uses.

    Bodies beyond `usual` bytes are counted before they are parsed: what is smaller cannot hold too much.
    """

    def __init__(self, wire: type[W], settle: Callable[[W], R], usual: int) -> None:
        self._settle = settle
        self._usual = usual
        self._decode = msgspec.json.Decoder(_Page[wire]).decode  # type: ignore[valid-type]
        # What the struct has where the API allows a null. In a JSON string the quote would be escaped: no mail
        # forges a key.
        self._empty = {
            f.encode_name: msgspec.json.encode(f.default)
            for f in fields(wire)
            if not f.required and f.default is not None and f.default is not msgspec.NODEFAULT
        }
        self._nulls: dict[bytes, bytes] = {}
        """Nulls that the vendor has sent, and what they mean: where it does so once, it does so in every page."""

    def read(self, body: bytes) -> tuple[tuple[R, ...], str | None] | None:
        """Rows and the next cursor, or None where the page needs the slow way."""
        if (len(body) > self._usual and _has_many(body)) or _has_control(body):
            return None
        try:
            page = self._typed(body)
            if not page.success or holds_a_key_twice(body, len(page.result)):
                return None
            rows = tuple(map(self._settle, page.result))
        except (ValueError, RecursionError):
            return None
        return rows, page.result_info.next if page.result_info else None

    def _typed(self, body: bytes) -> _Page[Any]:
        for null, meant in self._nulls.items():
            body = body.replace(null, meant)
        for _ in self._empty:
            try:
                return self._decode(body)
            except msgspec.ValidationError as error:
                field = _FIELD.search(str(error))
                if field is None or field[1] not in self._empty:
                    raise
                body = self._filled(body, field[1])
        return self._decode(body)

    def _filled(self, body: bytes, name: str) -> bytes:
        key = f'"{name}":'.encode()
        for null in (key + b"null", key + b" null"):
            if null in body:
                self._nulls[null] = key + self._empty[name]
                body = body.replace(null, self._nulls[null])
        return body


def _has_many(body: bytes) -> bool:
    return body.count(b"{") + body.count(b"[") > MAX_CONTAINERS or body.count(b",") > MAX_COMMAS


def _has_control(body: bytes) -> bool:
    # One byte is found ten times as fast as a pattern.
    return b"\x7f" in body or any(first in body and control.search(body) for first, control in _CONTROL)
