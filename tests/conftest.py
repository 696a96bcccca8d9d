from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock, OpenBudget
from worker.ops.metrics import Metrics
from worker.store.engine import Store, sqlite_engine, transact
from worker.store.migrate import migrate

pytest_plugins = ["worker.testing.plugin"]


@pytest.fixture
def clock() -> ManualClock:
    """Time stands still until the test turns it."""
    return ManualClock()


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty database of every engine that the worker runs on; a further engine is one more parameter."""
    assert request.param == "sqlite"
    engine = sqlite_engine(tmp_path / "worker.db")
    transact(engine, migrate)
    opened = Store(engine)
    opened.start()
    yield opened
    await opened.close()


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """A ledger on that database."""
    return Desk(store, clock)


@pytest.fixture
def tenant(clock: ManualClock) -> FakeCloudflare:
    """A vendor without mail."""
    return FakeCloudflare(clock)


@pytest.fixture
def budget() -> OpenBudget:
    """A budget that never says no."""
    return OpenBudget()


@pytest.fixture
def metrics() -> Metrics:
    """Metrics that nobody reads."""
    return Metrics()
