from __future__ import annotations

import pytest

from tests.fakes import ManualClock
from worker.budget import LONGEST_BLOCK
from worker.working_off import Progress

PATIENCE = 60.0


def lasts(clock: ManualClock, progress: Progress, *, waiting: bool, changes: int = 0) -> float:
    """Seconds until the run gives up, a second a turn; the first so many turns get somewhere."""
    began = clock.monotonic()
    turn = 0
    while progress.made(min(turn, changes), waiting=waiting):
        assert turn < 10_000
        turn += 1
        clock.pass_time(1.0)
    return clock.monotonic() - began


@pytest.mark.parametrize("waiting, seconds", [(False, PATIENCE), (True, PATIENCE + LONGEST_BLOCK - 1)])
def test_a_run_that_gets_nowhere_ends(clock: ManualClock, waiting: bool, seconds: float) -> None:
    """After its patience; a block is waited out, and one only, for the vendor may answer 429 without end."""
    progress = Progress(clock, PATIENCE)
    progress.made(-1, waiting=False)
    assert lasts(clock, progress, waiting=waiting) == pytest.approx(seconds, abs=1.0)


def test_a_run_that_gets_somewhere_goes_on(clock: ManualClock) -> None:
    """A long queue may take many windows of the budget."""
    assert lasts(clock, Progress(clock, PATIENCE), waiting=True, changes=2000) > 2000 + LONGEST_BLOCK
