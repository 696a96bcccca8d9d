from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.disk import Disk
from tests.simulation.history import play
from tests.simulation.many import FIRST, play_all

SEEDS = 200
SOAK_SEEDS = int(os.environ.get("WORKER_SIMULATION_SEEDS", "10000"))
HAPPENS = (
    "approve", "clock set", "crashes", "fault 202", "fault 401", "fault 429", "fault 500", "fault 500 after the effect",
    "fault drop", "fault drop after the effect", "fault empty after the effect", "fault html after the effect",
    "fault no connection", "fault partial", "fault poison", "fault slow", "fault slow after the effect",
    "fault success_false", "moved by an analyst", "pause", "reject", "released by an analyst", "reports", "retry",
    "verdicts changed",
)  # fmt: skip
"""What has to have happened, or the histories prove less than they claim."""
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_seed_breaks_a_law() -> None:
    """Whatever is lost, late, killed, moved or set: nothing is lost, nothing repeated, nothing too much."""
    tally = play_all(SEEDS)
    assert not tally.broken, str(tally)
    assert [name for name in HAPPENS if not tally.stats[name]] == []


@pytest.mark.soak
def test_no_seed_of_many_breaks_a_law() -> None:
    """The same with WORKER_SIMULATION_SEEDS histories, 10,000 unless it says otherwise."""
    tally = play_all(SOAK_SEEDS, FIRST + SEEDS)
    sys.__stdout__.write(f"\n{tally}\n") if sys.__stdout__ else None
    assert not tally.broken, str(tally)


def test_one_seed_is_one_history(disk: Disk) -> None:
    """Played again, everything happens again, to the millisecond."""
    for seed in (3, 4, 5):
        assert play(seed, disk).trace == play(seed, disk).trace


def test_the_printed_command_replays_a_seed(disk: Disk) -> None:
    """In another process, under another order of sets, the command shows the very same history."""
    trace = play(7, disk).trace
    shown = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "7"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.splitlines() == [*trace, "every law holds"]
