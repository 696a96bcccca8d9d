"""Health and metrics over HTTP, for supervisors and Prometheus. Reads only; never any mail data."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from worker.errors import UsageError
from worker.ops.bind import ELSEWHERE, parse_bind
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics

Checks = Mapping[str, bool | str]
"""Each check holds (True) or does not; a text says why it does not."""

_READY_TIMEOUT = 2.0
_STOP_TIMEOUT = 1.0

log = get_logger()


class HealthServer:
    """`/livez`, `/readyz` and `/metrics`. An empty `bind` switches it off: start and stop then do nothing."""

    def __init__(
        self,
        bind: str,
        *,
        live: Callable[[], bool],
        ready: Callable[[], Checks | Awaitable[Checks]],
        metrics: Metrics,
        notes: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._address = parse_bind(bind) if bind else None
        self._bind = bind
        self._live = live
        self._checks = ready
        self._metrics = metrics
        self._notes = notes
        self._runner: web.AppRunner | None = None
        self._port: int | None = None
        self._asked_in_vain = False

    @property
    def port(self) -> int | None:
        """The port that it listens on, also where port 0 was asked for; None while it does not listen."""
        return self._port

    async def start(self) -> None:
        """Listens; an address that cannot be had is a UsageError."""
        if self._address is None or self._runner is not None:
            return
        host, port = self._address
        runner = web.AppRunner(
            self._application(), access_log=None, handle_signals=False, shutdown_timeout=_STOP_TIMEOUT
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            reason = error.strerror or str(error)
            raise UsageError(
                f"WORKER_HTTP_BIND: cannot listen on {self._bind}: {reason}; {ELSEWHERE}"
            ) from error
        self._runner = runner
        self._port = runner.addresses[0][1]
        log.info("health.listening", bind=self._bind, port=self._port)

    async def stop(self) -> None:
        """Stops listening and closes what is connected."""
        runner, self._runner, self._port = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.on_response_prepare.append(_plain_headers)
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics_page)
        return application

    async def _livez(self, _request: web.Request) -> web.Response:
        if self._live():
            return web.Response(text="ok\n")
        return web.Response(text="stuck\n", status=503)

    async def _readyz(self, _request: web.Request) -> web.Response:
        is_ready, answers = await self._ask()
        body: dict[str, Any] = {
            "ready": is_ready,
            "checks": {name: answer is True for name, answer in answers.items()},
        }
        if reasons := {name: answer for name, answer in answers.items() if isinstance(answer, str)}:
            body["reasons"] = reasons
        # A pause is what somebody wanted: it shows, and the worker is as ready as before.
        body |= self._notes()
        return web.Response(
            text=json.dumps(body) + "\n", content_type="application/json", status=200 if is_ready else 503
        )

    async def _metrics_page(self, request: web.Request) -> web.Response:
        await self._ask()
        body, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _ask(self) -> tuple[bool, Checks]:
        """Whether the worker is ready, and its checks; ones that fail or hang mean that it is not."""
        try:
            answer = self._checks()
            if inspect.isawaitable(answer):
                answer = await asyncio.wait_for(answer, _READY_TIMEOUT)
            checks: Checks = dict(answer)
            self._asked_in_vain = False
        except Exception as error:
            checks = {"checks_answered": False}
            if not self._asked_in_vain:  # once: a supervisor asks every few seconds
                log.warning("health.check_failed", exc_info=error)
            self._asked_in_vain = True
        is_ready = bool(checks) and all(check is True for check in checks.values())
        self._metrics.ready(on=is_ready)
        return is_ready, checks


async def _plain_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Names neither the software nor its version, and keeps proxies from answering for us."""
    response.headers.pop("Server", None)
    response.headers["Cache-Control"] = "no-store"
