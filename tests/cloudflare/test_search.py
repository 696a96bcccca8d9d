from __future__ import annotations

from typing import Any

import pytest

from tests.cloudflare.calls import read
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import OpenGate, Vendor, answer, envelope, refusal, row
from worker.cloudflare import Cloudflare
from worker.errors import BadAnswer, Refused, SlowSearch, Transient
from worker.ports import Lane

WHERE = "/client/v4/accounts/0123456789abcdef0123456789abcdef/email-security/investigate/searches/1?x=%2F"
DONE = answer(envelope([row()], next="more"))


class Sleeper:
    """Remembers the pauses and makes none."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def sleep() -> Sleeper:
    """A clock that needs no time."""
    return Sleeper()


@pytest.fixture
async def patient(connect: Connect, sleep: Sleeper) -> Cloudflare:
    """A client that does not really wait."""
    client: Cloudflare = await connect(sleep=sleep)
    return client


def slow(location: str | None = WHERE, **headers: str) -> Any:
    """A search that takes the vendor longer than one request."""
    return answer(envelope([]), 202, **({"Location": location} if location else {}), **headers)


async def test_a_slow_search_is_followed(
    vendor: Vendor, patient: Cloudflare, gate: OpenGate, sleep: Sleeper
) -> None:
    """The empty page of a 202 is not the end of the list: its Location has the rows."""
    vendor.will(slow(), slow(None), slow(), DONE)
    page: Any = await read(patient)
    assert (len(page.rows), page.next) == (1, "more")
    assert [request.target for request in vendor.requests[1:]] == [WHERE] * 3
    assert sleep.pauses == [0.5, 1.0, 2.0]
    assert gate.admitted == [Lane.POLL] * 4
    assert [seen.status for seen in gate.seen] == [202, 202, 202, 200]


async def test_patience_ends(vendor: Vendor, patient: Cloudflare, sleep: Sleeper) -> None:
    """The pauses double to 5 s and end within 120 s."""
    vendor.will(slow())
    with pytest.raises(Transient, match="more than 120 s"):
        await read(patient)
    assert sleep.pauses[:5] == [0.5, 1.0, 2.0, 4.0, 5.0]
    assert max(sleep.pauses) == 5.0
    assert 115 < sum(sleep.pauses) <= 120


async def test_who_is_in_a_hurry_waits_less(vendor: Vendor, patient: Cloudflare, sleep: Sleeper) -> None:
    """And can tell a slow search from a vendor who cannot be reached."""
    vendor.will(slow())
    with pytest.raises(SlowSearch, match="more than 3 s"):
        await read(patient, patience=3.0)
    assert sleep.pauses == [0.5, 1.0]


async def test_a_search_may_move(vendor: Vendor, patient: Cloudflare) -> None:
    """A later 202 may name another Location, relative or absolute."""
    absolute = f"{vendor.base_url}/second"
    vendor.will(slow("first"), slow(absolute), DONE)
    await read(patient)
    base = "/client/v4/accounts/0123456789abcdef0123456789abcdef/email-security"
    assert [request.target for request in vendor.requests[1:]] == [f"{base}/first", "/client/v4/second"]


async def test_an_error_of_the_search_is_its_error(vendor: Vendor, patient: Cloudflare) -> None:
    """The table of errors holds for the followed request too."""
    vendor.will(slow(), answer(refusal((1002, "not found")), 404))
    with pytest.raises(Refused):
        await read(patient)


async def test_another_host_is_not_asked(vendor: Vendor, patient: Cloudflare, sleep: Sleeper) -> None:
    """Another host, port or scheme never sees the request, so it never sees the token."""
    async with Vendor() as other:
        for location in (
            f"http://127.0.0.1:{other.port}/client/v4/x",
            f"http://localhost:{vendor.port}/client/v4/x",
            f"https://127.0.0.1:{vendor.port}/client/v4/x",
            f"//127.0.0.1:{other.port}/x",
            f"http://user:pass@127.0.0.1:{vendor.port}/x",
            f"http://127.0.0.1:{vendor.port}@127.0.0.1:{other.port}/x",
            f"\\\\127.0.0.1:{other.port}/x",
            "http://127.0.0.1:99999/x",
            "javascript:alert(1)",
            "file:///etc/passwd",
            None,
        ):
            vendor.will(slow(location))
            with pytest.raises(BadAnswer, match="Location"):
                await read(patient)
        assert other.connections == 0
    assert len(vendor.requests) == 11
    assert sleep.pauses == []


async def test_an_empty_page_with_a_cursor_is_not_the_end(vendor: Vendor, patient: Cloudflare) -> None:
    """The cursor alone tells the end: null, empty and absent are it, no rows are not."""
    for info, expected in (({"next": "c"}, "c"), ({"next": None}, None), ({"next": ""}, None), ({}, None)):
        vendor.will(answer(envelope([], **info)))
        page: Any = await read(patient)
        assert page.next == expected
