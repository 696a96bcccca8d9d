"""The network: the worker's real client talks bytes to the bundled simulator's real handlers, in one process.

The vendor goes on with what has reached it, whatever becomes of the worker: its side of a request is a task of its own.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from email.utils import formatdate
from types import SimpleNamespace, TracebackType
from typing import Any, NamedTuple, cast

import aiohttp
from aiohttp import web
from yarl import URL

from tests.simulation.process import Process
from worker.cloudflare.session import BrokenConnectionError
from worker.simulator.app import PREFIX, VendorApi
from worker.simulator.gate import NUMBER, Handler
from worker.simulator.tenant import Tenant

LATENCY = (0.005, 0.1)


class Sent(NamedTuple):
    """A request that reached the vendor: its number in the journal, when, and what it asks for."""

    number: int
    at: float
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    life: int


class Vendor(VendorApi):
    """The simulator's endpoints without a server; pages are at most `page` rows long, as the vendor may choose."""

    def __init__(self, tenant: Tenant, page: int) -> None:
        super().__init__(tenant, largest_page=page)
        self.tasks: set[asyncio.Task[Any]] = set()
        self._paths: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))), handler)
            for method, path, _, handler in self.routes
        ]

    async def answer(self, asked: _Asked) -> web.StreamResponse:
        """One answer of the vendor; the tenant's effects come with it."""
        tail = asked.path.removeprefix(f"{PREFIX}/accounts/{self._tenant.config.account_id}/email-security/")
        for method, pattern, handler in self._paths:
            if method == asked.method and (found := pattern.fullmatch(tail)):
                asked.match_info = _Match(found.groupdict(), handler)
                return await self.gate.answer(cast("web.Request", asked), handler)
        raise AssertionError(f"the worker asks for {asked.method} {asked.path}")


class _Match(dict[str, str]):
    def __init__(self, values: Mapping[str, str], handler: Handler) -> None:
        super().__init__(values)
        self.handler = handler


class _Asked(dict[Any, Any]):
    """What the handlers use of a `web.Request`."""

    match_info: _Match

    def __init__(self, method: str, url: URL, data: bytes | None, headers: Mapping[str, str]) -> None:
        super().__init__()
        self.method = method
        self.url = url
        self.path = url.path
        self.query = url.query
        self.headers = headers
        self.data = data or b""
        self.dropped = False
        self.transport = SimpleNamespace(abort=self._drop, is_closing=lambda: self.dropped)

    def _drop(self) -> None:
        self.dropped = True

    async def read(self) -> bytes:
        return self.data


class Network:
    """One life's connections. `arriving` is told of every request before the vendor sees it."""

    def __init__(
        self,
        vendor: Vendor,
        process: Process,
        clock: Callable[[], float],
        arriving: Callable[[Sent], None],
        life: int,
    ) -> None:
        self._vendor = vendor
        self.process = process
        self._clock = clock
        self._arriving = arriving
        self._life = life
        self.refused = 0

    def connect(self) -> aiohttp.ClientSession:
        """What the client takes for its pool of connections."""
        return cast("aiohttp.ClientSession", _Session(self))

    async def exchange(
        self, method: str, url: URL, data: bytes | None, headers: Mapping[str, str], flight: Any
    ) -> _Response:
        """Sends a request and waits for its answer."""
        await self.process.survive(f"before {method} {url.path}")
        await asyncio.sleep(self.process.chance.uniform(*LATENCY))
        if self.refused > 0:
            self.refused -= 1
            raise BrokenConnectionError("ClientConnectorError")
        flight.connected = True
        await self.process.survive(f"as {method} {url.path} leaves")
        asked = _Asked(method, url, data, headers)
        number = len(self._vendor.gate.journal.requests) + 1
        self._arriving(Sent(number, self._clock(), method, url.path, dict(url.query), asked.data, self._life))
        task = asyncio.get_running_loop().create_task(self._vendor.answer(asked), name="vendor")
        self._vendor.tasks.add(task)
        task.add_done_callback(self._vendor.tasks.discard)
        answer = await asyncio.shield(task)
        assert asked[NUMBER] == number
        await self.process.survive(f"before the answer to {method} {url.path}")
        if asked.dropped:
            raise BrokenConnectionError("ServerDisconnectedError")
        return _Response(answer, self._clock())


class _Session:
    def __init__(self, network: Network) -> None:
        self._network = network

    def request(
        self,
        method: str,
        url: URL,
        *,
        data: bytes | None,
        headers: Mapping[str, str],
        trace_request_ctx: Any,
        **_: Any,
    ) -> _Exchange:
        return _Exchange(lambda: self._network.exchange(method, url, data, headers, trace_request_ctx))

    async def close(self) -> None:
        """Nothing is open."""


class _Exchange:
    def __init__(self, send: Callable[[], Any]) -> None:
        self._send = send

    async def __aenter__(self) -> _Response:
        response: _Response = await self._send()
        return response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The connection is given back."""


class _Response:
    def __init__(self, answer: web.StreamResponse, now: float) -> None:
        assert isinstance(answer, web.Response)
        assert answer.body is None or isinstance(answer.body, bytes | bytearray)
        self.status = answer.status
        self.headers = answer.headers
        self.headers["Date"] = formatdate(now, usegmt=True)
        self._body = bytes(answer.body or b"")
        self.content = self

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body
