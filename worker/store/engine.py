"""SQLite behind one writer thread: every store function runs in one short `BEGIN IMMEDIATE` transaction.

A store function is a plain `f(conn, ...)` on SQLAlchemy Core; what it wrote is durable when `run` returns
(WAL, `synchronous=FULL`). Commands beside a running daemon open the same file with the same settings; the
bundled SQLite is newer than 3.51.3, before which two writers could corrupt a log that was being reset.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.pool import StaticPool

from worker.errors import StoreError, UsageError

if TYPE_CHECKING:
    from types import ModuleType

P = ParamSpec("P")
T = TypeVar("T")
Job = tuple[Callable[[Connection], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]

SAFE_SQLITE = (3, 51, 3)
BUSY_SECONDS = 5.0
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-8000",
    "PRAGMA journal_size_limit=33554432",
)


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`; UsageError for anything else."""
    scheme, _, rest = url.partition(":///")
    if scheme != "sqlite" or not rest or rest.startswith(":memory:"):
        raise UsageError(
            f"WORKER_DATABASE_URL: {url.partition('@')[0]!r} is not a SQLite file; "
            "use for example sqlite:///var/worker.db (postgresql:// is not supported by this version)"
        )
    return Path(rest.partition("?")[0])


def sqlite_engine(path: Path) -> Engine:
    """One connection to the file, with the project's settings; a missing folder is made."""
    _make_private(path)
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        module=_driver(),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


class Store:
    """The database as the service sees it: `await store.run(function, ...)` is one durable transaction."""

    def __init__(self, engine: Engine, observe: Callable[[float], None] | None = None) -> None:
        self.engine = engine
        self._observe = observe
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._started = False

    def start(self) -> None:
        """Starts the writer thread; the connection is opened by its first job."""
        self._started = True
        self._thread.start()

    async def run(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Runs `function(conn, ...)` in one transaction; StoreError when the database refuses it.

        A cancelled caller does not undo the transaction: it commits or fails as a whole.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((lambda conn: function(conn, *args, **kwargs), future, loop))
        return await future

    async def close(self) -> None:
        """Finishes what is queued, then closes the file."""
        if self._started:
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self.engine.dispose()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future, loop = job
            began = time.monotonic()
            try:
                result, error = transact(self.engine, function), None
            except BaseException as problem:  # noqa: BLE001 - whatever it is belongs to the caller
                result, error = None, problem
            if self._observe is not None:
                self._observe(time.monotonic() - began)
            loop.call_soon_threadsafe(_settle, future, result, error)


def transact(engine: Engine, function: Callable[[Connection], T]) -> T:
    """Runs one store function in one transaction in this thread; StoreError when the database refuses it."""
    try:
        with engine.begin() as conn:
            return function(conn)
    except (IntegrityError, ProgrammingError, DataError):
        # These are our mistakes, not the database's condition: nobody should wait for them to pass.
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            engine.dispose()
        raise StoreError(explain(error)) from error


def explain(error: DBAPIError) -> str:
    """What is wrong with the database and what mends it, in one line, without the statement's values."""
    text = str(error.orig)
    remedies = {
        "locked": "another process holds it; end that process or wait",
        "disk is full": "free space on the volume; work resumes by itself",
        "readonly": "make the file and its folder writable for this user",
        "unable to open": "make sure that the folder exists and is writable for this user",
        "malformed": "the file is damaged; restore a backup, see docs/runbook.md",
        "not a database": "the file is not a SQLite database; name another in WORKER_DATABASE_URL or restore a backup",
        "disk i/o": "check the volume; the file may have been deleted or its disk may fail",
    }
    remedy = next(
        (cure for symptom, cure in remedies.items() if symptom in text.lower()), "see docs/runbook.md"
    )
    return f"database: {text}; {remedy}"


def _settle(future: asyncio.Future[T], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _make_private(path: Path) -> None:
    """The file quotes mail: nobody but this user may read it. SQLite gives its log files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise UsageError(
            f"WORKER_DATABASE_URL: cannot make {path}: {error.strerror}; "
            "name a writable place, for example sqlite:////data/worker.db"
        ) from error


def _configure(connection: Any, _record: object) -> None:
    # The driver's own transaction control would begin late and deferred; ours begins IMMEDIATE.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma).fetchall()


def _driver() -> ModuleType:
    if sqlite3.sqlite_version_info >= SAFE_SQLITE:
        return sqlite3
    from pysqlite3 import dbapi2  # noqa: PLC0415 - only where the interpreter's SQLite is too old

    return dbapi2  # type: ignore[no-any-return]
