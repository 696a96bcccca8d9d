"""Somebody's webhook on loopback, which answers as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Somebody's webhook; `answers` are its next ones, then it says 200."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    answers: list[web.Response | Answer] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One notification comes in."""
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.bodies.append(await request.read())
        answer = self.answers.pop(0) if self.answers else web.Response(text="ok")
        return answer if isinstance(answer, web.Response) else await answer(request)


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """Listens on loopback."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook/{rest}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}/hook/T0SECRET0PATH"
    yield receiver
    await runner.cleanup()
