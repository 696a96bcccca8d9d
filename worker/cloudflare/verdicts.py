"""What an answer, or its absence, means: one table from what happened to the worker's tree of errors.

The only question that counts for a write: may it have had its effect? Before a connection stands it cannot
have; a 429, a 401 or 403, and any other 4xx in the API's own words say that it has not; everything else, such as a
proxy's page, leaves it open (`AnswerLost`) until it is read back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from worker.cloudflare.headers import retry_after
from worker.cloudflare.operations import Operation
from worker.errors import (
    AnswerLost,
    BadAnswer,
    RateLimited,
    Refused,
    TooLarge,
    Transient,
    Unauthorized,
    Unreachable,
    VendorError,
)

_UNSURE = frozenset({408, 425, 499})
"""4xx that a proxy may send after the origin has begun its work."""
_MOST_ERRORS, _MOST_TEXT, _MOST_BYTES = 5, 200, 2**16


@dataclass(slots=True)
class Flight:
    """One request on its way: filled in as far as it got."""

    connected: bool = False
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    broke: str | None = None
    """Why there is no whole body; no text of the answer."""
    unbelievable: bool = False
    """Whether it broke for what the answer is (too large, not HTTP), not for the connection."""
    too_large: bool = False


class _Source(msgspec.Struct, frozen=True):
    pointer: str | None = None


class ApiError(msgspec.Struct, frozen=True):
    """One entry of the envelope's `errors` (API reference, Making API calls)."""

    code: int | None = None
    message: str | None = None
    source: _Source | None = None

    @property
    def where(self) -> str:
        """The place in the body that was sent, such as ` at /posts/3`, where the API tells it."""
        pointer = self.source and self.source.pointer
        return f" at {printable(pointer)}" if pointer else ""


class _Envelope(msgspec.Struct):
    success: object = None


class _Errors(msgspec.Struct):
    errors: list[ApiError] | None = None


def judge(operation: Operation, flight: Flight, ray: str | None = None) -> VendorError | None:
    """The error that a finished flight amounts to; None for a success whose body is whole."""
    status, where = flight.status, operation.endpoint
    if not flight.connected:
        return Unreachable(
            f"{where}: no connection: {flight.broke}; check network, DNS, TLS and the base URL"
        )
    if status is None:
        return _lost(operation, flight, f"no answer: {flight.broke}", ray)
    told = f"{status}{_told(api_errors(flight.body))}"
    if status in _UNSURE or status >= 500:  # noqa: PLR2004 - the first server error of HTTP
        error = AnswerLost if operation.writes else Transient
        return error(f"{where}: {told}", status=status, ray=ray)
    if 400 <= status < 500:  # noqa: PLR2004 - the client errors of HTTP
        return _refusal(operation, flight, told, ray)
    if status not in operation.accepts:
        return unbelievable(operation, f"unexpected status {told}", status=status, ray=ray)
    return _lost(operation, flight, f"{status}, body not read: {flight.broke}", ray) if flight.broke else None


def unbelievable(
    operation: Operation, reason: str, *, status: int | None = None, ray: str | None = None
) -> VendorError:
    """An answer came, and it proves nothing: harmless for a read, an open question for a write."""
    error = AnswerLost if operation.writes else BadAnswer
    return error(f"{operation.endpoint}: {reason}", status=status, ray=ray)


def api_errors(body: bytes) -> tuple[ApiError, ...]:
    """The API's own errors, as far as they can be read."""
    if len(body) > _MOST_BYTES:
        return ()
    try:
        return tuple(msgspec.json.decode(body, type=_Errors).errors or ())
    except (ValueError, RecursionError):
        return ()


def describe(errors: tuple[ApiError, ...]) -> str:
    """Codes and messages on one ASCII line: the messages come from outside."""
    return ", ".join(
        f"{error.code} {printable(error.message or '')}{error.where}" for error in errors[:_MOST_ERRORS]
    )


def printable(text: str) -> str:
    """ASCII without control characters, at most 200 characters."""
    return text[:_MOST_TEXT].encode("unicode_escape").decode("ascii")[:_MOST_TEXT]


def _lost(operation: Operation, flight: Flight, reason: str, ray: str | None) -> VendorError:
    if flight.too_large and not operation.writes:
        return TooLarge(f"{operation.endpoint}: {reason}", status=flight.status, ray=ray)
    if flight.unbelievable or operation.writes:
        return unbelievable(operation, reason, status=flight.status, ray=ray)
    return Transient(f"{operation.endpoint}: {reason}", status=flight.status, ray=ray)


def _refusal(operation: Operation, flight: Flight, told: str, ray: str | None) -> VendorError:
    status, where = flight.status, operation.endpoint
    if status == 429:  # noqa: PLR2004 - Too Many Requests
        pause = retry_after(flight.headers)
        return RateLimited(f"{where}: {told}", retry_after=pause, status=status, ray=ray)
    if status in {401, 403}:
        remedy = (
            "check CLOUDFLARE_API_TOKEN or CLOUDFLARE_API_TOKEN_FILE, "
            "the token's account and its permission Cloud Email Security"
        )
        return Unauthorized(f"{where}: {told}; {remedy}", status=status, ray=ray)
    if not _is_the_apis(flight):
        return unbelievable(operation, f"{told}, not in the API's words", status=status, ray=ray)
    codes = tuple(error.code for error in api_errors(flight.body) if error.code is not None)
    return Refused(f"{where}: {told}", status=status, ray=ray, codes=codes[:_MOST_ERRORS])


def _is_the_apis(flight: Flight) -> bool:
    """Whether the API says itself that it has failed: what stands between may answer for it with a page, or nothing."""
    try:
        return flight.broke is None and msgspec.json.decode(flight.body, type=_Envelope).success is False
    except (ValueError, RecursionError):
        return False


def _told(errors: tuple[ApiError, ...]) -> str:
    return f" ({describe(errors)})" if errors else ""
