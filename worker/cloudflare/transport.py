"""One request, one answer: the only place where bytes go to the vendor. Never retries, never redirects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from worker.cloudflare import verdicts
from worker.cloudflare.headers import rate_limit, ray_id, retry_after, server_time
from worker.cloudflare.operations import Operation, Query, encode_query
from worker.cloudflare.session import BrokenConnectionError, Connect, make_session
from worker.cloudflare.sparing import TellLeftOut, tell_nobody
from worker.errors import Unauthorized, VendorError, WorkerError
from worker.origin import check_base_url, resolve
from worker.ports import Gate, Lane, Observation

MAX_BYTES = 32 * 2**20
"""Bytes of a body after inflating. A page of 1,000 rows has about one or two million."""
WRITE_CONNECT_SECONDS = 2.5
"""How long a write waits for its connection: one that starts later may start after a pause."""
_SHORTEST_SECRET, _REMEMBERED = 8, 4
_READ, _WRITE = aiohttp.ClientTimeout(), aiohttp.ClientTimeout(connect=WRITE_CONNECT_SECONDS)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success of the API, its body whole but not yet believed."""

    operation: Operation
    status: int
    body: bytes
    url: URL
    seconds: float
    ray: str | None = None
    location: str | None = None
    waited: float = 0.0
    """Seconds that its request stood at the gate before it was sent."""

    def unbelievable(self, reason: str) -> VendorError:
        """The error for an answer that turned out to prove nothing; the caller raises it."""
        return verdicts.unbelievable(self.operation, reason, status=self.status, ray=self.ray)

    def __repr__(self) -> str:
        return f"<Answer {self.operation.endpoint} {self.status}, {len(self.body)} bytes, ray {self.ray}>"


