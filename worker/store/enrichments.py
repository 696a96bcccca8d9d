"""What decisions rested on beside their events, under the SHA-256 of it: never replaced, and compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from worker.model.plans import Decided
from worker.store import schema
from worker.store.prepared import put
from worker.store.tools import enrichment_id

_LEVEL = 3
_MOST = 64 * 2**20
"""Bytes of one once it is inflated, should somebody have written to it."""


class ChangedError(Exception):
    """It is not what was stored: somebody wrote to it."""


def keep(conn: Connection, account_id: str, now: float, decided: Iterable[Decided]) -> None:
    """Stores what these decisions rested on; what is stored already is so once more from now on."""
    rested = {one.rested.sha256: one.rested.body for one in decided if one.rested is not None}
    rows = [
        {
            "id": enrichment_id(account_id, digest),
            "account_id": account_id,
            "body": zlib.compress(body.encode(), _LEVEL),
            "stored_at": now,
        }
        for digest, body in rested.items()
    ]
    put(conn, schema.enrichments, rows)


def read(conn: Connection, account_id: str, digest: str) -> str | None:
    """What is stored under this SHA-256; None where it is there no more.

    Raises:
        ChangedError: it has another SHA-256 now.
    """
    e = schema.enrichments.c
    body = conn.scalars(select(e.body).where(e.id == enrichment_id(account_id, digest))).one_or_none()
    if body is None:
        return None
    try:
        text = zlib.decompressobj().decompress(body, _MOST)
    except zlib.error:
        raise ChangedError from None
    if sha256(text).hexdigest() != digest:
        raise ChangedError
    return text.decode()


def shown(conn: Connection, account_id: str, digest: str | None) -> dict[str, Any] | None:
    """For a person: what is stored, or why it cannot be shown; None where nothing was."""
    if digest is None:
        return None
    try:
        body = read(conn, account_id, digest)
    except ChangedError:
        return {"error": "it was changed in the database after the decision"}
    return {"error": "it is not kept any more"} if body is None else dict(msgspec.json.decode(body))
