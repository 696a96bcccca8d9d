"""Requests for 1,000 actions of each kind: the worker against a loop of the official SDK, on the same mail.

requests.py [--messages N] [--backlog N] [--only WORK ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil

from benchmarks.backlog import MIX, SPAN, check_effects
from benchmarks.support.contestants import PLAYBOOKS, Contestant, Run, run, script, worker
from benchmarks.support.listener import listening
from benchmarks.support.tenant import Tenant, tenant
from benchmarks.support.verdict import judge

KINDS = PLAYBOOKS.parent / "kinds"
MIXED = "mixed"
MOST_PER_1000 = 8.0
"""Of moves and reclassifies mixed, where submissions go many a call."""
MOST_MUTATING = 11.0
"""Requests that change something, for 1,000 entries of a collection that takes batches: a hundred share one."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done to the mail, and the SDK's way of doing it, where it has one."""

    name: str
    playbooks: str
    sdk: Contestant | None
    settings: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    """The worker's commands, where one alone does not do."""
    prepare: Callable[[Tenant], None] = lambda _: None
    most: float | None = None
    """Mutating requests for 1,000 actions."""
    tells: bool = False
    """Whether it does nothing to the tenant, but tells somebody."""

    def worker(self, **more: str) -> Contestant:
        """The worker, with the settings of this work and else with its defaults."""
        folder = PLAYBOOKS if self.playbooks == MIXED else KINDS / self.playbooks
        ours = worker("--once", worker_rules_dir=folder, **self.settings, **more)
        if not self.steps:
            return ours
        steps = script("steps", *self.steps)
        return Contestant("worker", steps.command, ours.environment)


def _blocked(fresh: Tenant) -> None:
    """A worker has blocked every spammer before."""
    senders = [one["postfix_id"].lower() for one in fresh.messages() if one["final_disposition"] == "SPAM"]
    made = {"pattern_type": "EMAIL", "is_regex": False, "comments": "email-security-worker 0"}
    fresh.prepare("block_senders", [{**made, "pattern": f"{one}@spam.example"} for one in senders])


def _settings(name: str, kind: str, *steps: str, **more: object) -> Work:
    sdk = script("sdk_settings", name)
    return Work(name, kind, sdk, steps=steps, **more)  # type: ignore[arg-type]


BY_SUBMISSIONS = {"worker_reclassify_via": "submissions"}
APPROVED = ("once", "approve", "once")
WORKS = {
    one.name: one
    for one in (
        Work("move", "move", script("sdk_kinds", "move")),
        Work("release", "release", script("sdk_kinds", "release")),
        Work("reclassify", "reclassify", script("sdk_kinds", "reclassify")),
        Work("reclassify by submissions", "reclassify", script("sdk_kinds", "reclassify"), BY_SUBMISSIONS),
        Work("submit", "submit", script("sdk_kinds", "reclassify")),
        _settings("block", "block", most=MOST_MUTATING),
        _settings("unblock", "unblock", prepare=_blocked, most=MOST_MUTATING),
        _settings("undo", "block", "once", "undo", "once", most=MOST_MUTATING),
        _settings("allow", "allow", *APPROVED, most=MOST_MUTATING),
        _settings("trust", "trust", *APPROVED, most=MOST_MUTATING),
        _settings("protect", "protect"),
        Work("notify", "notify", None, tells=True),
        Work(MIXED, MIXED, script("sdk_loop")),
        Work(f"{MIXED}, by submissions", MIXED, script("sdk_loop"), BY_SUBMISSIONS),
    )
}


def measure(work: Work, contestant: Contestant, messages: int) -> Run:
    """One run against a fresh tenant of the same mail."""
    flags = ("--messages", str(messages), "--seed", "1", "--span", str(SPAN), "--mix", MIX, "--reports", "0")
    with tenant(*flags) as fresh:
        work.prepare(fresh)
        return run(contestant, fresh)


def show(work: Work, messages: int) -> Run:
    """Runs both, checks that they did the same, prints a row for each; the worker's run."""
    with listening() as listener:
        more = {"worker_notify_url": listener.url} if work.tells else {}
        ours = measure(work, work.worker(**more), messages)
        told = len(listener.heard)
    runs = [ours] if work.sdk is None else [ours, measure(work, work.sdk, messages)]
    check_effects(runs)
    for one in runs:
        actions = told or sum(one.effects.values())
        every, mutating = (1000 * one.count(mutating=only) / actions for only in (False, True))
        print(
            f"{work.name:<28}{one.name:<12}{messages:>10,}{actions:>9,}{one.count():>10,}{every:>10.1f}{mutating:>10.1f}",
            flush=True,
        )
    return ours


def main() -> None:
    """Prints the table and the targets."""
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
        if work.most is not None:
            found, allowed = ours.count(mutating=True), ceil(work.most * sum(ours.effects.values()) / 1000)
            judge(f"{name}: {found} of {allowed} mutating requests", good=found <= allowed)


if __name__ == "__main__":
    main()
