"""What a server between us and the vendor could do: encodings, redirects, floods of headers, errors without end."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from tests.cloudflare.calls import READS, WRITES, Call, read, write
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import TOKEN, Reply, Request, Vendor, answer, envelope, http, row, send
from worker.cloudflare import Cloudflare
from worker.errors import AnswerLost, BadAnswer, Refused, VendorError

MIB = 2**20
ROW = row(1)


def flood(first: bytes, again: bytes) -> Reply:
    """Sends one thing again and again, as long as anybody listens."""

    async def reply(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0)

    return reply


def raw_deflate(body: bytes) -> bytes:
    """Deflate without the header that the standard wants and half the servers leave out."""
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(body) + squeeze.flush()


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "gzip, gzip", "gzip, br", "identity, gzip", "compress", "x" * 5000]
)
@pytest.mark.parametrize("call,error", [(read, BadAnswer), (write, AnswerLost)])
async def test_encodings_that_were_not_asked_for_are_not_believed(
    vendor: Vendor, connect: Connect, call: Call, error: type[VendorError], encoding: str
) -> None:
    """Stacked ones neither: whatever they inflate to, it is not read."""
    cloudflare = await connect(timeout=2.0)
    vendor.will(send(http(gzip.compress(gzip.compress(envelope([ROW]))), Content_Encoding=encoding)))
    with pytest.raises(error):
        await call(cloudflare)


@pytest.mark.parametrize("squeeze", [zlib.compress, raw_deflate])
async def test_a_deflate_bomb_is_defused_too(
    vendor: Vendor, connect: Connect, squeeze: Callable[[bytes], bytes]
) -> None:
    """In either form of deflate, and whatever the length that the header promises."""
    vendor.will(answer(squeeze(b" " * (64 * MIB)), Content_Encoding="deflate"))
    cloudflare = await connect(max_bytes=2 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer, match="more than 2097152 bytes"):
            await read(cloudflare)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call,error", [(read, BadAnswer), (write, AnswerLost)])
async def test_a_redirect_is_never_followed(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, error: type[VendorError], status: int
) -> None:
    """Neither to another host nor to this one: nobody else is even connected to, so nobody else gets the token."""
    async with Vendor() as other:
        for place in (f"http://127.0.0.1:{other.port}/steal", f"//127.0.0.1:{other.port}/", "/elsewhere"):
            vendor.will(answer(b"", status, Location=place))
            with pytest.raises(error, match=f"unexpected status {status}"):
                await call(cloudflare)
        assert other.connections == 0
    assert len(vendor.requests) == 3


@pytest.mark.parametrize(
    "reply",
    [
        flood(b"HTTP/1.1 200 OK\r\n", b"X-Flood: " + b"x" * 1000 + b"\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 1000),
        flood(b"HTTP/1.1 200 ", b"OK" * 500),
        flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 1000),
    ],
    ids=[
        "headers",
        "one header",
        "the status line",
        "early hints",
        "chunks of one byte",
        "a chunk's extension",
    ],
)
@pytest.mark.parametrize("call", [read, write])
async def test_a_flood_ends_with_the_deadline_or_its_bound(
    vendor: Vendor, connect: Connect, call: Call, reply: Reply
) -> None:
    """However much comes, little is kept and not for long."""
    cloudflare = await connect(timeout=0.5, max_bytes=MIB)
    vendor.will(reply)
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(VendorError):
            await call(cloudflare)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        vendor.hang_up()
    assert time.monotonic() - began < 10
    assert peak < 16 * MIB


async def test_a_refusal_of_a_million_errors_costs_little(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The vendor's own words are read from a short answer only."""
    vendor.will(answer(b'{"success":false,"errors":[' + b"{}," * 1_000_000 + b"{}]}", 400))
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            await write(cloudflare)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.codes == ()
    assert peak < 16 * MIB


CONTROLS = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0))]


@pytest.mark.parametrize("ascii_", [True, False], ids=["escaped", "raw"])
@pytest.mark.parametrize(
    "control", [c for c in CONTROLS if c >= "\x7f"] + ["\x00", "\x1b", "\t", "\n"], ids=ascii
)
async def test_a_control_character_is_made_safe_once_at_ingest(
    vendor: Vendor, cloudflare: Cloudflare, control: str, ascii_: bool
) -> None:
    """What is a space becomes one, all others U+FFFD; the row is good, and so is the one beside it."""
    listed = [row(1, subject=f"pay{control}pal", to=[f"a{control}b"]), row(2)]
    page_ = {"success": True, "result": listed}
    vendor.will(answer(json.dumps(page_, ensure_ascii=ascii_).encode()))
    page = await READS["list"](cloudflare)
    safe = " " if control.isspace() else "\ufffd"
    one, two = page.rows  # type: ignore[attr-defined]
    assert (one.subject, one.to) == (f"pay{safe}pal", (f"a{safe}b",))
    assert two.subject == "Invoice"


@pytest.mark.parametrize("control", ["\x00", "\n", " \t", "\x1b", "\x85", "\ud800"], ids=ascii)
async def test_an_id_that_is_not_what_it_was_is_never_used(
    vendor: Vendor, cloudflare: Cloudflare, control: str
) -> None:
    """An id made safe would name another message: the row is set aside; such a cursor is no cursor."""
    vendor.will(
        answer(envelope([row(1, id=f"a{control}b"), row(2)])), answer(envelope([], next=f"a{control}b"))
    )
    page = await READS["list"](cloudflare)
    assert [len(page.rows), len(page.bad)] == [1, 1]  # type: ignore[attr-defined]
    with pytest.raises(BadAnswer, match="cursor"):
        await READS["list"](cloudflare)


async def test_prose_keeps_its_lines(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A report's content is written for people: its line breaks stay, its escape codes do not."""
    vendor.will(answer(envelope([{"id": 1, "content": "one\r\n\ttwo\x1b[2J\x00", "title": "a\nb"}])))
    page = await READS["reports"](cloudflare)
    (report,) = page.rows  # type: ignore[attr-defined]
    assert (report.content, report.title) == ("one\r\n\ttwo\ufffd[2J\ufffd", "a b")


@pytest.mark.parametrize("name", [*READS, *WRITES])
async def test_no_operation_tells_the_token_to_a_hostile_answer(
    vendor: Vendor, cloudflare: Cloudflare, name: str
) -> None:
    """One header carries it, to one host; no query, body or other header does."""
    vendor.will(answer(b"", 302, Location="http://127.0.0.1:1/"))
    with pytest.raises(VendorError):
        await (READS | WRITES)[name](cloudflare)
    (request,) = vendor.requests
    assert request.headers.pop("authorization") == f"Bearer {TOKEN}"
    assert TOKEN not in f"{request.target} {request.headers} {request.body!r}"
