"""How fast a backlog of 50,000 messages is worked off: the worker against a bare loop and a loop of the SDK.

backlog.py [--messages N] [--rounds N] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

from benchmarks.support.contestants import Contestant, Run, run, script, worker
from benchmarks.support.tenant import tenant
from benchmarks.support.verdict import judge

MIX = "MALICIOUS=9.5,MALICIOUS-BEC=0.5,SPAM=15,SUSPICIOUS=5,SPOOF=3,BULK=10"
SPAN = 82_800
"""Seconds over which the messages lie: nearly the day that every contestant reads back."""
CONTESTANTS = {one.name: one for one in (worker("--once"), script("bare_loop"), script("sdk_loop"))}
REQUESTS_PER_1000, PEAK_MB, START_SECONDS, SHARE = 50.0, 100.0, 1.0, 1 / 3


def measure(contestant: Contestant, messages: int, seed: int) -> Run:
    """One run against a fresh tenant."""
    flags = ("--messages", str(messages), "--seed", str(seed), "--span", str(SPAN), "--mix", MIX)
    with tenant(*flags, "--reports", "0") as fresh:
        return run(contestant, fresh)


def main() -> None:
    """Runs the rounds and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    chosen = parser.parse_args()
    rounds: list[dict[str, Run]] = []
    print(
        f"{chosen.messages} waiting messages, {chosen.rounds} rounds, a fresh tenant and database for each run"
    )
    print(
        f"{'round':<6}{'contestant':<12}{'messages/s':>12}{'work s':>9}{'cpu s':>8}{'start s':>9}{'peak MB':>9}"
    )
    for number in range(chosen.rounds):
        names = chosen.only if number % 2 == 0 else chosen.only[::-1]
        runs = {name: measure(CONTESTANTS[name], chosen.messages, number + 1) for name in names}
        for one in runs.values():
            print(
                f"{number + 1:<6}{one.name:<12}{chosen.messages / one.work:>12,.0f}{one.work:>9.2f}{one.cpu:>8.2f}"
                f"{one.start:>9.2f}{one.peak_mb:>9.1f}",
                flush=True,
            )
        check_effects(list(runs.values()))
        rounds.append(runs)
    summarise(rounds)


def check_effects(runs: Sequence[Run]) -> None:
    """Every contestant did the same, and nothing twice; else the comparison is worth nothing."""
    for one in runs:
        repeated = sum(count - 1 for count in one.effects.values())
        if repeated:
            raise SystemExit(f"{one.name} did {repeated} things twice")
        if one.effects != runs[0].effects:
            missing = len(runs[0].effects - one.effects)
            extra = len(one.effects - runs[0].effects)
            raise SystemExit(
                f"{one.name} did not do the same as {runs[0].name}: {missing} missing, {extra} more"
            )


def summarise(rounds: Sequence[dict[str, Run]]) -> None:
    """Medians over the rounds, and the targets."""
    print()
    for name in rounds[0]:
        runs = [one[name] for one in rounds]
        actions = statistics.median(sum(one.effects.values()) for one in runs)
        share = [1000 / sum(one.effects.values()) for one in runs]
        every = statistics.median(one.count() * part for one, part in zip(runs, share, strict=True))
        mutating = statistics.median(
            one.count(mutating=True) * part for one, part in zip(runs, share, strict=True)
        )
        print(
            f"{name}: {actions:,.0f} actions, requests per 1,000 actions: {every:.1f}, {mutating:.1f} of them mutating"
        )
    if "worker" not in rounds[0]:
        return
    ours = [one["worker"] for one in rounds]
    for name in rounds[0]:
        if name != "worker":
            ratios = [one[name].work / one["worker"].work for one in rounds]
            spread = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            print(f"messages/s, worker / {name}: {statistics.median(ratios):.2f} ({spread})")
            if name == "bare_loop":
                judge("at least a third of the bare loop", good=statistics.median(ratios) >= SHARE)
    requests = max(one.count() * 1000 / sum(one.effects.values()) for one in ours)
    judge(
        f"requests per 1,000 actions: {requests:.1f} of {REQUESTS_PER_1000:.0f}",
        good=requests <= REQUESTS_PER_1000,
    )
    peak = max(one.peak_mb for one in ours)
    judge(f"peak of resident memory: {peak:.0f} of {PEAK_MB:.0f} MB", good=peak <= PEAK_MB)
    start = statistics.median(one.start for one in ours)
    judge(
        f"start of the process to its first request: {start:.2f} of {START_SECONDS:.0f} s",
        good=start <= START_SECONDS,
    )


if __name__ == "__main__":
    main()
