"""The programs that are compared, each started as its own process, and what one run of one of them cost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.support.tenant import Effect, Request, Tenant

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "benchmarks" / "playbooks"
LONGEST_SECONDS = 180.0
_LOOK_SECONDS = 0.01
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program: its command line, `{database}` standing for a fresh file, and its environment."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Run:
    """One run against a fresh tenant. Times in seconds."""

    name: str
    spawned_at: float
    ended_at: float
    peak_mb: float
    cpu: float
    """Processor time of the contestant alone, user and system."""
    requests: tuple[Request, ...]
    effects: Counter[Effect]
    """To messages and to settings."""

    @property
    def start(self) -> float:
        """From the start of the process to its first request."""
        return self.requests[0].at - self.spawned_at

    @property
    def work(self) -> float:
        """From the first request to the end of the process."""
        return self.ended_at - self.requests[0].at

    def count(self, *, mutating: bool = False) -> int:
        """Requests, all or those that change something."""
        return sum(1 for one in self.requests if one.mutating or not mutating)


def worker(*arguments: str, name: str = "worker", **settings: object) -> Contestant:
    """The worker in enforce mode with the benchmark's playbooks and nothing that would hold it back.

    Under another name it is started by the script of that name in benchmarks/contestants/.
    """
    environment = {
        "WORKER_MODE": "enforce",
        "WORKER_RULES_DIR": str(PLAYBOOKS),
        "WORKER_DATABASE_URL": "sqlite:///{database}",
        "WORKER_REQUEST_BUDGET": "1000000",
        "WORKER_CAP_PER_POLL": "1000000",
        "WORKER_CAP_PER_HOUR": "1000000",
        "WORKER_HTTP_BIND": "",
    }
    environment |= {name.upper(): str(value) for name, value in settings.items()}
    program = ("-m", "worker") if name == "worker" else (str(_script(name)),)
    return Contestant(name, (sys.executable, *program, "run", *arguments), environment)


def script(name: str, *arguments: str, database: str = "{database}") -> Contestant:
    """One of the programs in benchmarks/contestants/, on a fresh file unless another database is named."""
    return Contestant(name, (sys.executable, str(_script(name)), database, *arguments), {})


def _script(name: str) -> Path:
    return ROOT / "benchmarks" / "contestants" / f"{name}.py"


def run(contestant: Contestant, tenant: Tenant, *, until: Callable[[], bool] | None = None) -> Run:
    """Starts the program and waits for its end; a daemon gets SIGTERM as soon as `until` says so.

    What the tenant saw before does not count.
    """
    before, changed = len(tenant.requests()), tenant.changes()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, (Path(folder) / "log").open("w+") as log:
        database = f"{folder}/ledger.db"
        command = [part.replace("{database}", database) for part in contestant.command]
        chosen = {
            name: value.replace("{database}", database) for name, value in contestant.environment.items()
        }
        environment = clean_environment() | tenant.environment | chosen
        spawned_at = time.time()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
        try:
            peak = _watch(process, until)
            _, status, usage = os.wait4(process.pid, 0)
            ended_at = time.time()
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            log.seek(0)
            raise SystemExit(
                f"{contestant.name} ended with exit code {process.returncode}:\n{log.read()[-3000:]}"
            )
    return Run(
        name=contestant.name,
        spawned_at=spawned_at,
        ended_at=ended_at,
        peak_mb=peak / _KIB,
        cpu=usage.ru_utime + usage.ru_stime,
        requests=tuple(tenant.requests())[before:],
        effects=tenant.effects() + (tenant.changes() - changed),
    )


def _watch(process: subprocess.Popen[bytes], until: Callable[[], bool] | None) -> int:
    """Looks at the process until it has ended; its peak of resident memory in KiB.

    `ru_maxrss` would not do: it also counts what the parent held when it forked.
    """
    peak, deadline, told = 0, time.monotonic() + LONGEST_SECONDS, False
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = max(peak, _high_water(process.pid))
        if until is not None and not told and until():
            process.send_signal(signal.SIGTERM)
            told = True
        if time.monotonic() > deadline:
            raise SystemExit(f"the process did not end within {LONGEST_SECONDS:.0f} s")
        time.sleep(_LOOK_SECONDS)
    return peak


def _high_water(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def clean_environment() -> dict[str, str]:
    """This environment without anybody's own settings of the worker."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("WORKER_", "CLOUDFLARE_"))
    }
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))}
