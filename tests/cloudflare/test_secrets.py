from __future__ import annotations

import gc
import logging
import traceback

import pytest

from tests.cloudflare.calls import READS, WRITES, Call, read, write
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import TOKEN, Reply, Vendor, answer, drop, envelope, half, refusal, send
from worker.cloudflare import Cloudflare
from worker.errors import Unauthorized, UsageError, VendorError
from worker.ports import Lane

ECHO = f"Invalid token {TOKEN}"
FAULTS: list[Reply] = [
    drop,
    half,
    send(b"SSH-2.0\r\n\r\n"),
    answer(refusal((1000, ECHO)), 400),
    answer(refusal((1000, ECHO)), 401),
    answer(refusal((1000, ECHO)), 500),
    answer(refusal((1000, ECHO))),
    answer(ECHO.encode()),
]


def everything_about(error: BaseException | None) -> str:
    """What the most talkative error reporter would print, with its causes, attributes and local variables."""
    text = ""
    while error is not None:
        text += f"{error!r}{error}{vars(error)}"
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if frame.f_globals["__name__"].startswith(("worker", "aiohttp")):
                text += "".join(repr(value) for value in frame.f_locals.values())
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize("fault", FAULTS)
async def test_no_token_in_any_error(vendor: Vendor, connect: Connect, call: Call, fault: Reply) -> None:
    """Not in its text, causes, attributes or its traceback's local variables; not even echoed."""
    cloudflare = await connect(timeout=0.3)
    vendor.will(fault)
    with pytest.raises(VendorError) as caught:
        await call(cloudflare)
    assert TOKEN not in everything_about(caught.value)


@pytest.mark.parametrize("call", [*READS.values(), *WRITES.values()])
async def test_no_token_and_no_body_in_any_log(
    vendor: Vendor, cloudflare: Cloudflare, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the libraries log at debug level, it holds neither."""
    caplog.set_level(logging.DEBUG)
    vendor.will(answer(refusal((1000, "body-canary")), 500))
    with pytest.raises(VendorError):
        await call(cloudflare)
    assert TOKEN not in caplog.text
    assert "body-canary" not in caplog.text


async def test_no_token_in_any_repr(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Neither the client nor anything that it is made of shows it."""
    await read(cloudflare)
    own = [thing for thing in gc.get_objects() if str(type(thing).__module__).startswith("worker.cloudflare")]
    assert len(own) > 5
    assert TOKEN not in "".join(repr(thing) for thing in [cloudflare, *own])


async def test_the_token_is_read_for_every_request(vendor: Vendor, connect: Connect) -> None:
    """A rotated token file takes effect with the next request."""
    current = "first-token"
    cloudflare = await connect(token=lambda: current)
    await read(cloudflare)
    current = "second-token\n"
    await read(cloudflare)
    assert [request.headers["authorization"] for request in vendor.requests] == [
        "Bearer first-token",
        "Bearer second-token",
    ]


@pytest.mark.parametrize("token", ["", "\n", "two words", "line\r\nX-Evil: 1", "tökén", "nul\0"])
async def test_a_token_that_cannot_be_one_is_not_sent(vendor: Vendor, connect: Connect, token: str) -> None:
    """It would smuggle headers or leak in an error; the person with the token file must mend it."""
    cloudflare = await connect(token=lambda: token)
    for call in (read, write):
        with pytest.raises(Unauthorized) as caught:
            await call(cloudflare)
        assert "Evil" not in everything_about(caught.value)
    assert vendor.connections == 0


@pytest.mark.parametrize(
    "problem", [OSError("gone"), UsageError("empty"), UnicodeDecodeError("a", b"", 0, 1, "b")]
)
async def test_a_token_that_cannot_be_read_is_unauthorized(
    vendor: Vendor, connect: Connect, problem: Exception
) -> None:
    """The worker stops acting and recovers with the file, whatever is wrong with it."""

    def token() -> str:
        raise problem

    cloudflare = await connect(token=token)
    with pytest.raises(Unauthorized, match="cannot be read"):
        await write(cloudflare)
    assert vendor.connections == 0


async def test_a_token_that_goes_bad_in_flight_changes_nothing(vendor: Vendor, connect: Connect) -> None:
    """What was sent was sent: the write's answer counts, not the state of the file after it."""
    tokens = [TOKEN]
    cloudflare = await connect(token=tokens.pop)
    await write(cloudflare)
    with pytest.raises(IndexError):
        await write(cloudflare)
    assert len(vendor.requests) == 1


async def test_the_body_of_mail_never_keeps_our_token(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """A message that quotes the token does not carry it into the database."""
    vendor.will(answer(envelope({"id": "one", "subject": f"look: {TOKEN}"})))
    message = await cloudflare.investigate.get("one", lane=Lane.POLL)
    assert message.subject == "look: [token]"


async def test_a_short_token_is_kept_out_too(vendor: Vendor, connect: Connect) -> None:
    """Eight characters are no ordinary word yet."""
    cloudflare = await connect(token=lambda: "t0k-8chr")
    vendor.will(answer(envelope({"id": "one", "subject": "look: t0k-8chr"})))
    message = await cloudflare.investigate.get("one", lane=Lane.POLL)
    assert message.subject == "look: [token]"
