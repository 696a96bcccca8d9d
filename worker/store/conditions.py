"""What ails the database, told apart from our own mistakes: a condition passes or is mended, a mistake is a bug."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from worker.errors import Damaged, StoreError

RESTORE = "stop the worker and restore a backup: `worker restore FILE`"
_DAMAGES = ("disk image is malformed", "not a database")
_REMEDIES = {
    "locked": "another process holds it; end that process or wait",
    "disk is full": "free space on the volume; work resumes by itself",
    "readonly": "make the file and its folder writable for this user",
    "unable to open": "make sure that the folder exists and is writable for this user",
    "disk image is malformed": f"the file is damaged; {RESTORE}",
    "not a database": f"the file is not a SQLite database; name another in WORKER_DATABASE_URL, or {RESTORE}",
    "disk i/o": "check the volume: its file system may be full, read-only or failing; work resumes by itself",
}


def is_condition(error: BaseException) -> bool:
    """Whether it is the database's condition; our own mistakes are none: nobody should wait for them to pass."""
    return isinstance(error, DBAPIError) and not isinstance(
        error, IntegrityError | ProgrammingError | DataError
    )


def mapped(error: BaseException) -> BaseException:
    """A StoreError for the database's condition; anything else as it is."""
    if not isinstance(error, DBAPIError) or not is_condition(error):
        return error
    found = as_store_error(str(error.orig))
    found.__cause__ = error
    return found


def as_store_error(text: str) -> StoreError:
    """What is wrong with the database and what mends it, in one line, without the statement's values."""
    lowered = text.lower()
    remedy = next((cure for symptom, cure in _REMEDIES.items() if symptom in lowered), "see docs/runbook.md")
    kind = Damaged if any(symptom in lowered for symptom in _DAMAGES) else StoreError
    return kind(f"database: {text}; {remedy}")


@contextmanager
def told() -> Iterator[None]:
    """A StoreError for the database's condition where it stops the block; anything else as it is."""
    try:
        yield
    except DBAPIError as error:
        raise mapped(error) from error.orig
