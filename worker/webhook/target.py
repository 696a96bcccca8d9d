"""Where notifications go, and what signs them. Both are secrets: whoever knows the address of a chat can write to it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from yarl import URL

from worker.origin import is_loopback

_EXAMPLE = "use https, or http:// with a loopback address"
_PREFIX = "whsec_"
_SHORTEST_SECRET = 8
"""Shorter texts are no secrets, and may be part of anything."""
_LONG = 20
"""A part of an address that is so long is no word."""


@dataclass(frozen=True, slots=True)
class Target:
    """The operator's choice; shows nothing of itself but the host."""

    url: URL = field(repr=False)
    secret: bytes = field(default=b"", repr=False)
    """Empty: what is sent bears no signature."""

    def __str__(self) -> str:
        return f"{self.url.host}, {'signed' if self.secret else 'not signed'}"

    def hide(self, text: str) -> str:
        """The text without the address and the key, should the other side repeat them."""
        hidden = sorted(_long_enough((*self._whole(), *self._parts())), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, hidden)), "[secret]", text, flags=re.IGNORECASE)

    def secrets(self) -> list[str]:
        """What must not show up anywhere. Of the address's parts, words such as `services` are none."""
        parts = (one for one in self._parts() if len(one) >= _LONG or not (one.isalpha() and one.islower()))
        return sorted(_long_enough((*self._whole(), *parts)))

    def _whole(self) -> list[str]:
        key = self.secret.decode("utf-8", "replace")
        written = [str(self.url), self.url.raw_path_qs, unquote(self.url.raw_path_qs)]
        # As JSON may have it: "\/" for "/".
        return [key, *written, *(one.replace("/", "\\/") for one in written)]

    def _parts(self) -> list[str]:
        plain = [*self.url.parts, *self.url.query.values()]
        return [*re.split(r"[/?&=;]", self.url.raw_path_qs), *plain, *(quote(one, safe="") for one in plain)]

    def headers(self, key: str, at: int, body: bytes) -> dict[str, str]:
        """As the Standard Webhooks specification has them; `key` stays the same where the same is sent again."""
        headers = {"webhook-id": key, "webhook-timestamp": str(at)}
        if self.secret:
            signed = b"%s.%d.%s" % (key.encode(), at, body)
            mac = hmac.new(self.secret, signed, hashlib.sha256).digest()
            headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
        return headers


def _long_enough(texts: Iterable[str]) -> set[str]:
    return {one for one in texts if len(one) >= _SHORTEST_SECRET}


def parse_url(text: str) -> URL:
    """An address that may be written to.

    Raises:
        ValueError: it would go over the network in clear text, or is none; the message holds nothing of it.
    """
    try:
        url = URL(text.strip())
        port = url.port
    except ValueError:
        raise ValueError(f"is not a URL: {_EXAMPLE}") from None
    if not url.raw_host or not port or url.scheme not in {"http", "https"}:
        raise ValueError(f"has no host or no known scheme: {_EXAMPLE}")
    if url.raw_user is not None or url.raw_password is not None or url.raw_fragment:
        raise ValueError(f"must not have a user, a password or a fragment: {_EXAMPLE}")
    if url.scheme == "http" and not is_loopback(url.raw_host):
        raise ValueError(f"would be sent in clear text: {_EXAMPLE}")
    return url


def parse_secret(text: str) -> bytes:
    """The key: the base64 behind `whsec_`, as the specification writes it, or the text itself.

    Raises:
        ValueError: too short to sign with, or no base64.
    """
    text = text.strip()
    if not text.startswith(_PREFIX):
        key = text.encode()
    else:
        try:
            key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"is not base64 behind {_PREFIX}") from None
    if len(key) < 16:  # noqa: PLR2004 - 128 bits
        raise ValueError("is shorter than 16 bytes")
    return key
