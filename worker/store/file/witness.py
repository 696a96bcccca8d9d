"""How far the ledger has come, kept beside it: an older copy in its place shows.

`worker.db.head` names an audit record, not older than the last request's intent. A ledger that has that record is the
same or has gone on since; one that has not is a copy that somebody put in place.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, exists, select

from worker.errors import StoreError, UsageError
from worker.store import flags, schema
from worker.store.file.files import beside, sync
from worker.store.trail import audit

SIZE = 256
"""The file never grows: it can be written where the disk is full."""
SUFFIX = ".head"


class Head(NamedTuple):
    """An account's last audit record."""

    account_id: str
    seq: int
    hash: str


def heads(conn: Connection) -> list[Head]:
    """The last record of every account."""
    return [Head(*row) for row in audit.heads(conn)]


def read(database: Path) -> Head | None:
    """What the worker last saw; None where nothing (legible) was left."""
    try:
        return msgspec.json.decode(beside(database, SUFFIX).read_bytes(), type=Head)
    except (OSError, msgspec.DecodeError):
        return None


def write(database: Path, head: Head) -> None:
    """Leaves word of the record. A file that is lost in a power cut would look like a ledger from elsewhere."""
    path = beside(database, SUFFIX)
    new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, msgspec.json.encode(head).ljust(SIZE - 1) + b"\n", 0)
    finally:
        os.close(handle)
    if new:
        # Later ones need not be waited for: an older head fits a ledger that has gone on.
        sync(path)
        sync(path.parent)


def newest(conn: Connection, account_id: str) -> Head:
    """The account's last record; number 0 before the first."""
    row = audit.last(conn, account_id)
    return Head(account_id, row.seq, row.hash) if row else Head(account_id, 0, "")


def keep(database: Path, head: Head) -> None:
    """Leaves word of a record that is committed. StoreError where that cannot be written."""
    try:
        write(database, head)
    except OSError as error:
        raise StoreError(
            f"{beside(database, SUFFIX)}: {error.strerror}; make it writable for this user"
        ) from error


def suspicion(conn: Connection, database: Path) -> str | None:
    """Why the ledger is not the one that ran here last; None where it is. UsageError: it is empty, but was not."""
    head, known = read(database), heads(conn)
    if head is None:
        return "it has worked before, but not here" if _has_worked(conn) else None
    if not known:
        refuse_empty(database)
    if _has(conn, head):
        return None
    return f"it is older than what ran here last, which had {head.seq} audit records"


def refuse_empty(database: Path) -> None:
    """UsageError where an empty ledger stands in the place of one that had records."""
    head = read(database)
    if head is not None and head.seq:
        raise UsageError(
            f"WORKER_DATABASE_URL: {database} is empty or gone, but it had {head.seq} audit records: restore a backup, "
            f"`worker restore FILE`, or, to begin anew and knowing nothing, remove {beside(database, SUFFIX)}"
        )


def _has_worked(conn: Connection) -> bool:
    """Whether a worker ran on it; commands alone leave records too."""
    return bool(conn.execute(select(exists().where(schema.settings.c.name == flags.DAEMON))).scalar())


def _has(conn: Connection, head: Head) -> bool:
    if not head.seq:
        return True
    a = schema.audit.c
    record = exists().where(a.account_id == head.account_id, a.seq == head.seq, a.hash == head.hash)
    return bool(conn.execute(select(record)).scalar())
