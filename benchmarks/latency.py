"""How long new mail waits: 50 messages a second for 30 s, polled every second, by the worker and by a naive loop.

latency.py [--seconds S] [--rate N] [--overlap S]
"""

from __future__ import annotations

import argparse
import time
from datetime import datetime
from statistics import quantiles

from benchmarks.contestants.policy import wanted
from benchmarks.support.contestants import Contestant, Run, run, script, worker
from benchmarks.support.tenant import Tenant, tenant
from benchmarks.support.verdict import judge

POLL = 1.0
SLACK = 0.1
WARM_UP = 3.0
"""Seconds between the start of a process and the first message that counts."""
TAIL = 2.0
"""Seconds before the end in which a message may still wait."""
BUDGET, BUDGET_SECONDS = 600, 300


def main() -> None:
    """Runs both against tenants of their own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--overlap", type=float, default=10.0, help="WORKER_POLL_OVERLAP; the loop has 10 s")
    chosen = parser.parse_args()
    print(f"{chosen.rate:g} new messages a second for {chosen.seconds:g} s, polled every {POLL:g} s")
    contestants = (
        worker(worker_poll_interval=POLL, worker_poll_overlap=chosen.overlap, worker_request_budget=BUDGET),
        script("bare_loop", "--poll", str(POLL)),
    )
    results = [measure(one, chosen.rate, chosen.seconds) for one in contestants]
    p99, spent = results[0]
    judge(
        f"p99 {p99:.2f} s, target {POLL + SLACK:.1f} s (poll interval + {SLACK} s)", good=p99 <= POLL + SLACK
    )
    allowed = BUDGET / BUDGET_SECONDS
    print(
        f"budget: {allowed:g} requests/s in the long run; worker {spent:.1f}, naive loop {results[1][1]:.1f}"
    )


def measure(contestant: Contestant, rate: float, seconds: float) -> tuple[float, float]:
    """The 99th percentile and the requests a second of one contestant, both printed."""
    with tenant("--messages", "200", "--rate", str(rate)) as fresh:
        end = time.monotonic() + WARM_UP + seconds + TAIL
        done = run(contestant, fresh, until=lambda: time.monotonic() > end)
        first, last = done.spawned_at + WARM_UP, done.spawned_at + WARM_UP + seconds
        waits, never = _waits(fresh, first, last)
        spent = _requests(done, first, last) / seconds
    if never:
        raise SystemExit(f"{contestant.name}: nothing was done about {never} messages")
    cuts = quantiles(waits, n=100, method="inclusive")
    name = "naive loop" if contestant.name != "worker" else "worker"
    print(
        f"{name:<11} {len(waits)} actions, visible to effect: p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, "
        f"longest {max(waits):.2f} s; {spent:.1f} requests/s; peak {done.peak_mb:.0f} MB",
        flush=True,
    )
    return cuts[98], spent


def _waits(fresh: Tenant, first: float, last: float) -> tuple[list[float], int]:
    """Seconds from visible to effect of the messages scanned in between, and how many had no effect."""
    effects = fresh.effect_times()
    waits: list[float] = []
    never = 0
    for row in fresh.messages():
        visible = datetime.fromisoformat(row["scanned_at"]).timestamp()
        action = wanted(
            row["final_disposition"], row["delivery_status"], row["from"], row["client_recipients"]
        )
        # A message that was acted on reads differently now; its effect says that it was wanted.
        if not first <= visible < last or (action is None and row["id"] not in effects):
            continue
        if row["id"] in effects:
            waits.append(effects[row["id"]] - visible)
        else:
            never += 1
    return waits, never


def _requests(done: Run, first: float, last: float) -> int:
    return sum(1 for one in done.requests if first <= one.at < last)


if __name__ == "__main__":
    main()
