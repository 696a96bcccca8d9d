"""`worker check` on a hundred playbooks: the shipped ones, each under several names, as a process of its own.

checking.py [--playbooks N] [--rounds N]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.support.verdict import judge

RULES = Path(__file__).parents[1] / "rules"
TARGET = 2.0
"""Seconds."""


def copies(folder: Path, playbooks: int) -> None:
    """So many playbooks, with the modules and lists that they share."""
    shutil.copytree(RULES / "lists", folder / "lists")
    for shared in RULES.glob("_*.py"):
        shutil.copy(shared, folder)
    shipped = sorted(RULES.glob("[!_.]*.py"))
    for number in range(playbooks):
        file = shipped[number % len(shipped)]
        name = f"{file.stem}_{number}"
        source = file.read_text(encoding="utf-8").replace(f"def {file.stem}(", f"def {name}(")
        (folder / f"{name}.py").write_text(source, encoding="utf-8")


def main() -> None:
    """The median of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--playbooks", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        copies(Path(folder), chosen.playbooks)
        took, summary = [], ""
        for _ in range(chosen.rounds):
            before = time.perf_counter()
            command = [sys.executable, "-m", "worker", "check", folder]
            ran = subprocess.run(command, check=True, capture_output=True, text=True)
            took.append(time.perf_counter() - before)
            summary = ran.stdout.splitlines()[-1]
    assert summary.startswith(f"{chosen.playbooks} playbooks"), summary
    print(summary)
    median = statistics.median(took)
    judge(f"{median:.2f} s ({min(took):.2f} to {max(took):.2f}), target {TARGET:g} s", good=median < TARGET)


if __name__ == "__main__":
    main()
