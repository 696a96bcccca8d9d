"""SQLite behind one writer thread: every store function runs in one short `BEGIN IMMEDIATE` transaction.

A store function is a plain `f(conn, ...)` on SQLAlchemy Core; what it wrote is durable when `run` returns
(WAL, `synchronous=FULL`). Commands beside a running daemon open the same file with the same settings; the
bundled SQLite is newer than 3.51.3, before which two writers could corrupt a log that was being reset.
"""

from __future__ import annotations

import asyncio
import importlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, CursorResult, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from worker.errors import Damaged, StoreError, UsageError
from worker.store.conditions import is_condition, mapped, told
from worker.store.file.guard import Guard

if TYPE_CHECKING:
    from types import ModuleType

P = ParamSpec("P")
T = TypeVar("T")
End = tuple[Any, BaseException | None]
Job = tuple[Callable[[Connection], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]

SAFE_SQLITE = (3, 51, 3)
BUSY_SECONDS = 5.0
JOBS_PER_COMMIT = 64
READS = "reads_only"
"""Execution option of connections that only read."""
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    # Half a MiB is enough: what is read together is written together (decision 0080).
    "PRAGMA cache_size=-512",
    # A checkpoint every 32 MiB instead of 4: a backlog writes the same pages again and again.
    "PRAGMA wal_autocheckpoint=8192",
    "PRAGMA journal_size_limit=33554432",
)


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative` or `sqlite:////absolute`; UsageError for anything else.

    A link is followed: lock, brake and all that lies beside the database must lie there for everybody who uses it.
    """
    scheme, _, rest = url.partition(":///")
    if scheme != "sqlite" or not rest or rest.startswith(":memory:"):
        raise UsageError(
            # The URL itself may hold a password.
            "WORKER_DATABASE_URL: is not the URL of a SQLite file; "
            "use for example sqlite:///var/worker.db (postgresql:// is not supported by this version)"
        )
    path = Path(rest.partition("?")[0])
    try:
        real = path.resolve()
    except RuntimeError:
        raise UsageError(f"WORKER_DATABASE_URL: {path} is a link that leads to itself; name a file") from None
    # As it was written, where that is the file itself: messages show it.
    return path if path.absolute() == real else real


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
    event.listen(engine, "begin", _begin)
    return engine


def reading_engine(path: Path) -> Engine:
    """One connection that leaves the file as it is: for copies, which no daemon runs on."""
    return create_engine(
        f"sqlite+pysqlite:///file:{quote(str(path.resolve()))}?mode=ro&uri=true",
        module=_driver(),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False},
    )


@contextmanager
def streaming(engine: Engine) -> Iterator[Connection]:
    """A connection whose rows are read one by one, all as they stood at the first. StoreError for the file's condition.

    What nobody reads to its end, because whoever asked has gone, is let go before the connection is.
    """
    results: list[CursorResult[Any]] = []

    def note(*executed: Any) -> None:
        results.append(executed[-1])

    with told(), engine.connect() as conn:
        event.listen(conn, "after_execute", note)
        try:
            yield conn.execution_options(**{READS: True})
        finally:
            for result in results:
                result.close()


class Store:
    """The database as the service sees it: what `await store.run(function, ...)` wrote is durable when it returns.

    Functions that are waiting together share one commit; each is undone alone where it fails.
    """

    def __init__(
        self,
        engine: Engine,
        observe: Callable[[float], None] | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.engine = engine
        self._observe = observe
        self._failed: Callable[[StoreError], None] | None = None
        self._guard = guard
        self._damage: Damaged | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._started = False

    def tell(self, failed: Callable[[StoreError], None]) -> None:
        """From now on `failed` hears, in the event loop, of whatever the database refuses for its condition."""
        self._failed = failed

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
        running = True
        while running:
            jobs = [self._jobs.get()]
            # What came in while the last commit was written shares the next one.
            while len(jobs) < JOBS_PER_COMMIT and not self._jobs.empty():
                jobs.append(self._jobs.get())
            running = None not in jobs
            self._commit([job for job in jobs if job is not None])

    def _commit(self, jobs: Sequence[Job]) -> None:
        began = time.monotonic()
        refusal = self._damage or self._look_at_the_file(jobs)
        if refusal is not None:
            ends: list[End] = [(None, refusal)] * len(jobs)
        else:
            ends = transact_all(self.engine, [function for function, _, _ in jobs])
        if self._observe is not None:
            self._observe(time.monotonic() - began)
        for (_, future, loop), (result, error) in zip(jobs, ends, strict=True):
            if isinstance(error, StoreError):
                self._note(error, loop)
            loop.call_soon_threadsafe(_settle, future, result, error)

    def _look_at_the_file(self, jobs: Sequence[Job]) -> StoreError | None:
        """What speaks against using the connection. What could be mended at once is told, but refuses nothing."""
        if self._guard is None or not jobs:
            return None
        complaint = self._guard.check(self.engine)
        if complaint is None or not complaint.mended:
            return complaint and StoreError(complaint.why)
        self._note(StoreError(complaint.why), jobs[0][2])
        return None

    def _note(self, error: StoreError, loop: asyncio.AbstractEventLoop) -> None:
        if isinstance(error, Damaged):
            # Other pages may read well, but nobody should act on half a ledger.
            self._damage = error
        if self._failed is not None:
            loop.call_soon_threadsafe(self._failed, error)


def transact(engine: Engine, function: Callable[[Connection], T]) -> T:
    """Runs one store function in one transaction in this thread; StoreError when the database refuses it."""
    ((result, error),) = transact_all(engine, [function])
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def transact_all(engine: Engine, functions: Sequence[Callable[[Connection], Any]]) -> list[End]:
    """Runs store functions in one transaction: each stands or falls by itself, all are durable at once."""
    ends: list[End] = []
    try:
        with engine.begin() as conn:
            if len(functions) == 1:
                ends.append((functions[0](conn), None))
            else:
                ends.extend(_apart(conn, function) for function in functions)
    except SpoiledError:
        return [transact_all(engine, [function])[0] for function in functions]
    except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the callers
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            engine.dispose()
        return [(None, mapped(error))] * len(functions)
    return ends


class SpoiledError(Exception):
    """The database failed under one function: a full disk, say, may have undone what the others wrote before it."""


def _apart(conn: Connection, function: Callable[[Connection], Any]) -> End:
    try:
        conn.exec_driver_sql("SAVEPOINT job")
        result = function(conn)
        conn.exec_driver_sql("RELEASE SAVEPOINT job")
    except Exception as error:
        if is_condition(error):
            raise SpoiledError from error
        conn.exec_driver_sql("ROLLBACK TO SAVEPOINT job")
        conn.exec_driver_sql("RELEASE SAVEPOINT job")
        return None, error  # this function's caller gets it; the others go on
    return result, None


def _settle(future: asyncio.Future[T], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _begin(conn: Connection) -> None:
    """A writer takes its turn at once; a reader, which may take its time, holds up nobody."""
    reads = conn.get_execution_options().get(READS)
    conn.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


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
    """The wheel's SQLite, or the interpreter's where there is no wheel; both at once would cost memory."""
    try:
        from pysqlite3 import dbapi2 as driver  # noqa: PLC0415 - there are platforms without it
    except ImportError:
        driver = importlib.import_module("sqlite3")
    if driver.sqlite_version_info < SAFE_SQLITE:
        raise UsageError(
            f"WORKER_DATABASE_URL: SQLite {driver.sqlite_version} of this Python is older than 3.51.3, with which "
            "two processes may damage the file; install the wheel pysqlite3>=0.6.1, or a Python with a newer SQLite"
        )
    return driver  # type: ignore[no-any-return]
