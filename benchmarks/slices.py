"""Reading a backlog when every answer takes 80 ms longer: in slices of time, and by one chain of cursors.

slices.py [--messages N] [--latency S] [--rounds N]
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks.support.contestants import Contestant, Run, run, script, worker
from benchmarks.support.tenant import tenant
from benchmarks.support.verdict import judge

SPAN = 82_800
TARGET = 2.7
"""How many times as fast as its own chain the worker reads in slices."""


def measure(contestant: Contestant, messages: int, latency: float, seed: int) -> float:
    """Seconds from the first list request to the answer of the last."""
    flags = ("--messages", str(messages), "--seed", str(seed), "--span", str(SPAN), "--reports", "0")
    with tenant(*flags, "--latency", str(latency)) as fresh:
        done = run(contestant, fresh)
    if done.count(mutating=True):
        raise SystemExit(f"{contestant.name} was only to read")
    return _reading(done, latency)


def _reading(done: Run, latency: float) -> float:
    times = [one.at for one in done.requests if one.endpoint == "list"]
    return times[-1] - times[0] + latency


def main() -> None:
    """Alternates over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--latency", type=float, default=0.08)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    # In shadow mode it records and decides everything, but sends nothing that changes mail.
    sliced, chain, bare = (
        worker("--once", worker_mode="shadow"),
        worker("--once", name="one_chain", worker_mode="shadow"),
        script("bare_loop", "--read-only"),
    )
    print(f"reading {chosen.messages} messages, {chosen.latency * 1000:.0f} ms added to every answer")
    ratios = []
    for number in range(chosen.rounds):
        trio = [sliced, chain, bare][:: 1 if number % 2 == 0 else -1]
        took = {one.name: measure(one, chosen.messages, chosen.latency, number + 1) for one in trio}
        ratios.append(took[chain.name] / took[sliced.name])
        print(
            f"round {number + 1}: worker {took[sliced.name]:.2f} s, by one chain {took[chain.name]:.2f} s, "
            f"a bare loop's chain {took[bare.name]:.2f} s",
            flush=True,
        )
    ratio = statistics.median(ratios)
    judge(f"{ratio:.2f} times as fast as one chain, target {TARGET:g}", good=ratio >= TARGET)


if __name__ == "__main__":
    main()
