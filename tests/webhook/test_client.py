from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.receiver import Receiver
from worker.errors import AnswerLost, RateLimited, Refused, Transient, VendorError
from worker.webhook.client import Webhook
from worker.webhook.target import Target, parse_secret, parse_url

SECRET = b"0123456789abcdef0123456789abcdef"
BODY = b'{"text":"hello"}'
DOCUMENT = Path(__file__).parents[2] / "docs" / "notifications.md"


@pytest.fixture
async def webhook(receiver: Receiver) -> AsyncIterator[Webhook]:
    """The worker's end."""
    webhook = Webhook(Target(parse_url(receiver.url), SECRET), time.time, timeout=2.0)
    yield webhook
    await webhook.close()


def documented() -> Any:
    """The function that the documentation gives to those who receive."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    return names["verify"]


async def test_what_is_sent_verifies_as_documented(webhook: Webhook, receiver: Receiver) -> None:
    """Its id is the key; another secret, body, id or time does not verify."""
    assert await webhook.post("n_1", BODY) == 200
    (headers,), verify = receiver.headers, documented()
    assert receiver.bodies == [BODY]
    assert headers["content-type"] == "application/json"
    assert verify(SECRET, headers, BODY) == "n_1"
    late = headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) - 400)}
    for secret, told, body in (
        (b"other", headers, BODY),
        (SECRET, headers, BODY + b" "),
        (SECRET, headers | {"webhook-id": "n_2"}, BODY),
        (SECRET, late, BODY),
    ):
        with pytest.raises(ValueError, match=r"signed|old"):
            verify(secret, told, body)


async def test_a_repeat_bears_the_same_id(webhook: Webhook, receiver: Receiver) -> None:
    """So that a receiver can drop it."""
    receiver.answers.append(web.Response(status=503))
    with pytest.raises(AnswerLost):
        await webhook.post("n_1", BODY)
    await webhook.post("n_1", BODY)
    assert [one["webhook-id"] for one in receiver.headers] == ["n_1", "n_1"]


@pytest.mark.parametrize(
    "status, error",
    [(400, Refused), (401, Refused), (404, Refused), (410, Refused), (408, AnswerLost), (500, AnswerLost)],
)
async def test_what_an_answer_means(
    webhook: Webhook, receiver: Receiver, status: int, error: type[VendorError]
) -> None:
    """A clear refusal is one, with its words; whatever may have told somebody is lost."""
    receiver.answers.append(web.Response(status=status, text="channel_\x1b[31mnot found"))
    with pytest.raises(error, match=rf"{status} channel_\\x1b\[31mnot found"):
        await webhook.post("n_1", BODY)


async def test_a_429_names_its_pause(webhook: Webhook, receiver: Receiver) -> None:
    """Slack takes about one a second."""
    receiver.answers.append(web.Response(status=429, headers={"Retry-After": "7"}))
    with pytest.raises(RateLimited) as caught:
        await webhook.post("n_1", BODY)
    assert caught.value.retry_after == 7


async def test_a_redirect_is_not_followed(webhook: Webhook, receiver: Receiver) -> None:
    """What is signed for one address is for nobody else."""
    receiver.answers.append(web.Response(status=307, headers={"Location": "/hook/elsewhere"}))
    with pytest.raises(Refused, match=r"307.*, a redirect"):
        await webhook.post("n_1", BODY)
    assert len(receiver.bodies) == 1


async def test_nobody_there_means_that_nobody_was_told() -> None:
    """It may be sent again."""
    webhook = Webhook(Target(parse_url("http://127.0.0.1:9/x")), time.time)
    with pytest.raises(Transient, match="no connection"):
        await webhook.post("n_1", BODY)
    await webhook.close()


async def test_an_answer_that_does_not_come_is_lost(receiver: Receiver) -> None:
    """Within seconds: nothing waits for a hanging webhook."""

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    receiver.answers.append(hang)
    webhook = Webhook(Target(parse_url(receiver.url)), time.time, timeout=0.2)
    with pytest.raises(AnswerLost, match="time-out"):
        await webhook.post("n_1", BODY)
    await webhook.close()
    assert "webhook-signature" not in receiver.headers[0]


async def test_no_error_tells_the_address_or_the_key(webhook: Webhook, receiver: Receiver) -> None:
    """Errors go to the log and the ledger; the other side may repeat what it got."""
    receiver.answers.append(web.Response(status=400, text=f"{receiver.url} {SECRET.decode()}"))
    with pytest.raises(Refused) as caught:
        await webhook.post("n_1", BODY)
    for text in (str(caught.value), repr(webhook), str(caught.value.__context__)):
        assert "T0SECRET0PATH" not in text
        assert SECRET.decode() not in text


@pytest.mark.parametrize(
    "told",
    [
        "invalid token: T0SECRET0PATH",
        "no route /HOOK/t0secret0path",
        '{"message": "The route hook\\/T0SECRET0PATH could not be found."}',
        "a%2Bb%2Fsigned%3D and a+b/signed=",
        "x" * 2000 + " http://127.0.0.1/hook/T0SECRET0PATH?sig=a%2Bb%2Fsigned%3D",
    ],
)
def test_no_part_of_the_address_is_told(told: str) -> None:
    """However the other side writes it: alone, decoded, in other letters, as JSON escapes it."""
    target = Target(parse_url("https://hooks.example/services/T0SECRET0PATH?sig=a%2Bb%2Fsigned%3D"), SECRET)
    hidden = target.hide(told).lower()
    assert "secret0" not in hidden
    assert "signed" not in hidden
    assert "services" not in target.secrets()
    assert {"T0SECRET0PATH", "a+b/signed="} <= set(target.secrets())


async def test_an_answer_that_is_cut_off_tells_no_half_of_it(webhook: Webhook, receiver: Receiver) -> None:
    """Half a secret could not be told from anything else."""
    receiver.answers.append(web.Response(status=400, text=" " * 1990 + f"{receiver.url} " * 3))
    with pytest.raises(Refused) as caught:
        await webhook.post("n_1", BODY)
    assert "T0SEC" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/x",
        "ftp://hooks.example/x",
        "https://user:password@hooks.example/x",
        "https://hooks.example/x#part",
        "hooks.example/x",
        "https://",
        "https://hooks.example:99999/x",
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: str) -> None:
    """In words that do not hold it."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - each has words of its own
        parse_url(url)
    assert "password" not in str(caught.value).replace("a password", "")


@pytest.mark.parametrize(
    "url", ["https://hooks.example/x?y=z", "http://127.0.0.1:8080/x", "http://localhost/x"]
)
def test_a_safe_address_is_taken(url: str) -> None:
    """https, or this machine."""
    assert str(parse_url(f" {url} ")) == url


def test_a_secret_is_text_or_base64() -> None:
    """As the specification writes it, or as one likes; not too short, and not mistyped."""
    assert parse_secret("0123456789abcdef") == b"0123456789abcdef"
    assert parse_secret("whsec_MDEyMzQ1Njc4OWFiY2RlZg==") == b"0123456789abcdef"
    for bad in ("short", "whsec_!!!", "whsec_MDEy"):
        with pytest.raises(ValueError, match=r"shorter|base64"):
            parse_secret(bad)
