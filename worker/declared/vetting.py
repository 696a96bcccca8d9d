"""What no file may declare: an entry that covers the account's own domains, a public mail provider or everybody.

One such entry blocks, or lets past the filter, mail of people whom nobody meant. What the tenant has already stays; it
can be narrowed, or deleted, but neither made anew nor widened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Any

from worker.declared.sections import Section
from worker.model.patterns import Pattern, malformed, within
from worker.playbooks.matching import PatternError, matches
from worker.playbooks.vetting import covers, is_public_suffix

VETTED = frozenset({"allow_policies", "block_senders"})
"""Sections whose entries must not cover the account's own domains: these have to be known."""
SITES = (
    "https://www.paypal.com/signin", "http://example.org/", "https://xn--bcher-kva.example.de/a/b?c=d", "https://zoho.com",
    "https://login.microsoftonline.com/common", "http://198.51.100.7/index.html", "https://yahoo.co.jp/", "http://bit.ly/7q",
)  # fmt: skip
"""Links of which no two have anything in common that a pattern may name."""
TEXTS = ("Guten Tag", "\u4f60\u597d", "Re: invoice", "Lunch on Friday?", "Your parcel 4711 has been sent")
"""Texts of which no three have anything in common that a pattern may name."""
PREFIX = "refused: "
AS_IPV6 = (ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"))
"""IPv6 addresses that stand for IPv4 ones: their last 32 bits."""
WIDEST = {4: 16, 6: 32}
"""The widest network, by its version: 65,536 addresses; one provider's customers."""


class Guard:
    """Knows the account's own domains."""

    def __init__(self, protected: Collection[str] = ()) -> None:
        self._own = frozenset(one.lower().rstrip(".") for one in protected) - {""}

    def refusal(self, section: Section, values: Mapping[str, Any]) -> str:
        """Why such an entry must not be; empty where it may."""
        check = _CHECKS.get(section.name)
        why = check(values, self._own) if check else ""
        return f"{PREFIX}{why}" if why else ""


def narrows(name: str, after: Any) -> bool:
    """Whether the change of a field lets nothing more happen than before."""
    return after is (name == "verify_sender")


def _allowed(values: Mapping[str, Any], own: frozenset[str]) -> str:
    lets_senders = values.get("is_trusted_sender") or values.get("is_acceptable_sender")
    if not lets_senders and not values.get("is_exempt_recipient"):
        return "allows nothing: set is_acceptable_sender, is_trusted_sender or is_exempt_recipient"
    one_of_ours = _one_of(own, values)
    if one_of_ours and (values.get("verify_sender") or not lets_senders):
        return ""
    if one_of_ours:
        return f"anybody can write {values['pattern']} as the sender; set verify_sender: true"
    return _covers(values, own)


def _blocked(values: Mapping[str, Any], own: frozenset[str]) -> str:
    return _covers(values, own)


def _trusted(values: Mapping[str, Any], _: frozenset[str]) -> str:
    return _covers({**values, "pattern_type": "DOMAIN"}, frozenset())


def _protected(values: Mapping[str, Any], _: frozenset[str]) -> str:
    name = values["name"]
    if len(name.strip()) < 2 or "@" in name:  # noqa: PLR2004 - one letter is no name
        return f"{name!r} is no name of a person; write the address as email"
    address = {"pattern": values["email"], "pattern_type": "EMAIL", "is_regex": values.get("is_email_regex")}
    return _covers(address, frozenset())


def _content(values: Mapping[str, Any], _: frozenset[str]) -> str:
    try:
        found = sum(matches(values["pattern"], text) for text in TEXTS)
    except PatternError:
        return f"{values['pattern']!r} is no expression that RE2 can read, so nobody can tell what it finds"
    return f"{values['pattern']!r} is found in nearly every message" if found > 2 else ""  # noqa: PLR2004 - see TEXTS


def _ignored(values: Mapping[str, Any], _: frozenset[str]) -> str:
    pattern = values["pattern"].lower()
    if sum(fnmatchcase(one, pattern) for one in SITES) > 1:
        return f"{values['pattern']!r} names no site: no link at all would be followed there"
    rest = re.sub(r"^[a-z*?]*:?//", "", pattern)
    host, _slash, path = rest.partition("/")
    labels = [one for one in re.split(r"[^\w-]+", host) if one]
    if labels:
        names_one = "*" not in host or not is_public_suffix(".".join(labels))
    else:
        names_one = re.search(r"\w{3}", path) is not None
    return "" if names_one else f"{values['pattern']!r} names no site: no link at all would be followed there"


def _restricted(values: Mapping[str, Any], _: frozenset[str]) -> str:
    domain = values["domain"].lower()
    if why := malformed(Pattern("DOMAIN", domain)):
        return f"the domain {why}"
    return f"{domain} is everybody below a public suffix" if is_public_suffix(domain) else ""


def _routed(values: Mapping[str, Any], _: frozenset[str]) -> str:
    if not values.get("allowed_delivery_modes", True):
        return f"without a delivery mode no mail of {values['domain']} would be looked at"
    if "NONE" in values.get("drop_dispositions", ()):
        return f"drop_dispositions: NONE drops the good mail of {values['domain']}"
    return ""


_CHECKS: Mapping[str, Callable[[Mapping[str, Any], frozenset[str]], str]] = {
    "allow_policies": _allowed,
    "block_senders": _blocked,
    "trusted_domains": _trusted,
    "impersonation_registry": _protected,
    "content_policies": _content,
    "url_ignore_patterns": _ignored,
    "sending_domain_restrictions": _restricted,
    "domains": _routed,
}


def _covers(values: Mapping[str, Any], own: frozenset[str]) -> str:
    kind, is_regex = values["pattern_type"], bool(values.get("is_regex"))
    if kind == "IP":
        return (
            "an expression of IP addresses: name networks" if is_regex else _network_covers(values["pattern"])
        )
    text = values["pattern"] if is_regex else values["pattern"].lower()
    pattern = Pattern(kind, text, is_regex)
    if why := malformed(pattern):
        return f"the pattern {why}"
    return covers(pattern, own).removeprefix(PREFIX)


def _network_covers(pattern: str) -> str:
    try:
        network = ip_network(pattern, strict=False)
    except ValueError:
        return f"{pattern!r} is no IP address or network, such as 203.0.113.0/28"
    widest = WIDEST[network.version]
    if network.version == AS_IPV6[0].version and any(map(network.overlaps, AS_IPV6)):
        widest = max(widest, 96 + WIDEST[4]) if network.prefixlen >= widest else widest
    return f"{pattern} is wider than /{widest}; name smaller networks" if network.prefixlen < widest else ""


def _one_of(own: Iterable[str], values: Mapping[str, Any]) -> bool:
    """Whether it is one address of the account's own."""
    domain = values["pattern"].rpartition("@")[2].lower().rstrip(".")
    return _is_address(values) and any(within(domain, mine) for mine in own)


def _is_address(values: Mapping[str, Any]) -> bool:
    return values.get("pattern_type") == "EMAIL" and not values.get("is_regex")
