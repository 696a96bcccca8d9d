from __future__ import annotations

import pytest

from tests.cloudflare.vendor import ACCOUNT, TOKEN, OpenGate
from worker.cloudflare import Cloudflare, check_base_url


@pytest.mark.parametrize(
    "text,expected",
    [
        ("https://api.cloudflare.com/client/v4", "https://api.cloudflare.com/client/v4"),
        (" https://api.cloudflare.com/client/v4/ \n", "https://api.cloudflare.com/client/v4"),
        ("https://gateway.example:8443", "https://gateway.example:8443"),
        ("http://127.0.0.1:8788/client/v4", "http://127.0.0.1:8788/client/v4"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:8788", "http://localhost:8788"),
        ("http://[::1]:8788", "http://[::1]:8788"),
    ],
)
def test_https_anywhere_and_http_to_ourselves(text: str, expected: str) -> None:
    """The token travels encrypted, or not at all."""
    assert str(check_base_url(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.cloudflare.com",
        "/client/v4",
        "http://api.cloudflare.com/client/v4",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.1",
        "http://0.0.0.0:80",
        "http://2130706433",
        "https://",
        "https://user:hunter2@api.cloudflare.com",
        "https://api.cloudflare.com@evil.example",
        "https://api.cloudflare.com/client/v4?key=hunter2",
        "https://api.cloudflare.com/#hunter2",
        "https://api.cloudflare.com:99999",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ],
)
def test_everything_else_is_refused_with_a_remedy(text: str) -> None:
    """One line, with an example of what is right and nothing of what may be a password."""
    with pytest.raises(ValueError, match=r"use https://api\.cloudflare\.com/client/v4") as caught:
        check_base_url(text)
    assert "hunter2" not in str(caught.value)


async def test_building_a_client_does_nothing() -> None:
    """No loop, no connection, no token is touched before `open`; a closed client says so."""

    def no_token() -> str:
        raise AssertionError

    client = Cloudflare(
        base_url="https://api.cloudflare.com/client/v4", account_id=ACCOUNT, token=no_token, gate=OpenGate()
    )
    with pytest.raises(RuntimeError, match="not open"):
        await client.investigate.move(["one"], "Inbox")
    await client.close()
    assert "closed" in repr(client)
    assert TOKEN not in repr(client)
