"""What the vendor asks of an entry beyond the types of its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

Entry = Mapping[str, Any]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_DOMAIN = re.compile(r"[\w-]+(\.[\w-]+)+")
_MAPPED = IPv6Network("::ffff:0:0/96")
_REFUSED = tuple(
    ip_network(block)
    for block in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/32",
        "255.255.255.255/32", "fc00::/7", "::1/128", "fe80::/10", "::/128",
    )
)  # fmt: skip
"""Private, loopback, link-local, unspecified and broadcast addresses."""


def check_nothing(_before: Entry | None, _after: Entry) -> None:
    """The types of the fields say it all."""


def check_pattern(before: Entry | None, after: Entry) -> None:
    """A pattern that is no regular expression has to be one of its type. Raises ValueError.

    An entry that was not in order before may keep its pattern, as old ones of type UNKNOWN do.
    """
    seen = ("pattern", "pattern_type", "is_regex")
    if before is not None and all(before[name] == after[name] for name in seen):
        return
    kind, pattern = after["pattern_type"], after["pattern"]
    if kind == "UNKNOWN":
        raise ValueError("pattern_type UNKNOWN cannot be used to create or update")
    if after["is_regex"]:
        return
    if kind == "EMAIL" and not _EMAIL.fullmatch(pattern):
        raise ValueError("pattern is not an email address")
    if kind == "DOMAIN" and not _DOMAIN.fullmatch(pattern):
        raise ValueError("pattern is not a domain name")
    if kind == "IP":
        _check_address(pattern)


def check_not_synced(before: Entry | None, _after: Entry) -> None:
    """Entries that came from a directory cannot be updated. Raises ValueError."""
    if before is not None and str(before["provenance"]).startswith("SNOOPY-"):
        raise ValueError("a directory-synced entry cannot be updated")


def _check_address(text: str) -> None:
    try:
        network = _unmapped(ip_network(text, strict=False))
    except ValueError as error:
        raise ValueError("pattern is not an IP address or CIDR block") from error
    if any(network.version == block.version and network.overlaps(block) for block in _REFUSED):
        raise ValueError("pattern covers private, loopback, link-local, unspecified or broadcast addresses")


def _unmapped(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
