from __future__ import annotations

import asyncio
import time

import pytest

from tests.cloudflare.calls import READS, WRITES, Call
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import (
    TOKEN,
    OpenGate,
    Request,
    Vendor,
    answer,
    drop,
    envelope,
    http,
    refusal,
    reset,
    silence,
)
from worker.cloudflare import Cloudflare
from worker.cloudflare.transport import WRITE_CONNECT_SECONDS
from worker.errors import AnswerLost, Transient, VendorError
from worker.ports import Lane

EVERY = READS | WRITES


async def hang_up_after_answer(_: Request, writer: asyncio.StreamWriter) -> None:
    """Promises keep-alive, answers, and closes the connection under the client."""
    writer.write(http(envelope([])))
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("fault", [drop, reset])
@pytest.mark.parametrize("call", EVERY.values(), ids=EVERY)
async def test_nothing_is_sent_twice_on_a_fresh_connection(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, fault: object
) -> None:
    """A broken answer is an error for the caller, never a second request."""
    vendor.will(fault)  # type: ignore[arg-type]
    with pytest.raises(VendorError):
        await call(cloudflare)
    assert len(vendor.requests) == 1


@pytest.mark.parametrize("fault", [drop, reset])
@pytest.mark.parametrize(
    "call,error", [(READS["list"], Transient), (WRITES["move"], AnswerLost)], ids=["read", "write"]
)
async def test_nothing_is_sent_twice_on_a_kept_alive_connection(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, error: type[VendorError], fault: object
) -> None:
    """By itself aiohttp repeats a GET whose kept-alive connection broke; the client does not let it."""
    vendor.will(answer(envelope([])), fault)  # type: ignore[arg-type]
    await READS["list"](cloudflare)
    with pytest.raises(error):
        await call(cloudflare)
    assert (len(vendor.requests), vendor.connections) == (2, 1)


async def test_a_connection_closed_under_us_is_left_behind(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A kept-alive connection that the vendor closed between two calls costs no call and repeats none."""
    vendor.will(hang_up_after_answer)
    for _ in range(5):
        await READS["list"](cloudflare)
        await asyncio.sleep(0.02)
    assert (len(vendor.requests), vendor.connections) == (5, 5)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", [READS["list"], WRITES["move"]], ids=["read", "write"])
async def test_redirects_are_not_followed(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, status: int
) -> None:
    """Not even to the same host."""
    vendor.will(answer(envelope([]), status, Location="/client/v4/elsewhere"))
    with pytest.raises(VendorError):
        await call(cloudflare)
    assert len(vendor.requests) == 1


async def test_a_redirect_to_another_host_never_gets_the_token(
    vendor: Vendor, cloudflare: Cloudflare
) -> None:
    """The other host is not even connected to."""
    async with Vendor() as other:
        for status in (301, 302, 303, 307, 308):
            vendor.will(answer(b"", status, Location=f"http://localhost:{other.port}/steal"))
            for call in EVERY.values():
                with pytest.raises(VendorError):
                    await call(cloudflare)
        assert (other.connections, other.requests) == (0, [])


@pytest.mark.parametrize("call", READS.values(), ids=READS)
async def test_every_read_is_admitted_first(
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate, call: Call
) -> None:
    """One admission for one request, and one observation after it."""
    vendor.will(answer(refusal(), 500))
    with pytest.raises(Transient):
        await call(cloudflare)
    assert (len(gate.admitted), len(gate.seen), len(vendor.requests)) == (1, 1, 1)


@pytest.mark.parametrize("call", WRITES.values(), ids=WRITES)
async def test_writes_do_not_ask_for_admission(
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate, call: Call
) -> None:
    """Their token was taken when they were claimed; the observation is made all the same."""
    vendor.will(answer(refusal(), 500))
    with pytest.raises(AnswerLost):
        await call(cloudflare)
    assert (gate.admitted, len(gate.seen)) == ([], 1)


async def test_a_read_that_is_not_admitted_is_not_sent(vendor: Vendor, connect: Connect) -> None:
    """The gate stands before the wire."""

    class Shut(OpenGate):
        async def admit(self, lane: Lane) -> None:
            raise asyncio.CancelledError

    cloudflare = await connect(gate=Shut())
    with pytest.raises(asyncio.CancelledError):
        await READS["list"](cloudflare)
    assert vendor.connections == 0


async def test_observations_name_the_template_and_the_budget(
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate
) -> None:
    """Metrics and budget learn the endpoint without ids, the status and the vendor's own count."""
    headers = {"Ratelimit": '"default";r=50;t=30', "Retry_After": "7"}
    vendor.will(answer(refusal(), 429, **headers))
    with pytest.raises(VendorError):
        await READS["get"](cloudflare)
    seen = gate.seen[0]
    assert (seen.endpoint, seen.status) == ("GET investigate/{id}", 429)
    assert (seen.retry_after, seen.remaining, seen.resets_in) == (7.0, 50, 30.0)
    assert 0 < seen.seconds < 1


async def test_requests_carry_what_they_should_and_no_more(vendor: Vendor, connect: Connect) -> None:
    """One bearer token, our own user agent, encodings that are bounded here, and no cookies."""
    cloudflare = await connect(base_url=vendor.base_url.replace("127.0.0.1", "localhost"))
    vendor.will(answer(envelope([]), Set_Cookie="session=1; Path=/"))
    await READS["list"](cloudflare)
    await READS["list"](cloudflare)
    headers = vendor.requests[1].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"].startswith("email-security-worker/")
    assert headers["accept-encoding"] == "gzip, deflate"
    assert "cookie" not in headers


async def test_a_write_does_not_wait_long_for_its_connection(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """One that starts late may start after a pause: it is not sent, which proves that nothing was accepted."""
    vendor.will(silence)
    reads = [asyncio.ensure_future(READS["list"](cloudflare)) for _ in range(16)]
    await asyncio.sleep(0.2)
    assert len(vendor.requests) == 16
    began = time.monotonic()
    with pytest.raises(Transient):
        await WRITES["move"](cloudflare)
    assert time.monotonic() - began == pytest.approx(WRITE_CONNECT_SECONDS, abs=1.5)
    assert {request.method for request in vendor.requests} == {"GET"}
    for task in reads:
        task.cancel()


async def test_connections_are_bounded(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """However many calls are made at once, the vendor sees at most sixteen connections."""
    await asyncio.gather(*[READS["list"](cloudflare) for _ in range(50)])
    assert (len(vendor.requests), vendor.connections) == (50, 16)
