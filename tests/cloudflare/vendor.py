"""A vendor made of raw sockets: it counts what reaches it and answers any bytes that it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from worker.ports import Lane, Observation

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "canary-0123456789-abcdefghij-token"

Reply = Callable[["Request", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without account and query."""
        return self.target.partition("?")[0].removeprefix(f"/client/v4/accounts/{ACCOUNT}/email-security/")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class OpenGate:
    """Admits everything and remembers it."""

    admitted: list[Lane] = field(default_factory=list)
    seen: list[Observation] = field(default_factory=list)

    async def admit(self, lane: Lane) -> None:
        self.admitted.append(lane)

    def observe(self, seen: Observation) -> None:
        self.seen.append(seen)


class Vendor:
    """Answers each request with the next of its replies, and with the last one for ever."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._replies: list[Reply] = [answer(envelope([]))]
        self._writers: set[asyncio.StreamWriter] = set()
        self.asked = asyncio.Event()

    def will(self, *replies: Reply) -> None:
        self._replies = list(replies)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/client/v4"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()

    def hang_up(self) -> None:
        """Closes every connection under the client."""
        for writer in tuple(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                self.requests.append(request := await _read(reader))
                self.asked.set()
                reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                await reply(request, writer)
        self._writers.discard(writer)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


def envelope(result: Any, *, success: bool = True, errors: list[Any] | None = None, **info: Any) -> bytes:
    """A body as the API sends it."""
    shell = {"success": success, "errors": errors or [], "messages": [], "result": result}
    return json.dumps(shell | ({"result_info": info} if info else {})).encode()


def refusal(*errors: tuple[int, str]) -> bytes:
    """A body that says no."""
    entries = [{"code": code, "message": message} for code, message in errors]
    return envelope(None, success=False, errors=entries)


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    """A whole answer; underscores in header names are dashes."""
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(body: bytes, status: int = 200, **headers: str) -> Reply:
    """Replies with a whole answer."""
    return send(http(body, status, **headers))


def send(data: bytes) -> Reply:
    """Replies with these bytes."""

    async def reply(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return reply


async def drop(_: Request, writer: asyncio.StreamWriter) -> None:
    """Hangs up without a word."""
    writer.close()


async def reset(_: Request, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection with RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def half(_: Request, writer: asyncio.StreamWriter) -> None:
    """Hangs up in the middle of a body that would be believed."""
    writer.write(http(envelope([]))[:-5])
    await writer.drain()
    writer.close()


async def silence(_: Request, writer: asyncio.StreamWriter) -> None:
    """Says nothing and stays."""
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def drip(_: Request, writer: asyncio.StreamWriter) -> None:
    """Sends a byte every 20 ms, for ever: no gap is long enough for a time-out between two reads."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await asyncio.sleep(0.02)


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of the list with every field that the contract requires."""
    base: dict[str, Any] = {
        "id": f"4Njp3P0STMz2c{number:04d}-2024-01-05T10:00:00-{number:08d}",
        "postfix_id": f"4Njp3P0STMz2c{number:04d}",
        "client_recipients": ["ann@corp.example"],
        "detection_reasons": ["Malicious link"],
        "is_phish_submission": False,
        "is_quarantined": False,
        "properties": {},
        "final_disposition": "MALICIOUS",
        "from": "mallory@evil.example",
        "subject": "Invoice",
        "scanned_at": "2024-01-05T10:00:00Z",
    }
    return base | changes
