"""The request budget: a log of one-second buckets, so that no window of 300 s ever exceeds it, over restarts too."""

from __future__ import annotations

import math

from sqlalchemy import Connection, bindparam, delete, func, select

from worker.model.ledger import Grant
from worker.store import schema
from worker.store.prepared import Prepared, put

WINDOW = 300
SLACK = 5
"""Seconds that may pass between a grant and the request's arrival: it counts that much longer."""
_BUCKETS = Prepared(
    select(schema.buckets.c.second, schema.buckets.c.used)
    .where(
        schema.buckets.c.account_id == bindparam("account"), schema.buckets.c.second >= bindparam("horizon")
    )
    .order_by(schema.buckets.c.second)
)


def take(conn: Connection, account_id: str, now: float, wanted: int, limit: int) -> Grant:
    """Takes up to `wanted` requests out of `limit` per window; grants none where none is left."""
    table = schema.buckets
    second = math.floor(now)
    # A bucket counts until its last instant has left the window.
    horizon = second - WINDOW - SLACK
    rows = _BUCKETS(conn, account=account_id, horizon=horizon).all()
    buckets = {row.second: row.used for row in rows}
    if rows and rows[-1].second > second:
        _pull_back(conn, account_id, second, buckets)
    used = sum(buckets.values())
    granted = max(0, min(wanted, limit - used))
    if granted:
        here = buckets.get(second, 0)
        put(conn, table, [{"account_id": account_id, "second": second, "used": here + granted}])
        if not here:
            conn.execute(delete(table).where(table.c.account_id == account_id, table.c.second < horizon))
        return Grant(granted, used + granted, 0.0)
    return Grant(0, used, _wait(sorted(buckets.items()), used - limit + 1, now))


def _pull_back(conn: Connection, account_id: str, second: int, buckets: dict[int, int]) -> None:
    """The clock was set back: what lies ahead of it was sent before now, and leaves the window as if sent now."""
    table = schema.buckets
    for later in [one for one in buckets if one > second]:
        buckets[second] = buckets.get(second, 0) + buckets.pop(later)
    conn.execute(delete(table).where(table.c.account_id == account_id, table.c.second > second))
    put(conn, table, [{"account_id": account_id, "second": second, "used": buckets[second]}])


def _wait(buckets: list[tuple[int, int]], excess: int, now: float) -> float:
    """Seconds until enough old requests have left the window."""
    for second, used in buckets:
        excess -= used
        if excess <= 0:
            return max(0.05, second + WINDOW + SLACK + 1 - now)
    return 1.0


def used(conn: Connection, account_id: str, now: float) -> int:
    """Requests that count now."""
    table = schema.buckets
    total = conn.execute(
        select(func.sum(table.c.used)).where(
            table.c.account_id == account_id, table.c.second >= math.floor(now) - WINDOW - SLACK
        )
    ).scalar_one()
    return int(total or 0)
