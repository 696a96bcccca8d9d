"""The simulated tenant's playbooks: one for every way in which an action may come about."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.builders import catalogue, playbook
from worker.model.actions import PURGE, Action, Mode, Move, Reclassify, Release
from worker.model.enrichment import Details
from worker.model.events import Detection, PhishReport
from worker.model.known import Known, view
from worker.playbooks.deciding import Playbook
from worker.playbooks.declaration import Caps
from worker.playbooks.loader import Catalogue

FOUND = Known({"details": Details()})
"""What the vendor says of every message with a detection, as far as it matters here."""
FRAGILE, PURGED = "fragile", "purged"
"""A sender's names that playbooks look for."""


class Versions(NamedTuple):
    """What may change between two lives."""

    mended: bool
    trial: Mode
    caps: Caps


def junk_spam(message: Detection) -> Any:
    """Acts at once."""
    return Move(message, to="JunkEmail", reason="spam") if message.final_disposition == "SPAM" else None


def remove_malicious(message: Detection) -> Any:
    """Acts at once, together with one that asks first."""
    return Move(message, to="RecoverableItemsDeletions", reason="bad") if message.is_malicious else None


def ask_to_remove(message: Detection) -> Any:
    """Agrees with `remove_malicious`: the higher mode acts."""
    return remove_malicious(message)


def bin_bec(message: Detection) -> Any:
    """Contradicts `remove_malicious`: both wait for a person."""
    return (
        Move(message, to="DeletedItems", reason="bec")
        if message.final_disposition == "MALICIOUS-BEC"
        else None
    )


def ask_spoof(message: Detection) -> Any:
    """Waits for a person."""
    return Move(message, to="DeletedItems", reason="spoof") if message.final_disposition == "SPOOF" else None


def purge(message: Detection) -> Any:
    """Waits for a person in every mode."""
    return Move(message, to=PURGE, reason="purge") if PURGED in (message.from_name or "") else None


def release_bulk(message: Detection) -> Any:
    """Acts at once, and never twice without a person."""
    if message.final_disposition == "BULK" and message.is_quarantined:
        return Release(message, reason="wanted")
    return None


def doubt(message: Detection) -> Any:
    """Acts at once; the vendor's new verdict comes later, if it comes."""
    return (
        Reclassify(message, to="SPOOF", reason="doubt") if message.final_disposition == "SUSPICIOUS" else None
    )


def look_inside(message: Detection) -> Any:
    """Reads what the vendor found, and acts at once where it found something."""
    if message.final_disposition != "SUSPICIOUS" or message.details is None:
        return None
    return Move(message, to="JunkEmail", reason=message.details.action or "")


def trial(message: Detection) -> Any:
    """Only watches, until its mode is raised."""
    return (
        Move(message, to="DeletedItems", reason="trial") if message.final_disposition == "ENCRYPTED" else None
    )


def fragile(message: Detection) -> Any:
    """Fails, until it is mended."""
    if FRAGILE in (message.from_name or ""):
        raise ValueError("cannot tell")
    return None


def mended(message: Detection) -> Any:
    """What `fragile` should have been."""
    if FRAGILE in (message.from_name or "") and message.final_disposition == "EXTERNAL":
        return Move(message, to="JunkEmail", reason="fragile")
    return None


def reported(report: PhishReport) -> Any:
    """Acts on what people report."""
    if report.message is None or report.message.final_disposition != "NONE":
        return None
    return Reclassify(report.message, to="MALICIOUS", reason="reported")


def build(versions: Versions) -> Catalogue:
    """The playbooks that one life loads."""
    caps = versions.caps
    return catalogue(
        playbook(ask_spoof, "ask-spoof", mode=Mode.APPROVE),
        playbook(ask_to_remove, "ask-to-remove", mode=Mode.APPROVE),
        playbook(bin_bec, "bin-bec"),
        playbook(doubt, "doubt", caps=caps),
        playbook(
            mended if versions.mended else fragile, "fragile", version="v2" if versions.mended else "v1"
        ),
        playbook(junk_spam, "junk-spam", caps=caps),
        playbook(look_inside, "look-inside", needs=("details",)),
        playbook(purge, "purge"),
        playbook(release_bulk, "release-bulk"),
        playbook(remove_malicious, "remove-malicious"),
        playbook(reported, "reported", on=PhishReport),
        playbook(trial, "trial", mode=versions.trial),
    )


def wanted(known: Catalogue, message: Detection) -> list[tuple[Playbook, Action]]:
    """What the playbooks of a life want of a message now; reports apart."""
    found: list[tuple[Playbook, Action]] = []
    for one in known.by_type[Detection]:
        try:
            action = one.function(view(message, FOUND, one.needs))
        except ValueError:
            continue
        if action is not None:
            found.append((one, action))
    return found
