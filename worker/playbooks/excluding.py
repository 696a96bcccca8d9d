"""Mail that no playbook is asked about: phishing simulations, and mail of protected recipients.

The lists `_simulations` and `_protected` name it. Both are checked row by row: one that says less than its author
believes would let a playbook act.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from worker.model.events import Detection, domain_of
from worker.model.patterns import malformed, sender_pattern
from worker.playbooks.problems import nearest
from worker.playbooks.tables import FAULTS_LIMIT, BadListError, BadRow
from worker.playbooks.vetting import covers

PROTECTED = "_protected"
SIMULATIONS = "_simulations"
RESERVED = (PROTECTED, SIMULATIONS)


class Excluded(NamedTuple):
    """Which list a message is excluded by, and which of its entries."""

    by: str
    entry: str

    def __str__(self) -> str:
        return f"excluded by {self.by}: {self.entry}"


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Addresses whose mail is left alone, and whose proven mail is."""

    protected: frozenset[str] = frozenset()
    simulations: frozenset[str] = frozenset()

    @classmethod
    def of_lists(cls, lists: Mapping[str, Collection[str]]) -> Exclusions:
        """What the reserved lists of a folder say."""
        return cls(*(frozenset(map(_sender, lists.get(name, ()))) for name in RESERVED))

    def __bool__(self) -> bool:
        return bool(self.protected or self.simulations)

    def of(self, message: Detection | None) -> Excluded | None:
        """Why a message is left alone; None where playbooks are asked."""
        if message is None:
            return None
        if self.protected:
            # Not `to`: everybody can write an address there. These two got the message.
            for address in (*message.client_recipients, *message.envelope_to):
                if (own := _plain(address)) in self.protected:
                    return Excluded(PROTECTED, own)
        if self.simulations:
            # Each proof is of one address: SPF says nothing of the one that a reader sees.
            proofs = (
                (message.validation.dmarc, message.sender),
                (message.validation.spf, message.envelope_from),
            )
            for result, shown in proofs:
                if shown and result and result.lower() == "pass":
                    for own in (_plain(shown), domain_of(shown)):
                        if own and own in self.simulations:
                            return Excluded(SIMULATIONS, own)
        return None


NO_EXCLUSIONS = Exclusions()


def is_reserved(name: str) -> bool:
    """Whether a list of this name is the worker's own; playbooks' lists do not begin so."""
    return name.startswith("_")


def excluded_by(name: str, entries: Mapping[str, int]) -> None:
    """Nothing where a list excludes what it says, or is not reserved; BadListError where a row does not."""
    if not is_reserved(name):
        return
    if name not in RESERVED:
        what = f"`{name}` is no exclusion{nearest(name, RESERVED)}"
        raise BadListError(
            [BadRow(0, what, f"name it one of {', '.join(RESERVED)}, or without `_` in front")]
        )
    wrong = _no_recipient if name == PROTECTED else _no_sender
    faults = [BadRow(line, *fault) for entry, line in entries.items() if (fault := wrong(entry))]
    if faults:
        raise BadListError(sorted(faults)[:FAULTS_LIMIT])


def _no_recipient(entry: str) -> tuple[str, str] | None:
    why = (
        malformed(pattern)
        if (pattern := sender_pattern(entry)).type == "EMAIL"
        else f"{entry!r} is no address"
    )
    return (why, "write each mailbox as an address of its own, such as ceo@corp.example") if why else None


def _no_sender(entry: str) -> tuple[str, str] | None:
    pattern = sender_pattern(entry)
    if pattern.type == "IP":
        return f"{entry} is an IP", "write the domain or the address that simulations come from"
    if why := malformed(pattern) or covers(pattern, frozenset()).removeprefix("refused: "):
        return why, "write the domain or the address that simulations come from, such as training.example"
    return None


def _sender(entry: str) -> str:
    return sender_pattern(entry).text.lower()


def _plain(address: str) -> str:
    return address.strip().strip("<>").rstrip(".").lower()
