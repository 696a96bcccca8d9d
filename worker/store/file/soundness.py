"""Whether the file is a database that can be trusted: looked at before anything is done on it."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from worker.errors import Damaged
from worker.store.conditions import RESTORE, mapped
from worker.store.engine import READS

_INSTRUCTIONS = 10_000
"""Steps of SQLite's machine between two looks at the clock."""


def check(engine: Engine, seconds: float | None = None, *, indexes: bool = False) -> bool:
    """Reads every page, or as many as can be read in so many seconds; False where that were not all. Damaged: one is bad.

    `indexes`: also compares them with their tables, which takes longer. StoreError where it cannot be read at all.
    """
    try:
        return _read_through(engine, seconds, "integrity_check" if indexes else "quick_check")
    except DBAPIError as error:
        raise mapped(error) from error


def _read_through(engine: Engine, seconds: float | None, pragma: str) -> bool:
    deadline = time.monotonic() + (seconds or 0.0)
    with engine.connect() as plain:
        conn = plain.execution_options(**{READS: True})
        driver: Any = conn.connection.driver_connection
        if seconds is not None:
            driver.set_progress_handler(lambda: time.monotonic() > deadline, _INSTRUCTIONS)
        try:
            found = conn.exec_driver_sql(f"PRAGMA {pragma}(1)").scalar_one()
        except DBAPIError as error:
            if "interrupted" in str(error.orig):
                return False
            raise
        finally:
            driver.set_progress_handler(None, 0)
    if found != "ok":
        raise Damaged(f"database: {found.splitlines()[-1]}; the file is damaged; {RESTORE}")
    return True
