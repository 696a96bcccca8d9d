"""The one host that may see the token: the base URL's origin, and nothing beside it."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urljoin

from yarl import URL

_EXAMPLE = "use https://api.cloudflare.com/client/v4, or http:// with a loopback address for a simulator"
_PRINTABLE = re.compile(r"[!-~]{1,8192}")


def check_base_url(text: str) -> URL:
    """The base URL without a trailing slash: https to any host, http to a loopback address only.

    Raises:
        ValueError: anything else; the message holds the remedy and never what may be a password.
    """
    try:
        url = URL(text.strip())
        port = url.port
    except ValueError:
        raise ValueError(f"the base URL is not a URL: {_EXAMPLE}") from None
    if not url.raw_host or not port:
        raise ValueError(f"the base URL has no host or no known scheme: {_EXAMPLE}")
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        raise ValueError(f"the base URL must be scheme, host and path alone: {_EXAMPLE}")
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.raw_host)):
        raise ValueError(f"the base URL would send the token in clear text: {_EXAMPLE}")
    return URL(str(url).rstrip("/"), encoded=True)


def is_loopback(host: str) -> bool:
    """Whether the host is this machine: `localhost`, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def resolve(location: str, asked: URL, base: URL) -> URL | None:
    """Where a `Location` header points, or None where that is not the origin of `base`."""
    if not _PRINTABLE.fullmatch(location) or "\\" in location:
        return None
    try:
        url = URL(urljoin(str(asked), location), encoded=True).with_fragment(None)
        same = (url.scheme, url.raw_host, url.port) == (base.scheme, base.raw_host, base.port)
    except ValueError:
        return None
    return url if same and url.raw_user is None and url.raw_password is None else None
