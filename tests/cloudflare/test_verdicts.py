from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from tests.cloudflare.calls import READS, WRITES, Call, read, write
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import (
    OpenGate,
    Reply,
    Vendor,
    answer,
    drip,
    drop,
    envelope,
    half,
    refusal,
    reset,
    send,
    silence,
)
from worker.cloudflare import Cloudflare
from worker.errors import AnswerLost, BadAnswer, RateLimited, Refused, Transient, Unauthorized, VendorError

OK = envelope([])
HTML = b"<html><body>Bad gateway</body></html>"
TABLE: list[tuple[str, Reply, type[VendorError], type[VendorError]]] = [
    ("drop before headers", drop, Transient, AnswerLost),
    ("reset", reset, Transient, AnswerLost),
    ("drop in mid-body", half, Transient, AnswerLost),
    ("silence", silence, Transient, AnswerLost),
    ("slow drip", drip, Transient, AnswerLost),
    ("not HTTP", send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), BadAnswer, AnswerLost),
    ("500", answer(HTML, 500), Transient, AnswerLost),
    ("503 with an envelope", answer(refusal((1000, "later")), 503), Transient, AnswerLost),
    ("520", answer(b"", 520), Transient, AnswerLost),
    ("408", answer(OK, 408), Transient, AnswerLost),
    ("425", answer(OK, 425), Transient, AnswerLost),
    ("499", answer(OK, 499), Transient, AnswerLost),
    ("429", answer(OK, 429), RateLimited, RateLimited),
    ("429 cut off", send(b"HTTP/1.1 429 No\r\nContent-Length: 9\r\n\r\n{"), RateLimited, RateLimited),
    ("401", answer(refusal((10000, "Authentication error")), 401), Unauthorized, Unauthorized),
    ("403", answer(HTML, 403), Unauthorized, Unauthorized),
    ("400", answer(refusal((7003, "no route")), 400), Refused, Refused),
    ("404", answer(refusal((1002, "not found")), 404), Refused, Refused),
    ("409", answer(refusal(), 409), Refused, Refused),
    ("404 of a proxy", answer(HTML, 404), BadAnswer, AnswerLost),
    ("409 without a word", answer(b"", 409), BadAnswer, AnswerLost),
    ("413 of a proxy", answer(HTML, 413), BadAnswer, AnswerLost),
    ("400 cut off", send(b"HTTP/1.1 400 No\r\nContent-Length: 99\r\n\r\n{"), BadAnswer, AnswerLost),
    ("418 with success", answer(OK, 418), BadAnswer, AnswerLost),
    ("301", answer(OK, 301, Location="/elsewhere"), BadAnswer, AnswerLost),
    ("304", send(b"HTTP/1.1 304 No\r\n\r\n"), BadAnswer, AnswerLost),
    ("204", send(b"HTTP/1.1 204 No\r\n\r\n"), BadAnswer, AnswerLost),
    ("202 without Location", answer(envelope([]), 202), BadAnswer, AnswerLost),
    ("203", answer(OK, 203), BadAnswer, AnswerLost),
    ("html 200", answer(HTML), BadAnswer, AnswerLost),
    ("empty 200", answer(b""), BadAnswer, AnswerLost),
    ("success false", answer(refusal((1001, "no"))), BadAnswer, AnswerLost),
    ("success false with rows", answer(envelope([{"id": "a"}], success=False)), BadAnswer, AnswerLost),
    ("success as text", answer(b'{"success":"true","result":[]}'), BadAnswer, AnswerLost),
    ("success missing", answer(b'{"result":[]}'), BadAnswer, AnswerLost),
    ("success twice", answer(b'{"success":false,"success":true,"result":[]}'), BadAnswer, AnswerLost),
    ("result missing", answer(b'{"success":true}'), BadAnswer, AnswerLost),
    ("result null", answer(envelope(None)), BadAnswer, AnswerLost),
    ("result an object", answer(envelope({})), BadAnswer, AnswerLost),
    ("not an envelope", answer(b"[]"), BadAnswer, AnswerLost),
    ("NaN in the envelope", answer(b'{"success":true,"result":NaN}'), BadAnswer, AnswerLost),
]
ENDLESS = {"silence", "slow drip", "429 cut off"}
CASES = [
    pytest.param(reply, call, error, 1.0 if name in ENDLESS else 5.0, id=f"{name}, {way}")
    for name, reply, for_read, for_write in TABLE
    for way, call, error in (("read", read, for_read), ("write", write, for_write))
]


@pytest.mark.parametrize("reply,call,error,seconds", CASES)
async def test_each_fault_is_one_error_by_what_the_caller_does_next(
    vendor: Vendor,
    gate: OpenGate,
    connect: Connect,
    reply: Reply,
    call: Call,
    error: type[VendorError],
    seconds: float,
) -> None:
    """A fault means one thing for a read and one for a write; it is sent once and observed once."""
    cloudflare = await connect(timeout=seconds)
    vendor.will(reply)
    with pytest.raises(VendorError) as caught:
        await call(cloudflare)
    assert type(caught.value) is error
    assert len(vendor.requests) == len(gate.seen) == 1


