"""Whether the ledger's file stops growing: a million events over simulated days, most of them longer ago than is kept.

retention.py [--events N] [--days D] [--keep DAYS] [--share S]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, update

from benchmarks.support.verdict import judge
from worker.model.actions import Mode, Move, State
from worker.model.events import Detection
from worker.model.ledger import Cursor, Keep
from worker.model.plans import DETECTIONS, Ceilings, Decided, Poll, Vote, Wish, detection_sighting
from worker.store import retention, schema
from worker.store.engine import sqlite_engine, transact
from worker.store.file import files
from worker.store.migrate import migrate
from worker.store.plans import closing, intake

ACCOUNT = "0123456789abcdef0123456789abcdef"
BEGAN, DAY = 1_800_000_000.0, 86400.0
PAGE = 1000
BATCH = 2000
CEILINGS = Ceilings(Mode.ENFORCE, 10**9, 10**9)
VOTE = Vote("junk", "version", Mode.ENFORCE, 10**9, 10**9)
ALLOWED = 0.05


class Size(NamedTuple):
    """The database at the end of a day, in bytes: all of it, and what is in use."""

    file: int
    used: int


def main() -> None:
    """Fills, prunes each night, and prints the sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument(
        "--keep", type=float, default=31.0, help="WORKER_RETENTION_DAYS; seen-keys are kept 31 at least"
    )
    parser.add_argument(
        "--share", type=float, default=0.01, help="of the messages that a playbook decides on"
    )
    chosen = parser.parse_args()
    print(
        f"{chosen.events:,} events over {chosen.days} days, kept for {chosen.keep:g}; {chosen.share:.0%} decided on"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        engine = sqlite_engine(Path(folder) / "ledger.db")
        transact(engine, migrate)
        run(engine, chosen.events, chosen.days, Keep(chosen.keep * DAY, 2 * DAY), round(1 / chosen.share))
        engine.dispose()


def run(engine: Engine, events: int, days: int, keep: Keep, every: int) -> None:
    """Day after day, and what each pass of the retention cost."""
    full = min(days - 1, round(max(keep.seconds, retention.VENDOR_SECONDS) / DAY) + 1)
    sizes: dict[int, Size] = {}
    forever: dict[int, int] = {}
    cost = Cost()
    for day in range(days):
        now = BEGAN + (day + 1) * DAY
        fill(engine, range(events * day // days, events * (day + 1) // days), now, every)
        prune(engine, now, keep, cost)
        sizes[day] = measure(engine)
        if day in (full, days - 1):
            forever[day] = kept_for_ever(engine)
        if (day + 1) % max(1, days // 10) == 0:
            told = "  ".join(
                f"{name} {value / 10**6:7.1f} MB" for name, value in sizes[day]._asdict().items()
            )
            print(f"day {day + 1:>4}  {told}", flush=True)
    print(
        f"{cost.removed:,} rows removed in {cost.steps:,} transactions: {cost.spent / cost.steps * 1000:.1f} ms each, "
        f"the longest {cost.longest * 1000:.0f} ms"
    )
    more = forever[days - 1] - forever[full]
    growth = (sizes[days - 1].file - more) / sizes[full].file - 1
    judge(
        f"the file from day {full + 1} to {days}, without what stays for ever: {growth:+.1%} of {ALLOWED:.0%}",
        good=growth <= ALLOWED,
    )
    done = events * (days - 1 - full) // days // every
    print(
        f"what stays for ever (audit log, actions that succeeded): {more / done:,.0f} bytes for each action"
    )


@dataclass(slots=True)
class Cost:
    """What the passes took, in seconds and rows."""

    steps: int = 0
    removed: int = 0
    spent: float = 0.0
    longest: float = 0.0


def prune(engine: Engine, now: float, keep: Keep, cost: Cost) -> None:
    """One whole pass."""
    done = False
    while not done:
        began = time.perf_counter()
        pruned = transact(engine, partial(retention.step, account_id=ACCOUNT, now=now, keep=keep, most=BATCH))
        took = time.perf_counter() - began
        cost.steps += 1
        cost.removed += pruned.removed
        cost.spent += took
        cost.longest = max(cost.longest, took)
        done = pruned.done


def fill(engine: Engine, numbers: range, now: float, every: int) -> None:
    """One poll, page by page, as the worker records it; its actions succeed."""
    poll = Poll(f"{int(now):016d}", DETECTIONS, "regular", now - DAY, now)
    for start in range(numbers.start, numbers.stop, PAGE):
        page = [message(number, now) for number in range(start, min(start + PAGE, numbers.stop))]
        transact(engine, partial(record, poll=poll, page=page, now=now, every=every))
    transact(engine, lambda conn: close(conn, poll, now))


def message(number: int, now: float) -> Detection:
    """One message of the day."""
    return Detection(
        id=f"P{number:015d}-2026-11-20T00:00:00-{number:08d}",
        postfix_id=f"P{number:015d}",
        message_id=f"<{number}@mail.example>",
        subject=f"Invoice {number} of your order, please look at once",
        final_disposition="MALICIOUS",
        client_recipients=("ann@corp.example",),
        delivery_status=("delivered",),
        sender="mallory@evil.example",
        scanned_at=datetime.fromtimestamp(now - 60, UTC),
    )


def record(conn: Connection, poll: Poll, page: list[Detection], now: float, every: int) -> None:
    """A page with its decisions."""
    sightings = [detection_sighting(one) for one in page]
    decided = [
        Decided(
            one, (Wish(Move(row, to="JunkEmail", reason="malicious"), (VOTE,)),) if index % every == 0 else ()
        )
        for index, (one, row) in enumerate(zip(sightings, page, strict=True))
    ]
    intake.record(conn, ACCOUNT, poll, now, sightings, decided, rows=len(page), read_at=now)


def close(conn: Connection, poll: Poll, now: float) -> None:
    """The plan closes, and all of it is done."""
    closing.close(conn, ACCOUNT, poll, now, CEILINGS, Cursor(now, BEGAN, now))
    a = schema.actions
    conn.execute(
        update(a)
        .where(a.c.account_id == ACCOUNT, a.c.state == State.READY)
        .values(state=State.SUCCEEDED, updated_at=now, due_at=None)
    )


def measure(engine: Engine) -> Size:
    """Sizes after everything is in the file."""
    with engine.connect() as conn:
        conn.exec_driver_sql("ROLLBACK")
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        page, count, free = (
            conn.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_size", "page_count", "freelist_count")
        )
        conn.exec_driver_sql("BEGIN")
    return Size(page * count, page * (count - free))


def kept_for_ever(engine: Engine) -> int:
    """What the audit log and the actions that succeeded take, half-filled pages included: a copy is rid of them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        copy = Path(folder) / "copy.db"
        files.copy(engine, copy)
        other = sqlite_engine(copy)
        whole = measure(other).used
        with other.connect() as conn:
            conn.exec_driver_sql("DELETE FROM audit")
            conn.exec_driver_sql("DELETE FROM actions WHERE state = 'succeeded'")
            conn.commit()
        rest = measure(other).used
        other.dispose()
    return whole - rest


if __name__ == "__main__":
    main()
