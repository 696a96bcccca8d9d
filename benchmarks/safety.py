"""What safety costs: the worker, with and without lost answers, against a bare loop that keeps nothing on disk.

safety.py [--messages N] [--rounds N] [--lost N]
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks.backlog import MIX, SPAN, check_effects
from benchmarks.support.contestants import Contestant, Run, run, script, worker
from benchmarks.support.tenant import tenant

READ_BACK_SECONDS = 1.0
BARE = script("bare_loop", database=":memory:")
WORKER = worker("--once", worker_read_back_delay=READ_BACK_SECONDS)


def measure(contestant: Contestant, messages: int, seed: int, *faults: str) -> Run:
    """One run against a fresh tenant."""
    flags = ("--messages", str(messages), "--seed", str(seed), "--span", str(SPAN), "--mix", MIX)
    with tenant(
        *flags, "--reports", "0", *(part for fault in faults for part in ("--fault", fault))
    ) as fresh:
        return run(contestant, fresh)


def main() -> None:
    """Alternates over the rounds, and refuses to compare unequal work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lost", type=int, default=1, help="calls of up to 500 moves whose answer is lost")
    chosen = parser.parse_args()
    lost = f"move:drop:after=true,skip=2,count={chosen.lost}"
    print(
        f"{chosen.messages} messages; {chosen.lost} lost answers of moves, read back after {READ_BACK_SECONDS:g} s"
    )
    print(f"{'round':<6}{'contestant':<34}{'work s':>8}{'cpu s':>8}{'requests':>10}")
    shares: dict[str, list[float]] = {"audit and intents": [], "audit, intents and read-backs": []}
    for number in range(chosen.rounds):
        bare = measure(BARE, chosen.messages, number + 1)
        runs = {
            "audit and intents": measure(WORKER, chosen.messages, number + 1),
            "audit, intents and read-backs": measure(WORKER, chosen.messages, number + 1, lost),
        }
        check_effects([bare, *runs.values()])
        for name, one in {"bare loop, nothing kept": bare, **runs}.items():
            print(f"{number + 1:<6}{name:<34}{one.work:>8.2f}{one.cpu:>8.2f}{one.count():>10,}", flush=True)
            if name in shares:
                shares[name].append(bare.work / one.work)
    for name, ratios in shares.items():
        spread = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name}: {statistics.median(ratios):.2f} of the bare loop's throughput ({spread})")


if __name__ == "__main__":
    main()
