"""How long a worker takes, killed with 10,000 actions open, from its next start to the first new action.

recovery.py [--actions N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.support.contestants import ROOT, clean_environment, worker
from benchmarks.support.tenant import Tenant, tenant
from benchmarks.support.verdict import judge

PER_ACTION = 4.3
"""Messages for each action that the benchmark's playbooks want."""
TARGET_SECONDS = 5.0
PATIENCE = 300.0


class Worker:
    """The worker on one database, which outlives its processes."""

    def __init__(self, folder: Path, tenant: Tenant) -> None:
        self._environment = {
            **clean_environment(),
            **worker(worker_read_back_delay=30, worker_poll_interval=30).environment,
            **tenant.environment,
            "WORKER_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
        }
        self._folder = folder

    def command(self, *arguments: str) -> str:
        """Runs a command to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "worker", *arguments],
            env=self._environment,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def states(self) -> dict[str, int]:
        """Actions by state."""
        counts: dict[str, int] = json.loads(self.command("status", "--json"))["actions"]
        return counts

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """A daemon, killed at the end."""
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "worker", "run"], env=self._environment, cwd=ROOT, stdout=log
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait()


def main() -> None:
    """Runs the rounds and prints the seconds of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(
        f"SIGKILL with {chosen.actions:,} actions open; seconds from the next start to the first new action"
    )
    results = {
        "before the first call": [measure(chosen.actions, in_flight=False) for _ in range(chosen.rounds)],
        "with calls in flight": [measure(chosen.actions, in_flight=True) for _ in range(chosen.rounds)],
    }
    for name, found in results.items():
        told = "  ".join(f"{one:.2f} (processor {cpu:.2f})" for one, cpu in found)
        print(f"{name:<24}{told}")
        median = statistics.median(one for one, _ in found)
        judge(f"{name}: {median:.2f} s of {TARGET_SECONDS:g} s", good=median <= TARGET_SECONDS)


def measure(actions: int, *, in_flight: bool) -> tuple[float, float]:
    """One kill and one start on a fresh tenant and database: seconds, and how much of them the processor worked."""
    flags = ("--messages", str(int(actions * PER_ACTION)), "--reports", "0")
    slow = ("--latency", "0.3") if in_flight else ()
    with tenant(*flags, *slow) as fresh, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        mine = Worker(Path(folder), fresh)
        mine.command("pause", "--reason", "until the queue is long")
        with mine.running():
            wait(lambda: mine.states()["ready"] >= actions)
            if in_flight:
                mine.command("resume")
                wait(lambda: posted(fresh, 0.0) > 0)
        mine.command("resume")
        open_then = sum(mine.states()[state] for state in ("ready", "submitted", "unknown"))
        assert open_then >= actions * 0.8, f"only {open_then} actions are open"
        started = time.time()
        with mine.running() as process:
            wait(lambda: posted(fresh, started) > 0)
            cpu = processor_seconds(process.pid)
            first = min(one.at for one in fresh.requests() if one.mutating and one.at >= started)
        repeated = sum(count - 1 for count in fresh.effects().values())
        assert not repeated, f"{repeated} actions were done twice"
    return first - started, cpu


def processor_seconds(pid: int) -> float:
    """What the process has used of the processor so far: on a busy machine that tells more than the clock."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def posted(fresh: Tenant, since: float) -> int:
    """Mutating requests that the tenant has seen since then."""
    return sum(one.mutating and one.at >= since for one in fresh.requests())


def wait(done: Callable[[], bool]) -> None:
    """Until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"not so after {PATIENCE:g} s (process {os.getpid()})"
        time.sleep(0.05)


if __name__ == "__main__":
    main()
