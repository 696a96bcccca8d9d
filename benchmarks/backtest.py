"""How fast `worker backtest --from store` decides stored events, and whether its memory stays flat.

backtest.py [--events N] [--playbooks P] [--rounds R]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec

from benchmarks.support.verdict import judge
from worker.model.events import Detection
from worker.model.plans import DETECTIONS
from worker.simulator.config import SimulatorConfig
from worker.simulator.generate import Generator
from worker.store import schema
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.tools import evidence_id, to_json

ROOT = Path(__file__).parents[1]
ACCOUNT = "0123456789abcdef0123456789abcdef"
BEGAN, DAY = 1_800_000_000.0, 86400.0
PAGE = 1000
FEWER = 10
"""The smaller history has a tenth of the events."""
RATE, GROWTH = 15_000.0, 0.10
"""Events a second, and how much more memory ten times as many may take."""
PLAYBOOK = '''\
from worker.playbooks import Caps, Detection, Move, playbook


@playbook(on=Detection, id="rule-{number}", mode="enforce", caps=Caps(per_poll=1000, per_hour=100000))
def rule(message: Detection) -> Move | None:
    """One of many."""
    if message.final_disposition != "{verdict}" or not message.is_delivered or message.has_moved:
        return None
    if "{word}" in (message.subject or "").lower() and message.sender_domain.endswith("{domain}"):
        return Move(message, to="JunkEmail", reason="{word}")
    return None
'''


class Measured(NamedTuple):
    """One run as its own process: seconds until the report, processor time, matches, peak of resident memory in MB."""

    seconds: float
    cpu: float
    matches: int
    peak: float


def main() -> None:
    """Fills two stores, backtests each in a process of its own, prints and judges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--playbooks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_rules(folder / "rules", chosen.playbooks)
        found: dict[int, list[Measured]] = {}
        for events in (chosen.events // FEWER, chosen.events):
            database = folder / f"{events}.db"
            fill(database, events)
            found[events] = [run(database, folder) for _ in range(chosen.rounds)]
            for one in found[events]:
                print(
                    f"{events:>8,} events x {chosen.playbooks} playbooks: {one.seconds:6.2f} s, "
                    f"{events / one.seconds:8,.0f} events/s ({one.cpu:.2f} s of processor time in all), "
                    f"{one.matches:,} matches, peak {one.peak:.1f} MB",
                    flush=True,
                )
    few, many = (min(runs, key=lambda one: one.seconds) for runs in found.values())
    rate, growth = chosen.events / many.seconds, many.peak / few.peak - 1
    judge(f"{rate:,.0f} events/s, {RATE:,.0f} wanted", good=rate >= RATE)
    judge(
        f"peak of memory with ten times as many events: {growth:+.0%}, {GROWTH:.0%} allowed",
        good=growth <= GROWTH,
    )


def write_rules(folder: Path, count: int) -> None:
    """So many playbooks, each of them another one."""
    folder.mkdir()
    verdicts, words = (
        ("MALICIOUS", "SPAM", "SPOOF", "BULK", "SUSPICIOUS"),
        ("invoice", "payment", "offer", "news"),
    )
    for number in range(count):
        source = PLAYBOOK.format(
            number=number,
            verdict=verdicts[number % len(verdicts)],
            word=words[number // len(verdicts) % len(words)],
            domain=".example",
        )
        (folder / f"rule_{number}.py").write_text(source, encoding="utf-8")


def fill(database: Path, count: int) -> None:
    """A day of mail, seen page by page, as `WORKER_KEEP_EVENTS=all` keeps it."""
    engine = sqlite_engine(database)
    transact(engine, migrate)
    generator = Generator("backtest", SimulatorConfig().mix)
    chance = Random(0)
    for start in range(0, count, PAGE):
        rows = []
        for number in range(start, min(start + PAGE, count)):
            at = BEGAN + number * DAY / count
            row = generator.message(int(at * 1000))
            given = {name: value for name, value in json.loads(to_json(row)).items() if value is not None}
            named = {
                "account_id": ACCOUNT,
                "source": DETECTIONS,
                "key": row.id,
                "revision": row.final_disposition or "",
            }
            body = to_json(msgspec.convert(given, Detection))
            rows.append(
                {"id": evidence_id(**named), **named, "body": body, "stored_at": at + chance.random() * 30}
            )
        transact(engine, lambda conn, rows=rows: conn.execute(schema.evidence.insert(), rows))  # type: ignore[misc]
    engine.dispose()


def run(database: Path, folder: Path) -> Measured:
    """`worker backtest` as a person starts it."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
        "WORKER_DATABASE_URL": f"sqlite:///{database}",
        "WORKER_RULES_DIR": str(folder / "rules"),
    }
    out = folder / "report.json"
    with out.open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", "backtest", "--from", "store", "--json"],
            stdout=stdout, env=env, cwd=folder,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    report = json.loads(out.read_text(encoding="utf-8"))
    matches = sum(one["matches"] for one in report["playbooks"])
    return Measured(
        report["span"]["seconds"], usage.ru_utime + usage.ru_stime, matches, usage.ru_maxrss / 1024
    )


if __name__ == "__main__":
    main()
