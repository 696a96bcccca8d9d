from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 110


def demo(*arguments: str) -> tuple[int, str]:
    """Exit code and output of a demo, which is ended with everything that it started when it takes too long."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker.simulator.demo", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output


@pytest.mark.acceptance
def test_demo_works_a_backlog_and_says_what_it_did() -> None:
    """Exit code 0; every shipped playbook in the table, some actions done, releases held; requests, latency, audit."""
    code, output = demo("--messages", "400", "--rate", "30", "--seconds", "5")
    assert code == 0, output
    lines = re.findall(r"^([a-z-]+) +(\d+) +(\d+) +(\d+)", output, re.MULTILINE)
    table = {name: tuple(map(int, counts)) for name, *counts in lines}
    assert table.keys() == {path.stem.replace("_", "-") for path in (ROOT / "rules").glob("[!_]*.py")}
    matched, acted, held = table["release-partner-quarantine"]
    assert matched == held > acted == 0
    matched, acted, held = table["remove-delivered-malicious"]
    assert acted > held == 0
    # On a slow machine the end comes before the last one is sent, or a sweep has moved it already.
    (rest,) = re.findall(r"^remove-delivered-malicious +\d+ +\d+ +\d+(.*)$", output, re.MULTILINE)
    assert matched == acted + sum(map(int, re.findall(r"\d+", rest)))
    assert re.search(r"^requests +\d+ of the budget of 600 ", output, re.MULTILINE)
    assert re.search(r"^latency .* p50 \d+\.\d\d s, p99 \d+\.\d\d s", output, re.MULTILINE)
    assert re.search(r"^audit +\d+ records, intact", output, re.MULTILINE)
    assert "\x1b" not in output


@pytest.mark.acceptance
def test_demo_says_what_went_wrong(tmp_path: Path) -> None:
    """A worker that cannot start is exit code 1 with the worker's own words."""
    code, output = demo("--messages", "10", "--rules", str(tmp_path))
    assert code == 1
    assert "The demo failed: the worker ended by itself, exit code 2" in output
    assert "WORKER_RULES_DIR" in output
