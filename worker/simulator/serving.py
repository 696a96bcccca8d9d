"""Runs the simulator on a loopback port: for a test as a context manager, for a person until a signal."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from . import admin, app
from .config import SimulatorConfig
from .journal import Journal
from .limits import RateLimit
from .tenant import Tenant

_HOST = "127.0.0.1"
_SHUTDOWN_SECONDS = 0.5
"""How long a stop waits for answers under way; a slow fault shall not hold it up."""


class Simulator:
    """A running simulator."""

    def __init__(self, tenant: Tenant, vendor: app.VendorApi, port: int) -> None:
        self.tenant = tenant
        self.origin = f"http://{_HOST}:{port}"
        """Where it listens; the admin paths start with `/_simulator` below it."""
        self.base_url = f"{self.origin}{app.PREFIX}"
        self.account_id = tenant.config.account_id
        self._vendor = vendor

    @property
    def token(self) -> str:
        """The bearer token that is accepted now."""
        return self._vendor.gate.token

    @property
    def journal(self) -> Journal:
        """Every request so far."""
        return self._vendor.gate.journal

    @property
    def limit(self) -> RateLimit:
        """The limit that every request counts against; others may draw on it too."""
        return self._vendor.gate.limit

    def __repr__(self) -> str:
        return f"<Simulator {self.base_url} with {len(self.tenant.messages)} messages>"


@asynccontextmanager
async def start_simulator(config: SimulatorConfig) -> AsyncIterator[Simulator]:
    """Serves a tenant over HTTP on 127.0.0.1 until the block ends."""
    tenant = Tenant(config)
    vendor = app.VendorApi(tenant)
    root = web.Application()
    root.add_subapp(app.PREFIX, vendor.application())
    root.add_subapp(admin.PREFIX, admin.AdminApi(tenant, vendor).application())
    runner = web.AppRunner(root, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, _HOST, config.port)
        await site.start()
        yield Simulator(tenant, vendor, runner.addresses[0][1])
    finally:
        await runner.cleanup()


async def serve(config: SimulatorConfig) -> None:
    """Serves until SIGTERM or SIGINT; prints one JSON line `{base_url, account_id, token}` when ready."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with start_simulator(config) as simulator:
        ready = {"base_url": simulator.base_url, "account_id": simulator.account_id, "token": simulator.token}
        print(json.dumps(ready), flush=True)  # noqa: T201 - the one line that programs read
        await stop.wait()
