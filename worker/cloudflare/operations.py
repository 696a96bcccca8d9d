"""An operation of the API, declared in one line; ids can never leave their segment of the path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeGuard
from urllib.parse import quote, urlencode

from worker.cloudflare.lenient import UNSAFE

MAX_ID = 512
"""Characters of an id. The contract states no limit; real ones have about fifty."""

Value = str | float | datetime
Query = Mapping[str, "Value | Sequence[str] | None"]

CLAIMED: Final = None
"""`lane=CLAIMED` of a write: its request was taken from the budget by the claim, so it does not wait."""


class Scope(StrEnum):
    """What a template is relative to."""

    EMAIL_SECURITY = "accounts/{account_id}/email-security/"
    ACCOUNT = "accounts/{account_id}/"
    ROOT = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """Method and path template, and the success codes whose body can be believed."""

    method: str
    template: str
    scope: Scope = Scope.EMAIL_SECURITY
    accepts: frozenset[int] = frozenset({200, 201})
    max_bytes: int | None = None
    """Of the body, where it must be bounded closer than any other."""

    @property
    def endpoint(self) -> str:
        """The name in metrics and errors, such as `GET investigate/{id}`: no ids."""
        return f"{self.method} {self.template}"

    @property
    def writes(self) -> bool:
        """Whether a lost answer may hide an effect."""
        return self.method != "GET"

    def path(self, account_id: str, ids: Mapping[str, str]) -> str:
        """The path below the base URL.

        Raises:
            ValueError: an id that cannot stand in a path; nothing has been sent.
        """
        values = {name: segment(value) for name, value in ids.items()}
        return (self.scope + self.template).format(account_id=segment(account_id), **values)


def is_id(text: object) -> TypeGuard[str]:
    """Whether something can be asked for, or acted on, by this id: rows without one are bad, and none other is sent.

    A dot segment cannot be encoded away in a path; an id of spaces alone is lost on the way; one with UNSAFE in it is
    not the vendor's any more.
    """
    if not isinstance(text, str) or len(text) > MAX_ID:
        return False
    return bool(text.strip()) and text not in {".", ".."} and UNSAFE not in text


def segment(text: object) -> str:
    """One segment of a path, percent-encoded."""
    if not is_id(text):
        raise ValueError(f"an id must have 1 to {MAX_ID} characters and must not be a dot segment")
    return quote(text, safe=":")


def encode_query(query: Query) -> str:
    """A query string; None is left out, booleans are lower case, times RFC 3339 with Z, lists repeat their name."""
    pairs = [(name, _text(value)) for name, values in query.items() for value in _each(values)]
    return urlencode(pairs, quote_via=quote, safe=":")


def _each(values: Value | Sequence[str] | None) -> Iterator[Value]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        if values is not None:
            yield values
    else:
        yield from values


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time in a query must be aware: the API reads a naive one as it likes")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
