"""The real store on a real SQLite file, its writer thread replaced by a turn of the loop.

A file, not `:memory:`: a crash closes the connection and the next life opens it again, with SQLite's own recovery.
It does not wait for the platter (`synchronous=OFF`), because what dies here is the process and not the machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, delete, event

from tests.simulation.process import Process
from worker.store import schema
from worker.store.engine import JOBS_PER_COMMIT, Store, sqlite_engine, transact, transact_all
from worker.store.file.files import beside
from worker.store.file.witness import SUFFIX
from worker.store.migrate import migrate

P = ParamSpec("P")
T = TypeVar("T")
Committed = Callable[[Callable[..., Any], tuple[Any, ...], Any], None]
"""Is told of every store function that was committed, its arguments and its result."""

COMMIT_SECONDS = (0.0005, 0.02)


class PowerCutError(Exception):
    """The process died while it committed."""


class Disk:
    """One file for all histories of a test run: opened anew by every life, emptied for every history."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = sqlite_engine(path)
        event.listen(self.engine, "connect", lambda conn, _: conn.execute("PRAGMA synchronous=OFF"))
        transact(self.engine, migrate)
        event.listen(self.engine, "commit", self._committing)
        self.cut = False

    def _committing(self, _: Connection) -> None:
        if self.cut:
            raise PowerCutError

    def reopen(self) -> None:
        """What a new process finds."""
        self.cut = False
        self.engine.dispose()

    def clear(self) -> None:
        """An empty database."""
        self.reopen()
        transact(self.engine, _empty)
        beside(self.path, SUFFIX).unlink(missing_ok=True)

    def run(self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A store function in a transaction of its own, as a command beside the daemon runs it."""
        return transact(self.engine, lambda conn: function(conn, *args, **kwargs))


def _empty(conn: Connection) -> None:
    for table in schema.metadata.sorted_tables:
        conn.execute(delete(table))


class SteppedStore(Store):
    """The store of one life: what waits together shares a commit, as in production, a moment later."""

    def __init__(self, disk: Disk, process: Process, committed: Committed) -> None:
        super().__init__(disk.engine)
        self._disk = disk
        self._process = process
        self._committed = committed
        self._waiting: list[_Job] = []

    def start(self) -> None:
        """No thread."""

    async def close(self) -> None:
        """The file is the disk's."""

    async def run(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if not self._process.dead:
            self._waiting.append(_Job(function, args, kwargs, future))
            loop.call_later(self._process.chance.uniform(*COMMIT_SECONDS), self._turn)
        return await future

    def _turn(self) -> None:
        jobs, self._waiting = self._waiting[:JOBS_PER_COMMIT], self._waiting[JOBS_PER_COMMIT:]
        if not jobs or self._process.dead:
            return
        names = ", ".join(job.function.__name__ for job in jobs)
        self._disk.cut = not self._process.passes(f"before the commit of {names}")
        ends = transact_all(self.engine, [job.work for job in jobs])
        if self._disk.cut:
            return
        for job, (result, error) in zip(jobs, ends, strict=True):
            if error is None:
                self._committed(job.function, job.args, result)
        if self._process.passes(f"after the commit of {names}"):
            for job, end in zip(jobs, ends, strict=True):
                job.settle(*end)


@dataclass
class _Job:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    future: asyncio.Future[Any]

    def work(self, conn: Connection) -> Any:
        return self.function(conn, *self.args, **self.kwargs)

    def settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)
