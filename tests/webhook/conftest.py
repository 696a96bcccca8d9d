from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.receiver import Receiver, open_receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Listens on loopback."""
    async with open_receiver() as receiver:
        yield receiver
