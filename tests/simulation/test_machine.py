from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.simulation.disk import Disk
from tests.simulation.history import CLASSES, FAULTS, LOSSES, MIX, WRITES
from tests.simulation.law import BrokenLawError
from tests.simulation.script import Player, Step, perform
from tests.simulation.world import FOLDERS
from tests.simulation.wrong import MISTAKES
from worker.simulator.faults import IN_HANDLER

EXAMPLES, STEPS = 12, 12
SOAK_EXAMPLES = int(os.environ.get("WORKER_SIMULATION_EXAMPLES", "1000"))

verdicts = st.sampled_from(list(MIX))
numbers = st.integers(0, 9)


class Happenings(RuleBasedStateMachine):
    """Anything may happen next; in the end everything works again, and the laws must hold."""

    disk: Disk

    def __init__(self) -> None:
        super().__init__()
        self.player = Player(self.disk)

    @rule(verdict=verdicts, late=st.sampled_from([0.0, 5.0, 600.0]), quarantined=st.booleans())
    def mail(self, verdict: str, late: float, quarantined: bool) -> None:
        self.player.do("mail", verdict, late, quarantined)
        self.player.do("wait", 0.2)

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0]))
    def time_passes(self, seconds: float) -> None:
        self.player.do("wait", seconds)

    @rule(number=numbers, verdict=verdicts)
    def verdict_changes(self, number: int, verdict: str) -> None:
        self.player.do("verdict", number, verdict)

    @rule(number=numbers, folder=st.sampled_from(FOLDERS))
    def analyst_moves(self, number: int, folder: str) -> None:
        self.player.do("analyst", number, folder)

    @rule(number=numbers)
    def user_reports(self, number: int) -> None:
        self.player.do("report", number)

    @rule(
        on=st.sampled_from(WRITES), kind=st.sampled_from(LOSSES), after=st.booleans(), count=st.integers(1, 2)
    )
    def answers_are_lost(self, on: str, kind: str, after: bool, count: int) -> None:
        self.player.do("fault", on, kind, after, count)

    @rule(kind=st.sampled_from(FAULTS), count=st.integers(1, 3))
    def requests_fail(self, kind: Any, count: int) -> None:
        on = min(IN_HANDLER[kind].intersection(CLASSES)) if kind in IN_HANDLER else "any"
        self.player.do("fault", on, kind, False, count)

    @rule(count=st.integers(1, 3))
    def connections_are_refused(self, count: int) -> None:
        self.player.do("disconnect", count)

    @rule(points=st.integers(1, 30))
    def is_killed(self, points: int) -> None:
        self.player.do("crash", points)
        self.player.do("wait", 2.0)

    @rule(seconds=st.sampled_from([0.1, 400.0]), mode=st.sampled_from(["shadow", "approve", "enforce"]))
    def is_restarted(self, seconds: float, mode: str) -> None:
        self.player.do("restart", seconds, mode)

    @rule(offset=st.sampled_from([-7200.0, -60.0, 0.0, 60.0, 7200.0]))
    def clock_is_set(self, offset: float) -> None:
        self.player.do("clock", offset)

    @rule(number=numbers, says=st.sampled_from(["approve", "reject"]))
    def person_decides(self, number: int, says: str) -> None:
        self.player.do(says, number)

    @rule(on=st.booleans())
    def person_pauses(self, on: bool) -> None:
        self.player.do("pause" if on else "resume")

    def teardown(self) -> None:
        try:
            if not self.player.failed:
                self.player.do("settle")
        finally:
            self.player.world.close()


def run(disk: Disk, examples: int) -> None:
    """Lets Hypothesis look for a history that breaks a law; what it finds it makes as short as it can."""
    Happenings.disk = disk
    health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=health,
    )
    run_state_machine_as_test(Happenings, settings=chosen)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_that_may_happen_breaks_a_law(disk: Disk) -> None:
    """In any order, as Hypothesis draws it."""
    run(disk, EXAMPLES)


@pytest.mark.soak
def test_nothing_of_much_that_may_happen_breaks_a_law(disk: Disk) -> None:
    """The same with WORKER_SIMULATION_EXAMPLES examples, 1,000 unless it says otherwise."""
    run(disk, SOAK_EXAMPLES)


def test_a_script_that_breaks_a_law_says_how_to_replay_it(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is part of the error, and playing it again breaks the same law."""
    wrong = next(one for one in MISTAKES if one.name == "takes a lost answer for success")
    wrong.make(monkeypatch)
    steps: list[Step] = [
        ["fault", "move", "500", False, 1],
        ["mail", "SPAM", 0.0, False],
        ["wait", 3.0],
        ["settle"],
    ]
    with pytest.raises(BrokenLawError) as first:
        perform(steps, disk)
    assert 'python -m tests.simulation --script \'[["fault"' in "".join(first.value.__notes__)
    with tempfile.TemporaryDirectory() as folder, pytest.raises(BrokenLawError) as again:
        perform(steps, Disk(Path(folder) / "worker.db"))
    assert str(again.value) == str(first.value)
