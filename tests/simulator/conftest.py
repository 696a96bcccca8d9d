from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar

from tests.simulator.api import Api, Clock, Simulate
from worker.simulator import SimulatorConfig, start_simulator


@pytest.fixture
def clock() -> Clock:
    """The tenants' clock."""
    return Clock()


@pytest.fixture
async def simulate(clock: Clock) -> AsyncIterator[Simulate]:
    """Starts tenants of 100 messages, or with other settings of `SimulatorConfig`."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Api:
            merged: dict[str, Any] = {"messages": 100, "clock": clock} | settings
            config = SimulatorConfig(**merged)
            simulator = await stack.enter_async_context(start_simulator(config))
            session = await stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar()))
            return Api(simulator, session)

        yield start


@pytest.fixture
async def api(simulate: Simulate) -> Api:
    """One tenant with the defaults."""
    return await simulate()
