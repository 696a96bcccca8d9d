from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from tests.builders import NOW
from tests.fakes import ManualClock
from worker.budget import LONGEST_BLOCK
from worker.model.ledger import Left
from worker.working_off import Progress, _send_in

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


class Told(NamedTuple):
    """What the parts say of how long each kind has to wait, and of the budget."""

    kinds: dict[str, float | None]
    blocked: float = 0.0

    def wait(self, kind: str) -> float | None:
        return self.kinds[kind]

    def blocked_for(self) -> float:
        return self.blocked


@pytest.mark.parametrize(
    "kinds, blocked, expected",
    [
        ({"move": 0.0}, 0.0, 5.0),
        ({"move": 10.0}, 0.0, 10.0),
        ({"move": PATIENCE + 1}, 0.0, None),
        ({"move": None}, 0.0, None),
        ({"move": None, "release": 0.0}, 0.0, 5.0),
        ({"move": PATIENCE + 1, "release": 20.0}, 0.0, 20.0),
        ({"move": 0.0}, 300.0, 300.0),
        ({}, 300.0, None),
    ],
)
def test_kinds_do_not_wait_for_each_other(
    clock: ManualClock, kinds: dict[str, float | None], blocked: float, expected: float | None
) -> None:
    """A breaker or a refused token holds up its own kind; a block holds up all and is waited out."""
    told = Told(kinds, blocked)
    parts: Any = SimpleNamespace(clock=clock, budget=told, dispatcher=told)
    left = Left(len(kinds), NOW + 5, 0, None, tuple((kind, NOW + 5) for kind in kinds))
    assert _send_in(parts, left, PATIENCE) == expected
