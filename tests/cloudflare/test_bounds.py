from __future__ import annotations

import gzip
import json
import time
import tracemalloc
import zlib

import pytest

from tests.cloudflare.calls import READS, WRITES, Call, read, write
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import Vendor, answer, drip, envelope, http, row, send
from worker.cloudflare import Cloudflare
from worker.errors import AnswerLost, BadAnswer, Transient

MIB = 2**20


def bomb(size: int) -> bytes:
    """A gzip body that inflates a thousandfold."""
    return gzip.compress(b'{"success":true,"result":[],"x":"' + b"a" * size + b'"}')


@pytest.mark.parametrize("encoding,squeeze", [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_compressed_answers_are_read(
    vendor: Vendor, cloudflare: Cloudflare, encoding: str, squeeze: object
) -> None:
    """The encodings that are asked for are inflated."""
    vendor.will(answer(squeeze(envelope([row()])), Content_Encoding=encoding))  # type: ignore[operator]
    page = await READS["list"](cloudflare)
    assert len(page.rows) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("call,error", [(read, BadAnswer), (write, AnswerLost)])
async def test_a_bomb_is_defused_while_it_inflates(
    vendor: Vendor, connect: Connect, call: Call, error: type[Exception]
) -> None:
    """What counts is the size after inflating, and memory never holds much more than the bound."""
    vendor.will(answer(bomb(50 * MIB), Content_Encoding="gzip"))
    cloudflare = await connect(max_bytes=2 * MIB)
    tracemalloc.start()
    try:
        with pytest.raises(error, match="more than 2097152 bytes"):
            await call(cloudflare)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


async def test_a_plain_flood_is_cut_off(vendor: Vendor, connect: Connect) -> None:
    """A body without end is left as soon as it is too long."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
    vendor.will(send(head + b" " * (3 * MIB)))
    cloudflare = await connect(max_bytes=MIB)
    with pytest.raises(BadAnswer, match="too large"):
        await read(cloudflare)


async def test_a_body_of_exactly_the_bound_is_read(vendor: Vendor, connect: Connect) -> None:
    """The bound itself is allowed."""
    vendor.will(answer(envelope([]).ljust(5000)))
    cloudflare = await connect(max_bytes=5000)
    await read(cloudflare)


@pytest.mark.parametrize("call,error", [(read, Transient), (write, AnswerLost)])
async def test_the_deadline_is_for_the_whole_answer(
    vendor: Vendor, connect: Connect, call: Call, error: type[Exception]
) -> None:
    """A drip that never pauses for long ends with the total deadline, and not much later."""
    vendor.will(drip)
    cloudflare = await connect(timeout=0.3)
    began = time.monotonic()
    with pytest.raises(error, match="time-out"):
        await call(cloudflare)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("inner", ['{"a":', "["])
@pytest.mark.parametrize("call,error", [(read, BadAnswer), (write, AnswerLost)])
async def test_deep_json_does_not_reach_the_stack(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, error: type[Exception], inner: str
) -> None:
    """100,000 levels are an answer that cannot be believed, in a field that is read or in one that is not."""
    for template in ('{"success":true,"result":%s}', '{"success":true,"result":[],"extra":%s}'):
        vendor.will(answer((template % (inner * 100_000)).encode()))
        with pytest.raises(error):
            await call(cloudflare)


@pytest.mark.parametrize("item", ["1", "{}", '{"id":"a"}'])
@pytest.mark.parametrize("call,error", [(read, BadAnswer), (write, AnswerLost)])
async def test_a_million_items_are_too_many(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, error: type[Exception], item: str
) -> None:
    """Rows are bounded by number too, whatever they weigh."""
    body = '{"success":true,"result":[' + ",".join([item] * 1_000_000) + "]}"
    vendor.will(answer(body.encode()))
    with pytest.raises(error, match="more than"):
        await call(cloudflare)


@pytest.mark.parametrize("call", [read, READS["reports"]])
async def test_small_rows_cannot_fill_the_memory(vendor: Vendor, cloudflare: Cloudflare, call: Call) -> None:
    """A row of eleven bytes would cost thirty times that: what is too much is refused before it is parsed."""
    body = b'{"success":true,"result":[' + b",".join([b'{"id":"a"}'] * 300_000) + b"]}"
    vendor.will(answer(body))
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer):
            await call(cloudflare)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(body)


async def test_empty_arrays_cannot_fill_the_memory(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Nor can what no row holds."""
    vendor.will(answer(b'{"success":true,"result":[],"x":[' + b"[]," * 300_000 + b"1]}"))
    with pytest.raises(AnswerLost, match="arrays"):
        await write(cloudflare)


async def test_a_log_without_end_is_left(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A log that goes on page after page is no log; half of it would prove the wrong thing."""
    vendor.will(answer(envelope([{"operation": "MOVE"}] * 1000)))
    with pytest.raises(BadAnswer, match="more than 20 pages"):
        await READS["action_log"](cloudflare)
    assert len(vendor.requests) == 20


async def test_a_cursor_without_end_is_refused(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A cursor is stored and sent again, so it is bounded; and it is text."""
    for cursor in ("c" * 10_000, 7, ["c"]):
        vendor.will(answer(envelope([], next=cursor)))
        with pytest.raises(BadAnswer, match="cursor"):
            await read(cloudflare)


async def test_wrong_gzip_is_no_answer(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A body that does not inflate is lost."""
    vendor.will(send(http(b"not gzip", Content_Encoding="gzip")))
    with pytest.raises(AnswerLost):
        await WRITES["move"](cloudflare)


async def test_huge_numbers_cost_nothing(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A number of a million digits is a bad row, not a busy processor."""
    good = json.dumps(row(1))
    body = f'{{"success":true,"result":[{good},{{"id":"a","subject":{"9" * 1_000_000}}}]}}'
    vendor.will(answer(body.encode()))
    began = time.monotonic()
    page = await READS["list"](cloudflare)
    assert time.monotonic() - began < 2
    assert (len(page.rows), len(page.bad)) == (1, 1)  # type: ignore[attr-defined]