@pytest.mark.parametrize("call", [read, write])
async def test_a_refused_connection_accepted_nothing(connect: Connect, gate: OpenGate, call: Call) -> None:
    """Where nobody listens nothing can have happened: try again later, writes too."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        cloudflare = await connect(base_url=f"http://127.0.0.1:{closed.getsockname()[1]}/client/v4")
        with pytest.raises(Transient, match="no connection"):
            await call(cloudflare)
    assert [seen.status for seen in gate.seen] == [None]


@pytest.mark.parametrize("call", [read, write])
async def test_a_failed_tls_handshake_accepted_nothing(vendor: Vendor, connect: Connect, call: Call) -> None:
    """A server that does not speak TLS never saw the request, nor the token."""
    vendor.will(drop)
    cloudflare = await connect(base_url=f"https://127.0.0.1:{vendor.port}", timeout=1.0)
    hang_up = asyncio.get_running_loop().call_later(0.1, vendor.hang_up)
    with pytest.raises(Transient, match="no connection"):
        await call(cloudflare)
    hang_up.cancel()
    assert vendor.requests == []


@pytest.mark.parametrize("call", [read, write])
async def test_a_handshake_that_never_ends_accepted_nothing(
    vendor: Vendor, connect: Connect, call: Call
) -> None:
    """The deadline may end before a connection stands: nothing was sent, so a write may be sent again."""
    cloudflare = await connect(base_url=f"https://127.0.0.1:{vendor.port}", timeout=0.2)
    with pytest.raises(Transient, match="time-out"):
        await call(cloudflare)


async def test_an_unknown_host_accepted_nothing(connect: Connect) -> None:
    """A name that does not resolve is no reason to read anything back."""
    cloudflare = await connect(base_url="https://nowhere.invalid/client/v4")
    with pytest.raises(Transient, match="no connection"):
        await write(cloudflare)


@pytest.mark.parametrize("call", [READS["get"], READS["action_log"], WRITES["release"], WRITES["reclassify"]])
async def test_every_operation_shares_the_table(vendor: Vendor, cloudflare: Cloudflare, call: Call) -> None:
    """No operation has errors of its own."""
    vendor.will(answer(refusal((7003, "no route")), 404))
    with pytest.raises(Refused) as caught:
        await call(cloudflare)
    assert (caught.value.status, caught.value.codes) == (404, (7003,))


@pytest.mark.parametrize("call", [WRITES["move"], WRITES["release"]])
async def test_accepted_is_not_done(vendor: Vendor, cloudflare: Cloudflare, call: Call) -> None:
    """202 on a write that answers at once says nothing of its effect."""
    vendor.will(answer(envelope([]), 202))
    with pytest.raises(AnswerLost):
        await call(cloudflare)


@pytest.mark.parametrize("reply", [answer(b"", 202), answer(b'{"success":true,"result":[1]}', 202)])
async def test_reclassify_wants_its_receipt(vendor: Vendor, cloudflare: Cloudflare, reply: Reply) -> None:
    """A 202 without the envelope that the contract promises proves nothing."""
    vendor.will(reply)
    with pytest.raises(AnswerLost):
        await WRITES["reclassify"](cloudflare)


@pytest.mark.parametrize("result", [{}, None])
async def test_a_202_is_the_receipt_of_a_reclassify(
    vendor: Vendor, cloudflare: Cloudflare, result: Any
) -> None:
    """It holds no more than that."""
    vendor.will(answer(envelope(result), 202, CF_Ray="8f1-AMS"))
    receipt = await cloudflare.investigate.reclassify("one", "SPAM")
    assert (receipt.status, receipt.ray) == (202, "8f1-AMS")


@pytest.mark.parametrize("status", [200, 201, 204, 206])
async def test_another_success_is_no_receipt(vendor: Vendor, cloudflare: Cloudflare, status: int) -> None:
    """Something in between may have answered: whether the vendor was asked is read back."""
    vendor.will(answer(envelope({}), status))
    with pytest.raises(AnswerLost):
        await cloudflare.investigate.reclassify("one", "SPAM")


async def test_errors_beside_a_success_are_no_receipt(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """An answer that contradicts itself is not believed."""
    vendor.will(answer(envelope({}, errors=[{"code": 10001, "message": "not submitted"}]), 202))
    with pytest.raises(AnswerLost, match="10001 not submitted"):
        await cloudflare.investigate.reclassify("one", "SPAM")


async def test_cancellation_passes_through(vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate) -> None:
    """A cancelled call is cancelled, not translated; the gate still learns of the request."""
    vendor.will(silence)
    call = asyncio.ensure_future(write(cloudflare))
    await vendor.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert [(seen.endpoint, seen.status) for seen in gate.seen] == [("POST investigate/move", None)]


async def test_the_apis_own_words_are_escaped_and_short(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Messages of the API come from outside: one ASCII line, 200 characters each, five at most."""
    hostile = "\x1b[2J\n\u202e\u2028" + "x" * 1000
    vendor.will(answer(refusal(*[(1000 + n, hostile) for n in range(50)]), 400, CF_Ray="8f1-AMS"))
    with pytest.raises(Refused) as caught:
        await write(cloudflare)
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1200
    assert (caught.value.ray, len(caught.value.codes)) == ("8f1-AMS", 5)


async def test_no_word_of_a_body_is_in_an_error(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """What is not the API's own error list never reaches a log."""
    for status in (200, 400, 500):
        vendor.will(answer(b'{"success":true,"result":"secret mail"}', status))
        with pytest.raises(VendorError) as caught:
            await read(cloudflare)
        assert "secret" not in repr(caught.value)


async def test_success_false_with_200_keeps_the_apis_words(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The vendor's reason is worth reading even where its status is wrong."""
    vendor.will(answer(refusal((1234, "integration is off"))))
    with pytest.raises(AnswerLost, match="1234 integration is off"):
        await write(cloudflare)
