"""What every request to the vendor's paths passes: numbering, rate limit, faults, authentication, headers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple, Protocol

import msgspec
from aiohttp import web

from .envelope import ApiError, refusal
from .faults import IN_HANDLER, Fault, FaultPlan, PathClass
from .journal import Journal, Request
from .limits import RateLimit
from .reading import MALFORMED
from .tenant import Tenant

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """An operation below the Email Security prefix."""

    method: str
    path: str
    path_class: PathClass
    handler: Handler


class Group(Protocol):
    """Operations that belong together."""

    def routes(self) -> Iterable[Route]: ...


FAULT = web.RequestKey("fault", Fault)
NUMBER = web.RequestKey("number", int)

_ABSURD_SECONDS = "99999999999999999999"


class _Named(msgspec.Struct):
    ids: tuple[str, ...] = ()


class Gate:
    """The middleware of the vendor's paths. `classes` maps the routes' handlers to their path classes."""

    def __init__(self, tenant: Tenant, classes: dict[Handler, PathClass], faults: FaultPlan) -> None:
        config = tenant.config
        self.token = config.token
        self.journal = Journal()
        self.faults = faults
        self._tenant = tenant
        self._classes = classes
        self.limit = RateLimit(config.limit, config.limit_window)

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answers one request."""
        tenant = self._tenant
        tenant.advance()
        path_class = self._classes.get(request.match_info.handler)
        entry = self.journal.open(tenant.now, request.method, request.path, path_class or "other")
        request[NUMBER] = entry.number
        try:
            if request.method == "POST":
                entry.ids = await _named(request)
            response = await self._respond(request, handler, path_class)
        except ApiError as error:
            response = error.response()
        except web.HTTPException as error:
            response = _routing_error(error, request)
        if tenant.config.latency:
            await asyncio.sleep(tenant.config.latency)
        return self._finish(request, response, entry)

    async def _respond(
        self, request: web.Request, handler: Handler, path_class: PathClass | None
    ) -> web.StreamResponse:
        now = self._tenant.now
        if not self.limit.admit(now):
            headers = {"Retry-After": str(self.limit.retry_after(now))}
            return refusal(
                HTTPStatus.TOO_MANY_REQUESTS, 10429, "More than the allowed requests; wait", headers
            )
        fault = self.faults.pick(path_class) if path_class else None
        if fault is None:
            return await self._authorised(request, handler)
        if fault.kind in IN_HANDLER:
            request[FAULT] = fault
            return await self._authorised(request, handler)
        return await self._spoil(fault, request, handler)

    async def _spoil(self, fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
        # Read now: a client that gives up on a slow answer takes an unread body with it, but not the effect.
        await request.read()
        honest = await self._authorised(request, handler) if fault.after else None
        if fault.kind == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # goes nowhere; raising instead would log an error that is none
        if fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            return honest or await self._authorised(request, handler)
        return _canned(fault, self._tenant.now)

    async def _authorised(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if (scheme, token) != ("Bearer", self.token):
            if self._classes.get(request.match_info.handler) == "verify":
                raise ApiError(HTTPStatus.UNAUTHORIZED, 1000, "Invalid API Token")
            raise ApiError(HTTPStatus.FORBIDDEN, 10000, "Authentication error")
        account_id = self._tenant.config.account_id
        if request.match_info.get("account_id", account_id) != account_id:
            raise ApiError(HTTPStatus.FORBIDDEN, 10000, "Authentication error")
        return await handler(request)

    def _finish(
        self, request: web.Request, response: web.StreamResponse, entry: Request
    ) -> web.StreamResponse:
        if request.transport is not None and not request.transport.is_closing():
            entry.status = response.status
        if self._tenant.config.limit_headers:
            response.headers.update(self.limit.headers(self._tenant.now))
        response.headers["CF-Ray"] = entry.ray
        if self._tenant.config.gzip and "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response


async def _named(request: web.Request) -> tuple[str, ...]:
    """The messages that a write names, in its path or in its body."""
    if "id" in request.match_info:
        return (request.match_info["id"],)
    try:
        return msgspec.json.decode(await request.read(), type=_Named).ids
    except MALFORMED:
        return ()


def _routing_error(error: web.HTTPException, request: web.Request) -> web.Response:
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return refusal(
            HTTPStatus.METHOD_NOT_ALLOWED,
            10405,
            f"Method {request.method} not allowed for this resource",
            {"Allow": error.headers["Allow"]},
        )
    return refusal(
        HTTPStatus.NOT_FOUND,
        7003,
        f"Could not route to {request.path}, perhaps your object identifier is invalid?",
    )


def _canned(fault: Fault, now: float) -> web.Response:
    match fault.kind:
        case "429":
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, 10429, "Rate limited", _retry_after(fault, now))
        case "401":
            return refusal(HTTPStatus.UNAUTHORIZED, 10000, "Authentication error")
        case "html":
            return web.Response(
                text="<!DOCTYPE html><title>Just a moment...</title>", content_type="text/html"
            )
        case "empty":
            return web.Response(body=b"", content_type="application/json")
        case "success_false":
            return refusal(HTTPStatus.OK, 1001, "The request failed")
        case _:
            return refusal(HTTPStatus.INTERNAL_SERVER_ERROR, 10500, "Internal error")


def _retry_after(fault: Fault, now: float) -> dict[str, str]:
    match fault.retry_after:
        case "seconds":
            return {"Retry-After": str(round(fault.seconds))}
        case "http-date":
            return {"Retry-After": formatdate(now + fault.seconds, usegmt=True)}
        case "absurd":
            return {"Retry-After": _ABSURD_SECONDS}
        case "missing":
            return {}
