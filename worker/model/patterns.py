"""Whom an entry of the tenant's settings covers: an address, a domain, an IP or a regular expression. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

from worker.model.events import Detection, domain_of

MAX_PATTERN = 1024
"""Characters of a pattern (API reference, Block senders)."""

_ADDRESS = re.compile(r"[!-?A-~]{1,64}@[a-z0-9.-]{1,255}")
_DOMAIN = re.compile(
    r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})"
)


class Pattern(NamedTuple):
    """What an entry matches. `type` is the API's: EMAIL, DOMAIN or IP."""

    type: str
    text: str
    is_regex: bool = False

    @property
    def key(self) -> str:
        """What two entries for the same senders have in common; the API compares without case."""
        return f"{self.type} /{self.text}/" if self.is_regex else f"{self.type} {self.text.lower()}"

    @property
    def domain(self) -> str:
        """The domain that it lies in or is; empty where it names none."""
        if self.is_regex or self.type == "IP":
            return ""
        return domain_of(self.text) if self.type == "EMAIL" else self.text


def sender_pattern(text: str, *, regex: bool = False) -> Pattern:
    """What an author or a message names as a sender: an address by its `@`, an IP by its form, else a domain."""
    if regex:
        return Pattern("EMAIL" if "@" in text else "DOMAIN", text, is_regex=True)
    text = _bare(text)
    if "@" in text.lstrip("@"):
        return Pattern("EMAIL", text)
    try:
        return Pattern("IP", str(ip_address(text)))
    except ValueError:
        return domain_pattern(text)


def domain_pattern(text: str, *, regex: bool = False) -> Pattern:
    """A domain, as people write it too: `@evil.example`, `Evil.Example.`."""
    return Pattern("DOMAIN", text if regex else _bare(text).lstrip("@").rstrip("."), regex)


def sender_of(message: Detection) -> str:
    """The address that the message came from: its envelope's, else the one that it shows; empty where it has none."""
    for text in (message.envelope_from, message.sender):
        if text and domain_of(text):
            return _bare(text)
    return ""


def shown_sender(message: Detection) -> str:
    """The address that the message shows as its sender's, in lower case; empty where it shows none."""
    return _bare(message.sender) if message.sender and domain_of(message.sender) else ""


def malformed(pattern: Pattern) -> str:
    """Why the pattern names nobody in particular, or nothing at all; empty where it has a form that can be meant."""
    kind, text, is_regex = pattern
    if not text.strip():
        return "names no sender: it is empty"
    if len(text) > MAX_PATTERN or not text.isprintable() or not text.isascii():
        return f"is longer than {MAX_PATTERN} characters, or holds some that no address has"
    if is_regex:
        return ""
    if kind == "IP":
        return "" if ip_address(text).is_global else f"{text} is no public address"
    if kind == "EMAIL":
        fits = _ADDRESS.fullmatch(text) and _DOMAIN.fullmatch(pattern.domain)
        return "" if fits else f"{text!r} is no address of one sender"
    return "" if _DOMAIN.fullmatch(text) else f"{text!r} is no domain: a name, a dot and a top-level domain"


def within(domain: str, other: str) -> bool:
    """Whether a domain is the other one or lies below it."""
    return domain == other or domain.endswith(f".{other}")


def _bare(text: str) -> str:
    """Lower case, without a display name, brackets and spaces."""
    if "<" in text and text.rstrip().endswith(">"):
        text = text.rpartition("<")[2]
    return text.strip().strip("<>").strip().lower()
