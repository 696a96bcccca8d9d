from __future__ import annotations

import pytest

from tests.cloudflare.conftest import Connect
from tests.cloudflare.operations import call
from tests.cloudflare.test_contract import cases
from tests.cloudflare.vendor import Vendor
from worker.ports import Lane


async def test_a_client_that_only_reads_sends_no_write(vendor: Vendor, connect: Connect) -> None:
    """Whatever is called, with a budget or without: of all operations that change something none leaves the process."""
    cloudflare = await connect(reads_only=True)
    writes = 0
    for name, asked, _ in cases():
        if name.startswith("GET "):
            continue
        writes += 1
        with pytest.raises(RuntimeError, match="only reads"):
            await call(cloudflare, name, asked)
    assert (writes >= 40, vendor.requests) == (True, [])


async def test_a_client_that_only_reads_reads(vendor: Vendor, connect: Connect) -> None:
    """It is good for that."""
    cloudflare = await connect(reads_only=True)
    await cloudflare.investigate.action_log("one", lane=Lane.ENRICH)
    assert [request.method for request in vendor.requests] == ["GET"]
