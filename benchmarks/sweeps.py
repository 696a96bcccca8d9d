"""What a campaign costs: one confirmed message, and the siblings that have its fingerprint in common with it.

sweeps.py [--siblings N] [--others N]
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.backlog import check_effects
from benchmarks.requests import KINDS
from benchmarks.support.contestants import Contestant, Run, run, script, worker
from benchmarks.support.tenant import tenant
from benchmarks.support.verdict import judge

MOST_MUTATING = 15
AT_ONCE = 2000
HASH = "9f2c41d8e07ab365" * 4


def measure(contestant: Contestant, siblings: int, others: int) -> Run:
    """One run against a fresh tenant in which nothing but the campaign is spam."""
    flags = (
        "--messages",
        str(others),
        "--seed",
        "1",
        "--span",
        "80000",
        "--mix",
        "NONE=100",
        "--reports",
        "0",
    )
    with tenant(*flags) as fresh:
        campaign = [_sibling("CONFIRMED"), *(_sibling(f"Parcel {number}") for number in range(1, siblings))]
        for start in range(0, siblings, AT_ONCE):
            fresh.deliver(campaign[start : start + AT_ONCE])
        return run(contestant, fresh)


def _sibling(subject: str) -> dict[str, Any]:
    return {
        "subject": subject,
        "edf_hash": HASH,
        "final_disposition": "SPAM",
        "delivery_status": ["delivered"],
        "is_quarantined": False,
        "is_phish_submission": False,
    }


def main() -> None:
    """Prints a row for each contestant, and the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--siblings", type=int, default=5000)
    parser.add_argument("--others", type=int, default=20_000, help="mail that is none of it")
    chosen = parser.parse_args()
    contestants = (worker("--once", worker_rules_dir=KINDS / "sweep"), script("sdk_kinds", "move"))
    runs = [measure(one, chosen.siblings, chosen.others) for one in contestants]
    # The ids of mail that was delivered by hand are drawn: how much of each was done is what can be compared.
    check_effects(runs[:1])
    print(f"{'':<12}{'siblings':>10}{'moved':>8}{'requests':>10}{'mutating':>10}")
    for one in runs:
        print(
            f"{one.name:<12}{chosen.siblings:>10,}{sum(one.effects.values()):>8,}{one.count():>10,}"
            f"{one.count(mutating=True):>10,}"
        )
    moved = sum(runs[0].effects.values())
    mutating = runs[0].count(mutating=True)
    judge(f"sweep: {moved:,} of {chosen.siblings:,} moved", good=moved == chosen.siblings)
    judge(f"sweep: {mutating} of {MOST_MUTATING} mutating requests", good=mutating <= MOST_MUTATING)


if __name__ == "__main__":
    main()
