"""Copies of the ledger that can be trusted: looked through before anybody relies on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine

from worker.errors import UsageError
from worker.store.engine import reading_engine, transact
from worker.store.file.soundness import check
from worker.store.migrate import KNOWN, revision
from worker.store.trail.verification import verify_all


class Log(NamedTuple):
    """An account's audit log in a copy, and what is wrong with it, if anything."""

    account_id: str
    records: int
    broken: str | None


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    """The copy, read-only and left as it is."""
    engine = reading_engine(path)
    try:
        yield engine
    finally:
        engine.dispose()


def inspect(path: Path) -> list[Log]:
    """Reads a copy through, pages, indexes and audit logs. StoreError: it is damaged; UsageError: no ledger."""
    with opened(path) as engine:
        check(engine, indexes=True)
        return transact(engine, _look_through)


def _look_through(conn: Connection) -> list[Log]:
    found = revision(conn)
    if found not in KNOWN:
        what = f"is of revision {found}, which this program does not know" if found else "holds no ledger"
        raise UsageError(f"the copy {what}; name a file that `worker backup` of this version made")
    return [
        Log(account_id, count, f"record {broken.seq} {broken.why}" if broken else None)
        for account_id, count, broken in verify_all(conn, {})
    ]
