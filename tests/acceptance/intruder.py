"""A proxy between the worker and a simulated tenant that lies, where the simulator itself is too kind."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web
from yarl import URL

from tests.acceptance.tenants import Tenant


@dataclass(frozen=True)
class Reply:
    """What the worker gets."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def saying(self, value: Any) -> Reply:
        """The same with another body."""
        return replace(self, body=json.dumps(value).encode())


Forward = Callable[[], Awaitable[Reply]]
Lie = Callable[[web.Request, Forward], Awaitable[Reply]]


class Intruder:
    """Forwards every request, except those for which a lie was told."""

    def __init__(self, session: ClientSession, tenant: Tenant, port: int = 0) -> None:
        self._session = session
        self._tenant = tenant
        self._lies: list[tuple[str, str, Lie]] = []
        self.port = port
        self.seen: list[tuple[float, str, str]] = []
        """When (monotonic), method and path of every request that came."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/client/v4"

    def lie(self, method: str, ending: str, lie: Lie) -> None:
        """From now on `lie` answers requests of this method whose path ends so."""
        self._lies.insert(0, (method, ending, lie))

    def honest(self) -> None:
        """From now on everything is forwarded."""
        self._lies.clear()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append((time.monotonic(), request.method, request.path))
        body = await request.read()

        async def forward() -> Reply:
            url = URL(self._tenant.base_url).with_path("/")
            target = url.join(URL(request.raw_path, encoded=True))
            async with self._session.request(
                request.method, target, data=body or None, headers=request.headers
            ) as response:
                headers = {
                    name: value
                    for name, value in response.headers.items()
                    if name in ("Content-Type", "Location", "Retry-After", "Ratelimit")
                }
                return Reply(response.status, await response.read(), headers)

        for method, ending, lie in self._lies:
            if request.method == method and request.path.endswith(ending):
                reply = await lie(request, forward)
                break
        else:
            reply = await forward()
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


@asynccontextmanager
async def open_intruder(tenant: Tenant) -> AsyncIterator[Intruder]:
    """Stands between until the block ends."""
    async with ClientSession(cookie_jar=DummyCookieJar(), auto_decompress=False) as session:
        intruder = Intruder(session, tenant)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", intruder.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        intruder.port = runner.addresses[0][1]
        try:
            yield intruder
        finally:
            await runner.cleanup()
