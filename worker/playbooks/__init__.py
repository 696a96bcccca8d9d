"""What playbook authors import: the decorator, the events, the actions, examples and caps."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from worker.model.actions import DESTINATIONS, Mode, Move, Reclassify, Release, Submit
from worker.model.enrichment import Attachment, Details, Link, LogEntry, Raw, Trace, TraceLine
from worker.model.entries import AllowSender, BlockSender, ProtectIdentity, TrustDomain, UnblockSender
from worker.model.events import DISPOSITIONS, Detection, PhishReport, Submission
from worker.model.history import PastAction
from worker.model.sweeps import Sweep
from worker.model.telling import Notify
from worker.playbooks.context import Context
from worker.playbooks.declaration import Caps, playbook
from worker.playbooks.examples import hit, miss
from worker.playbooks.matching import matches

if TYPE_CHECKING:
    from worker.playbooks.params import Field, Params

__all__ = [
    "DESTINATIONS",
    "DISPOSITIONS",
    "AllowSender",
    "Attachment",
    "BlockSender",
    "Caps",
    "Context",
    "Details",
    "Detection",
    "Field",
    "Link",
    "LogEntry",
    "Mode",
    "Move",
    "Notify",
    "Params",
    "PastAction",
    "PhishReport",
    "ProtectIdentity",
    "Raw",
    "Reclassify",
    "Release",
    "Submission",
    "Submit",
    "Sweep",
    "Trace",
    "TraceLine",
    "TrustDomain",
    "UnblockSender",
    "hit",
    "matches",
    "miss",
    "playbook",
]


def __getattr__(name: str) -> Any:
    # pydantic is imported only where some playbook has parameters.
    if name not in ("Field", "Params"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.params"), name)
