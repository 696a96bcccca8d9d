from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.ops.lines import Lines
from worker.errors import UsageError
from worker.ops import health
from worker.ops.bind import parse_bind
from worker.ops.health import HealthServer
from worker.ops.metrics import Metrics

Ready = Callable[[], Mapping[str, bool] | Awaitable[Mapping[str, bool]]]


@asynccontextmanager
async def _serving(
    ready: Ready = lambda: {"database": True}, *, live: bool = True, metrics: Metrics | None = None
) -> AsyncIterator[Callable[[str, str], Awaitable[tuple[int, str, Mapping[str, str]]]]]:
    server = HealthServer("127.0.0.1:0", live=lambda: live, ready=ready, metrics=metrics or Metrics())
    await server.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:

        async def ask(method: str, path: str) -> tuple[int, str, Mapping[str, str]]:
            async with session.request(method, path) as answer:
                return answer.status, await answer.text(), dict(answer.headers)

        try:
            yield ask
        finally:
            await server.stop()


async def test_livez_says_ok_while_the_loop_turns() -> None:
    """200 and `ok`, whatever else is broken; 503 when the service says that it is stuck."""
    async with _serving(lambda: {"database": False}) as ask:
        assert (await ask("GET", "/livez"))[:2] == (200, "ok\n")
    async with _serving(live=False) as ask:
        assert (await ask("GET", "/livez"))[0] == 503


async def _awaited() -> Mapping[str, bool]:
    return {"database": True}


@pytest.mark.parametrize(
    "ready, status, body",
    [
        (lambda: {"db": True, "rules": True}, 200, '{"ready": true, "checks": {"db": true, "rules": true}}'),
        (
            lambda: {"db": True, "rules": False},
            503,
            '{"ready": false, "checks": {"db": true, "rules": false}}',
        ),
        (dict, 503, '{"ready": false, "checks": {}}'),
        (_awaited, 200, '{"ready": true, "checks": {"database": true}}'),
    ],
)
async def test_readyz_lists_the_checks(ready: Ready, status: int, body: str) -> None:
    """Ready only when there are checks and all of them hold."""
    metrics = Metrics()
    async with _serving(ready, metrics=metrics) as ask:
        assert (await ask("GET", "/readyz"))[:2] == (status, body + "\n")
    assert f"worker_ready {float(status == 200)}" in metrics.render()[0].decode()


async def test_checks_that_raise_or_hang_mean_not_ready_and_are_logged_once(
    json_lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor asks every few seconds: one line is enough, and the cause is not shown to it."""
    monkeypatch.setattr(health, "_READY_TIMEOUT", 0.01)

    def broken() -> Mapping[str, bool]:
        raise OSError("secret path")

    async def hanging() -> Mapping[str, bool]:
        await asyncio.sleep(60)
        return {}

    for ready in (broken, hanging):
        async with _serving(ready) as ask:
            for _ in range(3):
                status, body, _headers = await ask("GET", "/readyz")
                assert (status, "secret" in body) == (503, False)
    actions = [line["event.action"] for line in json_lines.parsed()]
    assert actions == ["health.listening", "health.check_failed"] * 2


async def test_metrics_are_served_in_prometheus_format() -> None:
    """The page has the type that Prometheus asks for."""
    async with _serving() as ask:
        status, body, headers = await ask("GET", "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    assert "worker_ready 1.0" in body


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("POST", "/livez", 405),
        ("DELETE", "/readyz", 405),
        ("PUT", "/metrics", 405),
        ("GET", "/", 404),
        ("HEAD", "/livez", 200),
    ],
)
async def test_only_get_and_head_of_three_paths_and_no_server_header(
    method: str, path: str, status: int
) -> None:
    """Everything else is refused, and no answer names the software."""
    async with _serving() as ask:
        got, _body, headers = await ask(method, path)
    assert got == status
    assert "Server" not in headers


@pytest.mark.parametrize(
    "bind, address",
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9000", ("::1", 9000)),
        (":8080", (None, 8080)),
    ],
)
def test_the_forms_of_an_address(bind: str, address: tuple[str | None, int]) -> None:
    """`host:port`, `[ipv6]:port` and `:port` for every address."""
    assert parse_bind(bind) == address


@pytest.mark.parametrize(
    "bind", ["8080", "localhost", "::1:8080", "a b:1", "x:65536", "http://x:1", "x:-1", ":", "x:1\n"]
)
def test_an_address_that_cannot_be_read_names_the_variable_and_an_example(bind: str) -> None:
    """One line says what to mend."""
    with pytest.raises(
        UsageError, match=r"^WORKER_HTTP_BIND: expected host:port.*WORKER_HTTP_BIND=127.0.0.1:8080"
    ):
        HealthServer(bind, live=lambda: True, ready=dict, metrics=Metrics())


async def test_an_address_in_use_names_the_variable() -> None:
    """The second worker on a host learns why it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        server = HealthServer(bind, live=lambda: True, ready=dict, metrics=Metrics())
        with pytest.raises(UsageError, match=rf"WORKER_HTTP_BIND: cannot listen on {bind}: .*in use"):
            await server.start()
    assert server.port is None


async def test_an_address_of_another_host_names_the_variable() -> None:
    """Whatever the system objects to is the person's to mend."""
    server = HealthServer("192.0.2.1:0", live=lambda: True, ready=dict, metrics=Metrics())
    with pytest.raises(UsageError, match=r"WORKER_HTTP_BIND: cannot listen on 192\.0\.2\.1:0: "):
        await server.start()


async def test_an_empty_address_switches_it_off() -> None:
    """Start and stop do nothing."""
    server = HealthServer("", live=lambda: True, ready=dict, metrics=Metrics())
    await server.start()
    assert server.port is None
    await server.stop()


async def test_it_can_stop_twice_and_leaves_the_port_free() -> None:
    """After stop nothing listens."""
    server = HealthServer("127.0.0.1:0", live=lambda: True, ready=dict, metrics=Metrics())
    await server.start()
    port = server.port
    await server.stop()
    await server.stop()
    with pytest.raises(OSError, match=r"refused|failed"):
        await asyncio.open_connection("127.0.0.1", port)
