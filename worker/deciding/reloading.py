"""The next generation of playbooks: looked for, checked in a process of its own, loaded, and only then in force.

Whatever is wrong leaves the generation in force as it is. What is loaded is what was checked: the folder must rest
before, and be the same afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.clock import Clock
from worker.deciding.rulebook import tell_refused
from worker.deciding.watching import hints
from worker.errors import StoreError, WorkerError
from worker.intake import Intake
from worker.model.events import Event
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.playbooks.loader import Catalogue, Print, fingerprint, load
from worker.playbooks.problems import Problem, problem_of

log = get_logger()

REST_SECONDS = 0.5
"""How long nothing may change before a change is taken up: a checkout writes many files, and some in parts."""
CHECK_SECONDS = 120.0
Report = dict[str, Any]
"""What `worker check --json` prints."""


class RefusedError(WorkerError):
    """The folder is not fit to be in force; `problems` say why, where the text does not."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class MovedError(WorkerError):
    """The folder has changed while it was looked at."""


@dataclass(frozen=True, slots=True)
class Means:
    """How a folder is checked, how what was loaded is held to its bounds, and which events are polled."""

    check: Callable[[Path], Awaitable[Report]]
    ward: Callable[[Catalogue], Catalogue]
    polled: Collection[type[Event]]
    notify: bool = True


class Reloader:
    """Keeps the playbooks in force those of the folder.

    `seen` is the folder as it was before it was loaded at start; `adopted` is called after each change of generation.
    """

    def __init__(
        self,
        directory: Path,
        intake: Intake,
        clock: Clock,
        metrics: Metrics,
        means: Means,
        adopted: Callable[[], Awaitable[None]],
        seen: Print,
    ) -> None:
        self._directory = directory
        self._intake = intake
        self._clock = clock
        self._metrics = metrics
        self._means = means
        self._adopted = adopted
        self._seen = seen
        self.failed = next(map(str, intake.rules.loaded.problems), "")
        """Why the folder as it is now is not in force, or not all of it; empty where it is."""
        metrics.generation(intake.rules.generation, ok=not self.failed)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with aclosing(hints(self._directory, self._clock, notify=self._means.notify)) as told:
            async for _ in told:
                try:
                    await self.look()
                except OSError as error:
                    # No process to check it in, or a folder on its way out: the next look is soon.
                    self._refuse(RefusedError(f"cannot be looked at: {error}"))

    async def look(self) -> bool:
        """Takes the folder up where it has changed; True where there is a new generation."""
        while (now := await self._print()) != self._seen:
            await self._clock.sleep(REST_SECONDS)
            if await self._print() != now:
                continue
            try:
                await self._take_up(now)
            except MovedError:
                continue
            except RefusedError as refused:
                self._seen = now
                self._refuse(refused)
                return False
            return True
        return False

    async def _take_up(self, now: Print) -> None:
        report = await self._means.check(self._directory)
        if not report["ok"]:
            problems = [problem_of(one) for one in report["problems"]]
            if await self._print() != now:
                raise MovedError("it changed while it was checked")
            raise RefusedError(f"{len(problems)} problems", problems)
        # Unguarded, because it was loaded before in another process, and in a thread timers reach nobody.
        catalogue = self._means.ward(await asyncio.to_thread(load, self._directory))
        checked = {(one["id"], one["version"]) for one in report["playbooks"]}
        loaded = {(one.id, one.version) for one in catalogue.playbooks}
        if await self._print() != now or loaded != checked:
            raise MovedError("it changed while it was checked")
        if catalogue.problems:
            raise RefusedError(f"{len(catalogue.problems)} problems", catalogue.problems)
        if missing := [one for kind in self._unpolled(catalogue) for one in catalogue.by_type[kind]]:
            raise RefusedError("needs a source", [_unpolled(one.path, one.line, one.id) for one in missing])
        self._seen = now
        await self._adopt(catalogue)

    def _unpolled(self, catalogue: Catalogue) -> list[type[Event]]:
        return [kind for kind, some in catalogue.by_type.items() if some and kind not in self._means.polled]

    async def _adopt(self, catalogue: Catalogue) -> None:
        before = {one.id: one.version for one in self._intake.rules.loaded.playbooks}
        after = {one.id: one.version for one in catalogue.playbooks}
        self._intake.decider.adopt(catalogue)
        self.failed = ""
        generation = self._intake.rules.generation
        self._metrics.generation(generation, ok=True)
        log.info(
            "playbooks.reloaded",
            generation=generation,
            playbooks=len(after),
            added=sorted(after.keys() - before.keys()),
            removed=sorted(before.keys() - after.keys()),
            changed=sorted(name for name in before.keys() & after.keys() if before[name] != after[name]),
        )
        with suppress(StoreError):  # which the store itself tells; the next start says it anew
            await self._adopted()

    def _refuse(self, refused: RefusedError) -> None:
        generation = self._intake.rules.generation
        tell_refused(refused.problems)
        self.failed = str(refused.problems[0]) if refused.problems else str(refused)
        self._metrics.generation(generation, ok=False)
        log.error("playbooks.reload_refused", generation=generation, reason=self.failed)

    async def _print(self) -> Print:
        return await asyncio.to_thread(fingerprint, self._directory)


async def check_in_child(directory: Path, *, seconds: float = CHECK_SECONDS) -> Report:
    """`worker check` in a new process, without any of our secrets. RefusedError where it does not come to an end."""
    # It runs author code in a process of its own: only as a group do both end, whoever of them hangs.
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker", "check", str(directory), "--json",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )  # fmt: skip
    told = False
    try:
        async with asyncio.timeout(seconds):
            out, err = await child.communicate()
        told = True
    except TimeoutError:
        raise RefusedError(f"`worker check {directory}` took more than {seconds:g} s") from None
    finally:
        if not told:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    try:
        return json.loads(out)  # type: ignore[no-any-return]
    except ValueError:
        last = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RefusedError(f"`worker check {directory}` failed ({child.returncode}): {last}") from None


def _unpolled(path: Path, line: int, playbook: str) -> Problem:
    what = "is on events that this process does not poll, because nobody wanted them when it was started"
    return Problem(path, line, playbook, what, "restart the worker")
