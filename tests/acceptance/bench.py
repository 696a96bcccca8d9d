"""The worker as its users meet it: processes with settings in the environment, JSON lines, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, DummyCookieJar

TOKEN = "acceptance-canary-0123456789-token"
PATIENCE = 15.0
"""Seconds after which a test that still waits has failed."""


@dataclass(frozen=True)
class Result:
    """What a command that has ended left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line of stdout; a line that is no JSON object fails the test."""
        return [_object(line) for line in self.out.split("\n")[:-1]]


class Process:
    """One started command; its output goes to files, so that nothing ever blocks on a pipe."""

    def __init__(self, pid: int, ended: asyncio.Task[int], out: Path, err: Path) -> None:
        self.pid = pid
        self._ended = ended
        self._out = out
        self._err = err
        self._lines: list[dict[str, Any]] = []
        self._read = 0

    @property
    def ended(self) -> bool:
        return self._ended.done()

    def signal(self, number: signal.Signals) -> None:
        # It may be over before its end is told.
        if not self.ended:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def wait(self, patience: float = PATIENCE) -> Result:
        """Waits for its end; kills it and fails where it does not come."""
        try:
            code = await asyncio.wait_for(asyncio.shield(self._ended), patience)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            code = await self._ended
            raise AssertionError(f"still running after {patience} s\n{self._tail()}") from None
        return Result(code, self._out.read_text(encoding="utf-8"), self._err.read_text(encoding="utf-8"))

    async def wait_at_most(self, seconds: float) -> None:
        """Waits for its end, but no longer than that."""
        await asyncio.wait({self._ended}, timeout=seconds)

    async def stop(self) -> Result:
        """SIGTERM, then its end."""
        self.signal(signal.SIGTERM)
        return await self.wait()

    async def kill(self) -> Result:
        """SIGKILL, then its end."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def events(self, action: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """The log lines so far, or those of one event.action with these `worker.*` fields."""
        with self._out.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._lines += [json.loads(line) for line in whole.splitlines()]
        self._read += len(whole) + len(newline)
        return [
            line
            for line in self._lines
            if action in (None, line["event.action"])
            and all(line.get(f"worker.{name}") == value for name, value in fields.items())
        ]

    async def until(self, action: str, *, times: int = 1, patience: float = PATIENCE, **fields: Any) -> None:
        """Waits until the log has so many lines of this event."""

        def told() -> bool:
            assert not self.ended, f"ended while the test waited for {action}\n{self._tail()}"
            return len(self.events(action, **fields)) >= times

        await until(told, patience, lambda: f"no {action} {fields}\n{self._tail()}")

    def text(self) -> str:
        """What it has written so far."""
        return self._out.read_text(encoding="utf-8")

    async def page(self, path: str) -> str:
        """What the daemon serves there; it must have been started with a WORKER_HTTP_BIND."""
        (listening,) = self.events("health.listening")
        url = f"http://127.0.0.1:{listening['worker.port']}{path}"
        async with ClientSession(cookie_jar=DummyCookieJar()) as session, session.get(url) as response:
            assert response.status == 200
            return await response.text()

    def _tail(self) -> str:
        lines = self._out.read_text(encoding="utf-8").splitlines()
        told = [line for line in lines if "poll.completed" not in line and "tick.overlapped" not in line]
        return "\n".join([*told[-20:], self._err.read_text(encoding="utf-8")[-3000:]])


async def until(
    done: Callable[[], bool], patience: float = PATIENCE, told: Callable[[], str] = lambda: "never came true"
) -> None:
    """Waits until something has come true; fails loudly where it does not."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline, told()
        await asyncio.sleep(0.02)


Begin = Callable[
    [tuple[str, ...], dict[str, str], Path, Path], Coroutine[Any, Any, tuple[int, asyncio.Task[int]]]
]


