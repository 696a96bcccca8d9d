"""SIGKILL at every line that decides, sends or writes: nothing is lost, nothing is done twice, the log stays whole."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import MakeBench
from tests.acceptance.kills.campaign import PATIENCE, Life, Planner, Tally, Trial, run
from tests.acceptance.kills.points import AROUND, CORE, Point, first_line, lines, out_of_reach, text_of

pytestmark = [pytest.mark.acceptance, pytest.mark.slow]

SIDE_BY_SIDE = 2
MOST_FOUND = 5
"""Failures of a campaign, after which the next one would teach nothing new."""


async def run_all(
    next_trial: Callable[[], Trial | None], make_bench: MakeBench, tally: Tally, most: int = 1
) -> None:
    """Runs trials, two at a time, until there is none left or so many have failed."""
    found: list[AssertionError] = []

    async def hand() -> None:
        while len(found) < most and (trial := next_trial()) is not None:
            try:
                await run(trial, make_bench, tally)
            except AssertionError as error:
                found.append(error)

    await asyncio.gather(*(hand() for _ in range(SIDE_BY_SIDE)))
    if found:
        pytest.fail("\n\n".join(map(str, found)), pytrace=False)


@pytest.mark.timeout(180)
async def test_thirty_kills(make_bench: MakeBench) -> None:
    """Killed thirty times, at random moments and at lines of the core, in all kinds of trouble."""
    tally = Tally()
    planner = Planner(tally, lines(*CORE), set(), seed=1, lives=5)
    survey = planner.survey("plain", "deaf", "liar", "flood", "moved-on", "moody", "approved", "unreachable")
    await run_all(lambda: next(survey, None), make_bench, tally)

    def next_trial() -> Trial | None:
        # A slow machine is killed elsewhere than aimed at more often.
        return planner.next() if tally.kills < 30 or len(tally.struck) < 15 else None

    await run_all(next_trial, make_bench, tally)
    assert tally.kills >= 30


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_every_line(make_bench: MakeBench, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed at every line of the core, at every other line that is passed, and at random: 500 times or more.

    KILLS_LINES=core leaves the other lines out, KILLS_AT_LEAST=2000 goes on for longer, KILLS_SEED=2 takes other
    turns; KILLS='...', as a failure prints it, runs one trial again.
    """
    tally = Tally()
    if "KILLS" in os.environ:
        await run(Trial.parse(os.environ["KILLS"]), make_bench, tally)
        return
    core = lines(*CORE) - out_of_reach()
    around = set() if os.environ.get("KILLS_LINES") == "core" else lines(*AROUND)
    planner = Planner(tally, core, around, seed=int(os.environ.get("KILLS_SEED", "1")), lives=6)
    trials = planner.campaign(int(os.environ.get("KILLS_AT_LEAST", "500")))

    def next_trial() -> Trial | None:
        with capsys.disabled():
            sys.stdout.write(
                f"\r{tally}; {len(core - tally.struck)} lines of the core and {len(planner.to_strike())} in all to go "
            )
            sys.stdout.flush()
        return next(trials, None)

    await run_all(next_trial, make_bench, tally, MOST_FOUND)
    if left := [
        f"{module}:{line}: {text_of((module, line))}" for module, line in sorted(core - tally.struck)
    ]:
        pytest.fail("never killed at:\n" + "\n".join(left), pytrace=False)


BROKEN = {
    "done_before_acting": (
        (Life("plain", first_line("executors/move.py", "MoveExecutor.execute")),),
        # On a slow machine it lives on, and settles its call a second time.
        "succeeded, but nothing happened|a second end of one call",
    ),
    "taken_for_never_sent": (
        (Life("plain", first_line("dispatcher.py", "Dispatcher._settle")), Life("plain", "end")),
        r"sent again while it was in doubt|happened \d+ times",
    ),
    "resends_blindly": ((Life("deaf", "end"),), r"sent again while it was in doubt|happened \d+ times"),
    "forgets_what_it_saw": (
        (Life("plain", first_line("store/plans/intake.py", "open_poll")), Life("plain", "end")),
        "lost: nothing in the ledger",
    ),
}


@pytest.mark.parametrize("mistake", BROKEN)
async def test_a_broken_worker_is_caught(make_bench: MakeBench, mistake: str) -> None:
    """The same trials expose a worker that marks before it acts, sends again without a look, or forgets mail."""
    lives, told = BROKEN[mistake]
    with pytest.raises(AssertionError, match=told):
        await run_until_judged(Trial(1, lives), make_bench, mistake)


async def run_until_judged(trial: Trial, make_bench: MakeBench, mistake: str) -> None:
    """Once, but for a machine that is too slow to get to the point, or to tell."""
    tally = Tally()
    points = {life.line.place for life in trial.lives if life.line}
    for _ in range(PATIENCE):
        await run(trial, make_bench, tally, breaks=(mistake,))
        if tally.trials and points <= tally.struck:
            return


def test_a_trial_is_replayed_from_its_text() -> None:
    """What a failure prints names everything that the trial consisted of."""
    trial = Trial(7, (Life("plain", Point("dispatcher.py", 158, 2)), Life("deaf", "random")))
    assert Trial.parse(str(trial)) == trial
    assert str(trial) in trial.command
