"""One notification, one POST: what its answer means. Never retries, never follows a redirect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from worker.cloudflare.headers import retry_after
from worker.cloudflare.session import Connect, make_session
from worker.cloudflare.verdicts import Flight, printable
from worker.errors import AnswerLost, RateLimited, Refused, Transient, VendorError
from worker.ports import Observation
from worker.webhook.target import Target

TIMEOUT = 10.0
ENDPOINT = "POST webhook"
_MOST_BYTES = 2048
"""Of an answer: only a refusal's own words are of interest."""
_UNSURE = frozenset({408, 425, 499})
_TOO_MANY = 429


class Webhook:
    """The operator's address. Connects when something is to be told, not before."""

    def __init__(
        self,
        target: Target,
        now: Callable[[], float],
        connect: Connect = make_session,
        timeout: float = TIMEOUT,
        observe: Callable[[Observation], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._observe = observe
        self._now = now
        self._connect = connect
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<Webhook {self._target}>"

    async def close(self) -> None:
        """Closes every connection; may be called twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, key: str, body: bytes) -> int:
        """Sends one body under its key; the status of a success.

        Raises:
            Transient: no connection, so nobody was told.
            RateLimited: not now.
            Refused: never; a redirect is one too, for a signature is for one address.
            AnswerLost: somebody may have been told.
        """
        if self._session is None:
            self._session = self._connect()
        flight, began = Flight(), time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                await self._fly(self._session, flight, key, body)
        except Exception as error:  # noqa: BLE001 - whatever broke, somebody may have been told
            flight.broke = "time-out" if isinstance(error, TimeoutError) else type(error).__name__
        self._observe(
            Observation(
                ENDPOINT, flight.status, time.monotonic() - began, retry_after=retry_after(flight.headers)
            )
        )
        # Raised outside the handler: aiohttp's errors carry the address.
        if (failure := _judge(flight)) is not None:
            raise failure
        assert flight.status is not None  # noqa: S101 - or it would have been judged a failure
        return flight.status

    async def _fly(self, session: aiohttp.ClientSession, flight: Flight, key: str, body: bytes) -> None:
        headers = {"Content-Type": "application/json", **self._target.headers(key, int(self._now()), body)}
        async with session.post(
            self._target.url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=flight
        ) as response:
            flight.status, flight.headers = response.status, response.headers
            body = await response.content.read(_MOST_BYTES)
            if len(body) == _MOST_BYTES:
                # What was cut off in the middle could not be told from anything else.
                body = body.rpartition(b" ")[0]
            flight.body = self._target.hide(body.decode("utf-8", "replace")).encode()


def _judge(flight: Flight) -> VendorError | None:
    if not flight.connected:
        why = f"no connection: {flight.broke}; check network, DNS, TLS and WORKER_NOTIFY_URL"
        return Transient(f"webhook: {why}")
    if flight.status is None:
        return AnswerLost(f"webhook: no answer: {flight.broke}")
    return _of(flight.status, flight) if flight.status >= 300 else None  # noqa: PLR2004 - beyond success


def _of(status: int, flight: Flight) -> VendorError:
    told = f"webhook: {status} {printable(flight.body.decode('utf-8', 'replace'))}".rstrip()
    if status < 400:  # noqa: PLR2004 - the first client error of HTTP
        return Refused(f"{told}, a redirect; name the final address in WORKER_NOTIFY_URL", status=status)
    if status == _TOO_MANY:
        return RateLimited(told, retry_after=retry_after(flight.headers))
    if status in _UNSURE or status >= 500:  # noqa: PLR2004 - the first server error of HTTP
        return AnswerLost(told, status=status)
    return Refused(f"{told}; check WORKER_NOTIFY_URL and WORKER_NOTIFY_SECRET", status=status)
