"""How aiohttp is tamed: it sends nothing twice, remembers no cookie, and tells when a connection stands."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

import aiohttp

Connect = Callable[[], aiohttp.ClientSession]
"""Makes a pool of connections; needs a running loop."""
_CONNECTIONS, _KEEPALIVE = 16, 15.0


class BrokenConnectionError(aiohttp.ClientError):
    """A connection error under a name for which aiohttp has no second try."""


def make_session() -> aiohttp.ClientSession:
    """A pool of connections; needs a running loop.

    A request's `trace_request_ctx` gets `connected = True` as soon as it has a connection. Proxies and
    credentials of the environment are not looked at.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=_KEEPALIVE),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"email-security-worker/{_version()}", "Accept-Encoding": "gzip, deflate"},
        timeout=aiohttp.ClientTimeout(total=None),  # the deadline is the transport's: it also covers the body
        trace_configs=[_connection_trace()],
        middlewares=(_send_once,),
    )


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Takes from aiohttp the errors after which it would send a GET a second time on a fresh connection."""
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError as error:
        raise BrokenConnectionError(str(error)) from None
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise BrokenConnectionError(type(error).__name__) from None


def _connection_trace() -> aiohttp.TraceConfig:
    """Marks the flight as soon as a connection stands: from then on bytes may have left."""

    async def connected(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.connected = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


def _version() -> str:
    try:
        return version("email-security-worker")
    except PackageNotFoundError:
        return "0"
