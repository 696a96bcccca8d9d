"""Reads what a client sent: a JSON body or the parameters of a query, into a type; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web

from .envelope import invalid

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON of the wanted type."""
_T = TypeVar("_T")
_P = TypeVar("_P", bound=msgspec.Struct)


async def decode_body(request: web.Request, kind: type[_T]) -> _T:
    """Reads a JSON body; one that is not of this kind is refused."""
    return decode(await request.read(), kind)


def decode(body: bytes | msgspec.Raw, kind: type[_T], pointer: str | None = None) -> _T:
    """Reads JSON; `pointer` tells in a refusal where in the body it stands."""
    try:
        return msgspec.json.decode(body, type=kind)
    except MALFORMED as error:
        raise invalid(str(error), pointer) from error


def decode_params(raw: Mapping[str, object], kind: type[_P]) -> _P:
    """Reads a query string's values; unknown parameters are ignored, a wrong value is refused."""
    try:
        if any(map(_is_null, raw.values())):
            return _convert_words(raw, kind)
        return msgspec.convert(dict(raw), kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error


def _convert_words(raw: Mapping[str, object], kind: type[_P]) -> _P:
    """As `decode_params`, with `null` as the word that it is: msgspec would take it for nothing."""
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    words = {name: value for name, value in raw.items() if _is_null(value) and name in known}
    for name, value in words.items():
        msgspec.convert(value, known[name])
    params = msgspec.convert(
        {name: value for name, value in raw.items() if name not in words}, kind, strict=False
    )
    return msgspec.structs.replace(params, **words)


def _is_null(value: object) -> bool:
    return isinstance(value, str) and value.lower() == "null"
