"""Whether a worker's memory stays flat over a million events: the last third against the middle third.

soak.py [--events N] [--rate N] [--share S]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.support.contestants import ROOT, clean_environment, worker
from benchmarks.support.tenant import Tenant
from benchmarks.support.verdict import judge

ALLOWED = 0.05
KIB = 1024
LONGEST_SECONDS = 7200.0
LOOK_SECONDS, QUIET_SECONDS = 0.5, 120.0
"""How often it is looked at, and how long it may do nothing: a long window acts when its last page is recorded."""


class Sample(NamedTuple):
    """What the worker held when it had been shown so many messages."""

    shown: int
    moved: int
    megabytes: float


@contextmanager
def stream(rate: float, events: int, share: float) -> Iterator[Tenant]:
    """A vendor that makes its mail up, in a process of its own."""
    script = ROOT / "benchmarks" / "support" / "stream.py"
    flags = ("--rate", str(rate), "--total", str(events), "--share", str(share))
    command = [sys.executable, str(script), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Tenant(ready["base_url"], ready["account_id"], ready["token"])
        finally:
            process.kill()


def main() -> None:
    """Runs it and prints the memory by tenths of the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=2500.0, help="messages a second")
    parser.add_argument("--share", type=float, default=0.01, help="of them acted on")
    chosen = parser.parse_args()
    print(f"{chosen.events:,} events at {chosen.rate:g} a second, {chosen.share:.0%} of them acted on")
    began = time.monotonic()
    expected = int((chosen.events - 1) * chosen.share) + 1
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with stream(chosen.rate, chosen.events, chosen.share) as vendor:
            samples = soak(Path(folder), vendor, expected)
        size = (Path(folder) / "ledger.db").stat().st_size / 10**6
    report(samples, chosen.events)
    last = samples[-1]
    print(
        f"{last.moved:,} moves of {expected:,} wanted, {time.monotonic() - began:.0f} s, file {size:.0f} MB",
        flush=True,
    )
    assert last.moved == expected, "not everything was done once"


def soak(folder: Path, vendor: Tenant, expected: int) -> list[Sample]:
    """Runs the worker until it has done everything that was expected, or nothing any more."""
    settings = worker(worker_poll_interval=1, worker_poll_overlap=2, worker_initial_lookback=600)
    environment = {
        **clean_environment(),
        **settings.environment,
        **vendor.environment,
        "WORKER_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
    }
    samples: list[Sample] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(settings.command, env=environment, cwd=folder, stdout=log)
        try:
            quiet = 0.0
            while quiet < QUIET_SECONDS and (not samples or samples[-1].moved < expected):
                time.sleep(LOOK_SECONDS)
                assert process.poll() is None, "the worker has ended"
                assert time.monotonic() < deadline, "the worker does not get through"
                samples.append(sample(vendor, process.pid))
                still = len(samples) > 1 and samples[-1][:2] == samples[-2][:2]
                quiet = quiet + LOOK_SECONDS if still else 0.0
        finally:
            process.terminate()
            process.wait(60)
    return samples


def sample(vendor: Tenant, pid: int) -> Sample:
    """How far the worker is, and what it holds."""
    url = vendor.base_url.removesuffix("/client/v4") + "/shown"
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - loopback
        told = json.load(answer)
    status = Path(f"/proc/{pid}/status").read_text()
    held = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return Sample(told["shown"], told["moved"], held / KIB)


def report(samples: list[Sample], events: int) -> None:
    """Medians by tenths of the events, and the target."""
    for tenth in range(10):
        part = [one.megabytes for one in samples if tenth <= one.shown * 10 / events < tenth + 1]
        if part:
            print(
                f"{(tenth + 1) * 10:>4} %  median {statistics.median(part):6.1f} MB  most {max(part):6.1f} MB"
            )
    middle, last = (
        statistics.median(one.megabytes for one in samples if low <= one.shown / events <= low + 1 / 3)
        for low in (1 / 3, 2 / 3)
    )
    growth = last / middle - 1
    judge(
        f"resident memory of the last third against the middle third: {middle:.1f} to {last:.1f} MB, {growth:+.1%} "
        f"of {ALLOWED:.0%}",
        good=abs(growth) <= ALLOWED,
    )


if __name__ == "__main__":
    main()
