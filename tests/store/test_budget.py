from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from tests.builders import ACCOUNT, NOW
from tests.desk import Desk
from worker.ids import new_id
from worker.store import budget
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate

PASS, JUMP_BACK = "pass", "jump back"
SECONDS = st.floats(0, 400, allow_nan=False) | st.sampled_from([0.0, 0.5, 1.0, 299.0, 299.6, 300.0, 301.0])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(PASS), SECONDS),
        st.tuples(st.just(JUMP_BACK), st.floats(0, 90000)),
        st.tuples(st.just("take"), st.tuples(st.integers(1, 8), st.floats(0, budget.SLACK))),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One database for all examples, each under an account of its own, without waiting for the disk."""
    opened = sqlite_engine(Path(tmp_path_factory.mktemp("budget") / "worker.db"))
    transact(opened, migrate)
    with opened.connect() as conn:
        conn.exec_driver_sql("ROLLBACK")
        conn.exec_driver_sql("PRAGMA synchronous=OFF")
        conn.exec_driver_sql("BEGIN")
    yield opened
    opened.dispose()


def replay(
    conn: Connection, steps: list[tuple[str, Any]], limit: int
) -> tuple[list[tuple[float, int]], str, float]:
    """Granted requests by when they really arrived, the account, and where the clock stands in the end."""
    account, wall, passed = new_id(), NOW, 0.0
    granted = []
    for what, amount in steps:
        if what == PASS:
            wall, passed = wall + amount, passed + amount
        elif what == JUMP_BACK:
            wall -= amount
        else:
            wanted, late = amount
            grant = budget.take(conn, account, wall, wanted, limit)
            assert 0 <= grant.granted <= wanted
            assert (grant.wait > 0) is (grant.granted == 0)
            granted.append((passed + late, grant.granted))
    return granted, account, wall


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, limit=st.integers(1, 20))
@example(steps=[(PASS, 0.5), ("take", (8, 0.0)), (PASS, 299.6), ("take", (8, 0.0))], limit=8)
@example(steps=[("take", (8, 5.0)), (PASS, 304.9), ("take", (8, 0.0))], limit=8)
def test_no_window_ever_holds_more_than_the_limit(
    engine: Engine, steps: list[tuple[str, Any]], limit: int
) -> None:
    """However requests come, late ones too, and however often the clock is set back, 300 s never see more of them."""
    granted, _, _ = transact(engine, lambda conn: replay(conn, steps, limit))
    for start, _ in granted:
        assert sum(count for at, count in granted if start <= at <= start + budget.WINDOW) <= limit


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, limit=st.integers(1, 20))
def test_the_wait_that_is_named_is_enough(engine: Engine, steps: list[tuple[str, Any]], limit: int) -> None:
    """Whoever waits as long as told is granted something, and that is never longer than a window."""

    def wait_then_take(conn: Connection) -> None:
        _, account, wall = replay(conn, steps, limit)
        while budget.take(conn, account, wall, 1, limit).granted:
            pass
        wait = budget.take(conn, account, wall, 1, limit).wait
        assert 0 < wait <= budget.WINDOW + budget.SLACK + 1
        assert budget.take(conn, account, wall + wait + 0.05, 1, limit).granted == 1

    transact(engine, wait_then_take)


async def test_what_is_not_left_is_not_granted(desk: Desk) -> None:
    """A wish for more gets what there is."""
    assert (await desk.run(budget.take, ACCOUNT, NOW, 4, 6))[:2] == (4, 4)
    assert (await desk.run(budget.take, ACCOUNT, NOW, 4, 6))[:2] == (2, 6)
    assert (await desk.run(budget.take, ACCOUNT, NOW, 4, 6)).granted == 0


async def test_the_log_of_requests_survives_a_restart(desk: Desk) -> None:
    """It is in the database: a restart does not begin a new window."""
    await desk.run(budget.take, ACCOUNT, NOW, 6, 6)
    assert await desk.run(budget.used, ACCOUNT, NOW + 305) == 6
    assert await desk.run(budget.used, ACCOUNT, NOW + 306) == 0


async def test_a_clock_set_back_by_a_day_stops_nothing_for_a_day(desk: Desk) -> None:
    """What was sent before the clock was set leaves the window after 300 s of the new time."""
    await desk.run(budget.take, ACCOUNT, NOW, 6, 6)
    yesterday = NOW - 86400
    assert await desk.run(budget.take, ACCOUNT, yesterday, 1, 6) == (0, 6, 306.0)
    assert (await desk.run(budget.take, ACCOUNT, yesterday + 306, 1, 6)).granted == 1


async def test_accounts_have_budgets_of_their_own(desk: Desk) -> None:
    """The vendor counts per account."""
    await desk.run(budget.take, ACCOUNT, NOW, 6, 6)
    assert (await desk.run(budget.take, "f" * 32, NOW, 1, 6)).granted == 1


async def test_old_buckets_are_forgotten(desk: Desk) -> None:
    """The table stays as small as the window."""
    from sqlalchemy import func, select  # noqa: PLC0415 - only here

    from worker.store import schema  # noqa: PLC0415 - only here

    for minute in range(60):
        await desk.run(budget.take, ACCOUNT, NOW + 60 * minute, 1, 6)
    rows = await desk.run(
        lambda conn: conn.execute(select(func.count()).select_from(schema.buckets)).scalar_one()
    )
    assert rows <= 2 * math.ceil(budget.WINDOW / 60) + 1
