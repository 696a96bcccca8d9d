from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from tests.builders import NOW
from worker.clock import SteadyClock
from worker.ids import new_id
from worker.model.ledger import TimeMark
from worker.ports import Ledger
from worker.store import budget, redating
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.upkeep.timekeeper import Timekeeper

PASS, SET, LOOK, RESTART, TAKE = "pass", "set the clock", "look at the clock", "restart", "take"
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(PASS), st.floats(0, 400)),
        st.tuples(st.just(SET), st.floats(-90_000, 90_000)),
        st.tuples(st.just(LOOK), st.none()),
        st.tuples(st.just(RESTART), st.none()),
        st.tuples(st.just(TAKE), st.integers(1, 8)),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """One transaction for all examples, each under an account of its own."""
    opened = sqlite_engine(Path(tmp_path_factory.mktemp("budget") / "worker.db"))
    transact(opened, migrate)
    with opened.connect() as conn:
        yield conn
        conn.rollback()
    opened.dispose()


@dataclass
class Machine:
    """A worker on a machine whose wall clock somebody sets; `passed` is the time that nobody can set."""

    conn: Connection
    account: str = field(default_factory=new_id)
    passed: float = 0.0
    wall: float = NOW

    async def time_mark(self) -> TimeMark | None:
        return redating.mark(self.conn, self.account)

    async def follow_clock(self, step: float, mark: TimeMark) -> None:
        redating.follow(self.conn, self.account, step, mark)

    def clock(self) -> SteadyClock:
        """What a process that starts now sees."""
        return SteadyClock(lambda: self.wall, lambda: 500.0 + self.passed, "monday")

    def live(self, steps: list[tuple[str, Any]], limit: int) -> list[tuple[float, int]]:
        """What was granted, and when that truly was."""
        return asyncio.run(self._live(steps, limit))

    async def _live(self, steps: list[tuple[str, Any]], limit: int) -> list[tuple[float, int]]:
        clock, granted = self.clock(), []
        keeper = Timekeeper(clock, cast("Ledger", self))
        await keeper.begin()
        for what, amount in steps:
            if what == PASS:
                self.wall, self.passed = self.wall + amount, self.passed + amount
            elif what == SET:
                self.wall += amount
            elif what == LOOK:
                await keeper.look()
            elif what == RESTART:
                clock = self.clock()
                keeper = Timekeeper(clock, cast("Ledger", self))
                await keeper.begin()
            else:
                grant = budget.take(self.conn, self.account, clock.now(), amount, limit)
                granted.append((self.passed, grant.granted))
        return granted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, limit=st.integers(1, 20))
@example(steps=[(TAKE, 8), (SET, 3600.0), (LOOK, None), (TAKE, 8)], limit=8)
@example(steps=[(TAKE, 8), (SET, 3600.0), (RESTART, None), (TAKE, 8)], limit=8)
@example(steps=[(TAKE, 8), (SET, -3600.0), (RESTART, None), (SET, 3600.0), (LOOK, None), (TAKE, 8)], limit=8)
def test_neither_clocks_that_are_set_nor_restarts_open_a_second_window(
    connection: Connection, steps: list[tuple[str, Any]], limit: int
) -> None:
    """Forward and back, noticed while it runs or at the next start: 300 s of true time never see more than the limit."""
    granted = Machine(connection).live(steps, limit)
    for start, _ in granted:
        assert sum(count for at, count in granted if start <= at <= start + budget.WINDOW) <= limit
