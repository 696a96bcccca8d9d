from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cloudflare.vendor import ACCOUNT, TOKEN, OpenGate, Vendor
from worker.cloudflare import Cloudflare

Connect = Callable[..., Any]


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    """A server of our own on loopback."""
    async with Vendor() as server:
        yield server


@pytest.fixture
def gate() -> OpenGate:
    """A budget without end."""
    return OpenGate()


@pytest.fixture
async def connect(vendor: Vendor, gate: OpenGate) -> AsyncIterator[Connect]:
    """Opens clients of the vendor, with other arguments where given."""
    async with AsyncExitStack() as stack:

        async def opened(**arguments: Any) -> Cloudflare:
            defaults: dict[str, Any] = {
                "base_url": vendor.base_url,
                "account_id": ACCOUNT,
                "token": lambda: TOKEN,
                "gate": gate,
                "timeout": 5.0,
            }
            return await stack.enter_async_context(Cloudflare(**defaults | arguments))

        yield opened


@pytest.fixture
async def cloudflare(connect: Connect) -> Cloudflare:
    """A client with the defaults."""
    client: Cloudflare = await connect()
    return client


@pytest.fixture
def window() -> dict[str, Any]:
    """The arguments that every list needs."""
    start, end = datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC)
    return {"start": start, "end": end, "detections_only": True}