@dataclass
class Bench:
    """One worker's world: a folder with rules and database, and the settings that name them."""

    folder: Path
    forkserver: str
    env: dict[str, str] = field(default_factory=dict)
    module: str = "worker.__main__"
    """Whose `main` a started command is; a test may put another in its place."""
    processes: list[Process] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def database(self) -> Path:
        return self.folder / "worker.db"

    def rule(self, name: str, source: str) -> Path:
        """Writes one playbook file."""
        path = self.folder / "rules" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return path

    async def start(self, *arguments: str, **env: str | None) -> Process:
        """Starts a command. A variable of None is not set."""
        return await self._start(self._fork, arguments, env)

    async def start_fresh(self, *arguments: str, **env: str | None) -> Process:
        """Starts a command as `python -m worker`, rather than forked."""
        return await self._start(self._spawn, arguments, env)

    async def _start(self, begin: Begin, arguments: tuple[str, ...], env: dict[str, str | None]) -> Process:
        number = next(self._numbers)
        out, err = self.folder / f"{number}.out", self.folder / f"{number}.err"
        merged = {name: value for name, value in (self.env | env).items() if value is not None}
        pid, ended = await begin(arguments, merged, out, err)
        process = Process(pid, ended, out, err)
        self.processes.append(process)
        return process

    async def run(self, *arguments: str, **env: str | None) -> Result:
        """Runs a command to its end."""
        return await (await self.start(*arguments, **env)).wait()

    async def daemon(self, **env: str | None) -> Process:
        """Starts `worker run` and waits until it has started."""
        process = await self.start("run", **env)
        await process.until("service.started")
        return process

    async def once(self, expected: int = 0, /, **env: str | None) -> Result:
        """`worker run --once` with the expected exit code."""
        result = await (await self.start("run", "--once", **env)).wait(40)
        assert result.code == expected, (result.code, result.out[-3000:], result.err[-3000:])
        return result

    async def ask(self, *arguments: str) -> Any:
        """The JSON of a command that succeeds."""
        result = await self.run(*arguments)
        assert result.code == 0, result
        return result.json

    async def actions(self, **equal: str) -> list[dict[str, Any]]:
        """`worker actions list --json`, those with these values."""
        rows = await self.ask("actions", "list", "--json")
        return [row for row in rows if all(row[name] == value for name, value in equal.items())]

    async def states(self) -> dict[str, int]:
        """How many actions are in each state that has any."""
        return {state: count for state, count in (await self.status())["actions"].items() if count}

    async def status(self) -> Any:
        return await self.ask("status", "--json")

    async def audit(self) -> list[dict[str, Any]]:
        """Every record of an audit log that verifies."""
        verified = await self.run("audit", "verify")
        assert verified.code == 0, verified
        exported = await self.run("audit", "export", "--json")
        assert exported.code == 0
        return [json.loads(line) for line in exported.out.split("\n")[:-1]]

    async def close(self) -> None:
        """Kills what still runs."""
        for process in self.processes:
            if not process.ended:
                await process.kill()

    async def _fork(
        self, arguments: tuple[str, ...], env: dict[str, str], out: Path, err: Path
    ) -> tuple[int, asyncio.Task[int]]:
        for path in (out, err):
            path.touch()
        reader, writer = await asyncio.open_unix_connection(self.forkserver)
        order = {
            "module": self.module,
            "arguments": arguments,
            "env": env,
            "cwd": str(self.folder),
            "stdout": str(out),
            "stderr": str(err),
        }
        writer.write(json.dumps(order).encode() + b"\n")
        pid = int((await asyncio.wait_for(reader.readline(), PATIENCE)).split()[1])

        async def ended() -> int:
            try:
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
                await writer.wait_closed()

        return pid, asyncio.create_task(ended())

    async def _spawn(
        self, arguments: tuple[str, ...], env: dict[str, str], out: Path, err: Path
    ) -> tuple[int, asyncio.Task[int]]:
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "worker", *arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=stdout, stderr=stderr, cwd=self.folder, env=env,
            )  # fmt: skip
        return process.pid, asyncio.create_task(process.wait())


def _object(line: str) -> dict[str, Any]:
    value = json.loads(line)
    assert isinstance(value, dict), line
    return value
