from __future__ import annotations

from tests.simulator.api import Clock, Simulate


async def test_headers_count_down(simulate: Simulate, clock: Clock) -> None:
    """Every answer tells what is left and when it grows again."""
    api = await simulate(messages=0)
    first = await api.get("submissions")
    clock.advance(10)
    second = await api.get("nothing")
    assert first.headers["Ratelimit"] == '"default";r=1199;t=300'
    assert second.headers["Ratelimit"] == '"default";r=1198;t=290'
    assert second.headers["Ratelimit-Policy"] == '"default";q=1200;w=300'


async def test_one_request_too_many_blocks_everything(simulate: Simulate, clock: Clock) -> None:
    """Over the limit all calls are refused for a whole window, however few they are, and then none is."""
    api = await simulate(messages=0, limit=2, limit_window=30.0)
    assert [(await api.get("submissions")).status for _ in range(3)] == [200, 200, 429]
    clock.advance(29)
    blocked = await api.get("phishguard/reports")
    assert blocked.error == (429, 10429)
    assert blocked.headers["Retry-After"] == "1"
    assert blocked.headers["Ratelimit"] == '"default";r=0;t=1'
    clock.advance(1)
    assert (await api.get("submissions")).status == 200


async def test_window_slides(simulate: Simulate, clock: Clock) -> None:
    """A request is forgotten one window after it came, not at a tick."""
    api = await simulate(messages=0, limit=2, limit_window=30.0)
    for _ in range(5):
        assert (await api.get("submissions")).status == 200
        clock.advance(15)


async def test_admin_paths_are_free(simulate: Simulate) -> None:
    """Looking at the simulator costs nothing of the vendor's budget and is not in the log of requests."""
    api = await simulate(messages=0, limit=1)
    for _ in range(3):
        assert (await api.admin("requests"))["requests"] == []
    assert (await api.get("submissions")).status == 200