class Transport:
    """Sends requests to one origin with one token.

    Args:
        base_url: such as `https://api.cloudflare.com/client/v4`; see `check_base_url`.
        account_id: the account's 32 hex digits.
        token: asked before every request, so that a token file may change; goes to the base URL's host only.
        gate: admits reads and sees every request.
        timeout: seconds from the first byte of the connection to the last byte of the body.
        max_bytes: of one body, counted after inflating.
        connect: makes the pool of connections.
        reads_only: refuses to send anything but a GET, before it is sent.
        left_out: is told of the values that the rows of an endpoint's page were read without.
    """

    def __init__(
        self,
        *,
        base_url: str,
        account_id: str,
        token: Callable[[], str],
        gate: Gate,
        timeout: float = 30.0,
        max_bytes: int = MAX_BYTES,
        connect: Connect = make_session,
        reads_only: bool = False,
        left_out: TellLeftOut = tell_nobody,
    ) -> None:
        self.left_out = left_out
        self._base = check_base_url(base_url)
        self._account_id = account_id
        self._token = token
        self._gate = gate
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._told: tuple[_Secret, ...] = ()
        self._connect = connect
        self._reads_only = reads_only
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<Transport to {self._base.origin()}, {'open' if self._session else 'closed'}>"

    async def open(self) -> None:
        """Makes the connection pool; connects to nothing."""
        if self._session is None:
            self._session = self._connect()

    async def close(self) -> None:
        """Closes every connection; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def request(
        self,
        operation: Operation,
        *,
        lane: Lane | None,
        ids: Mapping[str, str] | None = None,
        query: Query | None = None,
        body: object = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the deadline belongs to this one request
    ) -> Answer:
        """Sends one request and reads the whole answer.

        Args:
            operation: what to ask.
            lane: whose budget a read uses; None for writes, whose token was taken when they were claimed.
            ids: values of the template's names.
            query: parameters of the query string.
            body: what is sent as JSON.
            timeout: seconds, instead of the transport's own.

        Raises:
            ValueError: an argument that cannot be sent; nothing has been sent.
            VendorError: see `worker.cloudflare.verdicts`.
        """
        url = f"{self._base}/{operation.path(self._account_id, ids or {})}"
        if query:
            url += f"?{encode_query(query)}"
        data = None if body is None else msgspec.json.encode(body)
        return await self._send(operation, URL(url, encoded=True), data, lane, timeout)

    def locate(self, answer: Answer) -> URL:
        """The `Location` of a 202 (API reference, Investigate list): on our origin, or an error."""
        url = resolve(answer.location or "", answer.url, self._base)
        if url is None:
            raise answer.unbelievable("202 whose Location is missing or on another host; it was not asked")
        return url

    async def ask(self, operation: Operation, url: URL, *, lane: Lane) -> Answer:
        """Sends one GET to a URL that `locate` has given; errors are the operation's own."""
        return await self._send(operation, url, None, lane, None)

    async def _send(
        self, operation: Operation, url: URL, data: bytes | None, lane: Lane | None, limit: float | None
    ) -> Answer:
        if self._session is None:
            raise RuntimeError("the Transport is not open: use `async with`, or await open() first")
        if self._reads_only and operation.writes:
            raise RuntimeError(f"{operation.endpoint}: not sent, because this client only reads")
        came = time.monotonic()
        if lane is not None:
            await self._gate.admit(lane)
        # Once, before anything is sent: a token file that goes bad later must not look like a refusal.
        secret = self._secret()
        flight, began = verdicts.Flight(), time.monotonic()
        try:
            async with asyncio.timeout(limit or self._timeout):
                await self._fly(flight, operation, url, data, secret)
        except Exception as error:  # noqa: BLE001 - whatever broke, a write may have had its effect
            flight.broke, flight.unbelievable = _why(error)
            flight.too_large = isinstance(error, _TooLargeError)
        finally:
            seconds = time.monotonic() - began
            self._gate.observe(_observation(operation, flight, seconds))
        # Raised outside the handler: aiohttp's errors carry the request's headers, and so the token.
        ray = ray_id(flight.headers)
        failure = verdicts.judge(operation, flight, ray)
        if failure is not None:
            raise failure
        location = flight.headers.get("Location")
        waited = began - came
        return Answer(operation, flight.status or 0, flight.body, url, seconds, ray, location, waited)

    async def _fly(
        self, flight: verdicts.Flight, operation: Operation, url: URL, data: bytes | None, secret: _Secret
    ) -> None:
        assert self._session is not None  # noqa: S101 - _send has looked
        headers = {} if data is None else {"Content-Type": "application/json"}
        async with self._session.request(
            operation.method,
            url,
            data=data,
            timeout=_WRITE if operation.writes else _READ,
            headers=headers | {"Authorization": f"Bearer {secret}"},
            allow_redirects=False,
            trace_request_ctx=flight,
        ) as response:
            flight.status, flight.headers = response.status, self._hide_in(response.headers)
            flight.body = self._hide(await self._read(response, operation.max_bytes or self._max_bytes))

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        chunks, size, most = [], 0, min(most, self._max_bytes)
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > most:
                raise _TooLargeError(f"more than {most} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    def _secret(self) -> _Secret:
        try:
            secret = _Secret(self._token().strip())
        except (OSError, ValueError, WorkerError) as error:
            raise Unauthorized(
                f"the API token cannot be read: {type(error).__name__}; check its file"
            ) from None
        if not secret or any(not "!" <= letter <= "~" for letter in secret):
            raise Unauthorized("the API token is empty or holds a character no token has; check its file")
        if secret not in self._told and len(secret) >= _SHORTEST_SECRET:
            self._told = (secret, *self._told[: _REMEMBERED - 1])
        return secret

    def _hide(self, body: bytes) -> bytes:
        """The body without the tokens that were sent, should somebody have put them there."""
        for secret in self._told:
            body = body.replace(secret.encode(), b"[token]")
        return body

    def _hide_in(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers without those that hold a token: a request id that does would go to log and ledger."""
        if not any(secret in value for secret in self._told for value in headers.values()):
            return headers
        return CIMultiDict(
            (name, value)
            for name, value in headers.items()
            if not any(secret in value for secret in self._told)
        )


class _Secret(str):
    """A token that does not show where a debugger or a talkative traceback prints values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class _TooLargeError(Exception):
    """The body goes on beyond its bound."""


def _observation(operation: Operation, flight: verdicts.Flight, seconds: float) -> Observation:
    window = rate_limit(flight.headers)
    return Observation(
        operation.endpoint,
        flight.status,
        seconds,
        retry_after=retry_after(flight.headers),
        remaining=window.left,
        resets_in=window.resets_in,
        quota=window.quota,
        server_time=server_time(flight.headers),
    )


def _why(error: Exception) -> tuple[str, bool]:
    """What broke, without a word of the answer; and whether the answer itself is at fault."""
    if isinstance(error, TimeoutError):
        return "time-out", False
    if isinstance(error, _TooLargeError):
        return f"too large: {error}", True
    if isinstance(error, BrokenConnectionError):
        return verdicts.printable(str(error)), False
    return type(error).__name__, isinstance(error, aiohttp.ClientResponseError | ValueError)
