"""Requests for 1,000 actions of each kind: the worker against a loop of the official SDK, on the same mail.

requests.py [--messages N] [--backlog N] [--only WORK ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.backlog import MIX, SPAN, check_effects
from benchmarks.support.contestants import PLAYBOOKS, Contestant, Run, run, script, worker
from benchmarks.support.tenant import tenant
from benchmarks.support.verdict import judge

KINDS = PLAYBOOKS.parent / "kinds"
MIXED = "mixed"
MOST_PER_1000 = 8.0
"""Of moves and reclassifies mixed, where submissions go many a call."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done to the mail, and the SDK's way of doing it."""

    name: str
    playbooks: str
    sdk: Contestant
    settings: Mapping[str, str] = field(default_factory=dict)

    def worker(self) -> Contestant:
        """The worker, with the settings of this work and else with its defaults."""
        folder = PLAYBOOKS if self.playbooks == MIXED else KINDS / self.playbooks
        return worker("--once", worker_rules_dir=folder, **self.settings)


BY_SUBMISSIONS = {"worker_reclassify_via": "submissions"}
WORKS = {
    one.name: one
    for one in (
        Work("move", "move", script("sdk_kinds", "move")),
        Work("release", "release", script("sdk_kinds", "release")),
        Work("reclassify", "reclassify", script("sdk_kinds", "reclassify")),
        Work("reclassify by submissions", "reclassify", script("sdk_kinds", "reclassify"), BY_SUBMISSIONS),
        Work("submit", "submit", script("sdk_kinds", "reclassify")),
        Work(MIXED, MIXED, script("sdk_loop")),
        Work(f"{MIXED}, by submissions", MIXED, script("sdk_loop"), BY_SUBMISSIONS),
    )
}


def measure(contestant: Contestant, messages: int) -> Run:
    """One run against a fresh tenant of the same mail."""
    flags = ("--messages", str(messages), "--seed", "1", "--span", str(SPAN), "--mix", MIX, "--reports", "0")
    with tenant(*flags) as fresh:
        return run(contestant, fresh)


def show(work: Work, messages: int) -> Run:
    """Runs both, checks that they did the same, prints a row for each; the worker's run."""
    ours, theirs = measure(work.worker(), messages), measure(work.sdk, messages)
    check_effects([ours, theirs])
    for one in (ours, theirs):
        actions = sum(one.effects.values())
        every, mutating = (1000 * one.count(mutating=only) / actions for only in (False, True))
        print(
            f"{work.name:<28}{one.name:<12}{messages:>10,}{actions:>9,}{one.count():>10,}{every:>10.1f}{mutating:>10.1f}",
            flush=True,
        )
    return ours


def main() -> None:
    """Prints the table and the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="listed for a single kind")
    parser.add_argument("--backlog", type=int, default=50_000, help="listed for the mixed work")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    chosen = parser.parse_args()
    print(f"{'':<28}{'':<12}{'messages':>10}{'actions':>9}{'requests':>10}{'per 1,000':>10}{'mutating':>10}")
    for name in chosen.only:
        work = WORKS[name]
        ours = show(work, chosen.backlog if work.playbooks == MIXED else chosen.messages)
        if work.playbooks == MIXED and work.settings:
            found = 1000 * ours.count() / sum(ours.effects.values())
            judge(f"{name}: {found:.1f} of {MOST_PER_1000:.0f} requests", good=found <= MOST_PER_1000)


if __name__ == "__main__":
    main()
