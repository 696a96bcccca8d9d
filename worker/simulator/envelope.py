"""The vendor's answer envelope: `{success, errors, messages, result, result_info?}`, and its errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

_ENCODER = msgspec.json.Encoder()
_OK = b'{"success":true,"errors":[],"messages":[],"result":'


class ApiError(Exception):
    """A refusal. `code` is the vendor's, from 1000 up; 10000 is authentication, 7003 an unknown route."""

    def __init__(self, status: HTTPStatus, code: int, message: str, pointer: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.pointer = pointer
        """Where in the body the mistake stands, as a JSON pointer."""

    def response(self) -> web.Response:
        """The refusal as an answer."""
        return refusal(self.status, self.code, str(self), pointer=self.pointer)


def invalid(message: str, pointer: str | None = None) -> ApiError:
    """A parameter or a body breaks the contract."""
    return ApiError(HTTPStatus.BAD_REQUEST, 1004, message, pointer)


def unknown_id(name: str, what: str = "message", pointer: str | None = None) -> ApiError:
    """No message, or nothing else of that name, has this id."""
    return ApiError(HTTPStatus.NOT_FOUND, 1005, f"{what} {name} not found", pointer)


def conflict(message: str) -> ApiError:
    """What is asked for does not go with the state of things."""
    return ApiError(HTTPStatus.CONFLICT, 1006, message)


def refusal(
    status: int,
    code: int,
    message: str,
    headers: Mapping[str, str] | None = None,
    *,
    pointer: str | None = None,
) -> web.Response:
    """An answer with `success` false and a null result."""
    error: dict[str, object] = {"code": code, "message": message}
    if pointer is not None:
        error["source"] = {"pointer": pointer}
    body = {"success": False, "errors": [error], "messages": [], "result": None}
    return _response(_ENCODER.encode(body), status, headers)


def encode(value: object) -> bytes:
    """A value as JSON."""
    return _ENCODER.encode(value)


def answer(
    result: object, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A successful answer with one result."""
    return _response(_OK + _ENCODER.encode(result) + b"}", status, headers)


def page(rows: Iterable[bytes], info: Mapping[str, object]) -> web.Response:
    """A successful answer with a list of rows that are JSON already."""
    return _response(
        b'%b[%b],"result_info":%b}' % (_OK, b",".join(rows), _ENCODER.encode(info)), HTTPStatus.OK
    )


def _response(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
