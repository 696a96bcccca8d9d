"""Small helpers that every store module shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine

__all__ = [
    "CHUNK",
    "Connection",
    "Engine",
    "canonical",
    "chunks",
    "enrichment_id",
    "event_id",
    "evidence_id",
    "from_json",
    "sender_id",
    "to_json",
]

T = TypeVar("T")

CHUNK = 500
"""Identifiers in one IN list."""
_BEGINNING = 4
"""Bytes of a name that its key begins with: of a queue id, three quarters of an hour."""

canonical = msgspec.json.Encoder(order="deterministic").encode


def event_id(account_id: str, source: str, key: str) -> bytes:
    """What the seen-set knows an event by, whatever its revision."""
    return _near(key, _digest(account_id, source, key))


def evidence_id(account_id: str, source: str, key: str, revision: str) -> bytes:
    """What one revision of an event is stored under."""
    return _near(key, _digest(account_id, source, key, revision))


def enrichment_id(account_id: str, sha256: str) -> bytes:
    """What a decision's enrichment is stored under."""
    return _digest(account_id, sha256)


def sender_id(account_id: str, address: str) -> bytes:
    """What the actions on one sender's mail have in common; nobody reads the address out of it."""
    return _digest(account_id, "sender", address.lower())


def _near(key: str, digest: bytes) -> bytes:
    """The digest behind how the name begins.

    The names of mail begin with its time (the long queue ids of Postfix: six characters of seconds), so what is read
    together lies together in the tree, and a page of the list changes a few of its leaves instead of all of them.
    """
    return key.encode()[:_BEGINNING].ljust(_BEGINNING) + digest[_BEGINNING:]


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=16).digest()


def to_json(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return canonical(value).decode()


def from_json(text: str) -> Any:
    """The value of a JSON text that this program wrote."""
    return msgspec.json.decode(text)


def chunks(values: Iterable[T]) -> Iterator[Sequence[T]]:
    """The values in lists of at most CHUNK."""
    items = list(values)
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
