"""A sweep: whatever has in common with a confirmed message what its playbook names is moved alike. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

import msgspec
from msgspec.structs import force_setattr

from worker.model.actions import Move, OnMessage, check_message
from worker.model.events import Detection
from worker.model.patterns import shown_sender

CRITERIA = ("edf_hash", "sender", "exact_subject", "htmltext_structure_hash")
"""What siblings can have in common; of several, all."""
DETECTED = frozenset({"MALICIOUS", "MALICIOUS-BEC", "SUSPICIOUS", "SPOOF", "SPAM", "BULK"})
"""Verdicts under which the filter itself has something against a message; one that is unheard of is none of them."""
UNDETECTED = "the filter has nothing against it: a person must look"
"""Why such a sibling is held."""
LONGEST_DAYS = 30
"""How far the vendor's search reaches back unless it is told otherwise."""
_WINDOW = re.compile(r"([1-9][0-9]{0,3})([hd])")
_SECONDS = {"h": 3600.0, "d": 86400.0}


class Sweep(OnMessage, frozen=True, kw_only=True):
    """Finds the siblings of the message, which is one of them, and does to all of them what `then` says.

    Caps and approval judge the list of them as a whole, before the first is moved. What the filter has nothing against
    waits for a person in every mode.
    """

    by: Sequence[str] = ("edf_hash",)
    """Of these all that are named: `edf_hash`, `sender`, `exact_subject`, `htmltext_structure_hash`."""
    then: Move
    """The move of the message itself: the same is done to its siblings."""
    window: str = "7d"
    """How long before it siblings may have come, and how long from now on late ones are caught; at most `30d`."""
    kind: ClassVar[str] = "sweep"
    reaches_beyond: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_message(self)
        _check_by(self.by)
        window_seconds(self.window)
        # msgspec checks types only where it decodes.
        then: object = self.then
        if not isinstance(then, Move) or then.message.id != self.message.id:
            raise TypeError(
                'Sweep(then=...): expected a move of the same message: then=Move(message, to="...")'
            )
        force_setattr(self, "by", tuple(name for name in CRITERIA if name in self.by))
        if not self.reason:
            force_setattr(self, "reason", then.reason)

    @property
    def target(self) -> str:
        return self.then.to

    @property
    def shared(self) -> dict[str, str]:
        """What siblings have in common, by its name; empty where the message itself has it not."""
        return {name: value_of(self.message, name) for name in self.by}

    @property
    def subject(self) -> str:
        """What two sweeps for the same siblings, over windows of one length, have in common."""
        told = [f"{name}={value}" for name, value in self.shared.items()]
        told.append(f"window={window_seconds(self.window):.0f}")
        digest = sha256("\0".join(told).encode("utf-8", "replace"))
        return f"{SUBJECT}{digest.hexdigest()[:32]}"

    @property
    def params(self) -> dict[str, Any]:
        return {"destination": self.then.to, "by": self.shared, "window": self.window}


SUBJECT = "s_"
"""How the subject of every sweep begins."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A sweep that is open: its siblings are searched for, or late ones are caught. Seconds since the epoch."""

    id: str
    """Its action's."""
    seed: str
    """The confirmed message."""
    verdict: str | None
    """Under which it was confirmed."""
    shared: Mapping[str, str]
    to: str
    reason: str
    playbooks: tuple[str, ...]
    since: float
    """Where the search begins."""
    until: float
    """When late siblings are caught no more."""
    searching: bool
    """Whether its list is not frozen yet."""
    trial: bool = False
    """Whether it was wanted in shadow: then nothing is done to late siblings either."""

    def has(self, row: Detection) -> bool:
        """Whether the message is a sibling."""
        return all(value_of(row, name) == value for name, value in self.shared.items())

    def asks(self, row: Detection) -> str:
        """Why a person has to approve it for this sibling in every mode; empty where nobody has to."""
        if (row.id, row.final_disposition) == (self.seed, self.verdict) or row.final_disposition in DETECTED:
            return ""
        return UNDETECTED


class Sibling(msgspec.Struct, frozen=True, gc=False):
    """Why a message is moved that no playbook has asked for: its campaign, and what it has in common with it."""

    campaign: str
    shared: Mapping[str, str]
    asks: str = ""
    late: bool = False


class Watch:
    """The open campaigns, as the mail that comes in meets them."""

    def __init__(self, campaigns: Iterable[Campaign] = ()) -> None:
        self._by_name: dict[str, dict[str, list[Campaign]]] = {}
        for one in campaigns:
            name, value = next(iter(one.shared.items()))
            self._by_name.setdefault(name, {}).setdefault(value, []).append(one)

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def of(self, row: Detection) -> list[Campaign]:
        """The campaigns that the message belongs to."""
        return [
            one
            for name, known in self._by_name.items()
            for one in known.get(value_of(row, name), ())
            if one.has(row)
        ]


def value_of(row: Detection, name: str) -> str:
    """What the message has of a criterion; empty where it has none."""
    if name == "sender":
        return shown_sender(row)
    value: str | None = row.subject if name == "exact_subject" else getattr(row, name)
    return value or ""


def within_reach(row: Detection) -> bool:
    """Whether the message lies in a mailbox, or soon may: what was quarantined or rejected cannot be moved."""
    there = {"delivered", "moved", "deferred", "queued"}.intersection(row.delivery_status)
    return bool(there) or not (row.delivery_status or row.is_quarantined)


def window_seconds(window: object) -> float:
    """Seconds of a window as authors write it: `12h`, `7d`."""
    found = _WINDOW.fullmatch(window) if isinstance(window, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST_DAYS * _SECONDS["d"]:
        raise ValueError(
            f'Sweep(window={window!r:.20}): expected hours or days, at most {LONGEST_DAYS}d: window="7d"'
        )
    return seconds


def _check_by(by: object) -> None:
    if not isinstance(by, list | tuple) or not by or not all(one in CRITERIA for one in by):
        raise ValueError(f"Sweep(by={by!r:.80}): expected a list of at least one of {', '.join(CRITERIA)}")
