"""How much may be done before a person is asked: the lowest of what playbook, operator and this program allow. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import NamedTuple

from worker.model.actions import Mode
from worker.model.plans import Ceilings, Vote

HOUR, DAY = 3600.0, 86400.0
LATE, SLACK = 30.0, 60.0
"""What is claimed so long after it was let through counts from its claim. What is counted reaches back a little further
than that, so that no hour ever holds more sent actions than its cap, however long a request is under way."""
PLATFORM = Ceilings(per_poll=1_000_000, per_hour=1_000_000)
"""Beyond these no setting and no playbook gets, however many zeros somebody typed."""
SMALLEST_SHARE = 10
"""A share of the polled messages holds no plan of so few actions: of three new messages all may be bad."""


class Usage(NamedTuple):
    """Actions admitted before: by playbook and in all, in the last hour and in the last day."""

    hour: Mapping[str, int] = {}
    hour_all: int = 0
    day: Mapping[str, int] = {}
    day_all: int = 0
    apart: Usage | None = None
    """The same of the kinds that are counted apart, where the plans have any."""


class Caps(NamedTuple):
    """What is in force for one plan; None for no cap."""

    per_poll: int
    per_hour: int
    per_day: int | None
    share: float | None


def in_force(votes: Collection[Vote], ceilings: Ceilings) -> Caps:
    """The lowest of each cap; several versions of a playbook may have voted in one poll."""
    sources: list[Vote | Ceilings] = [*votes, ceilings, PLATFORM]
    return Caps(
        min(one.per_poll for one in sources),
        min(one.per_hour for one in sources),
        min((one.per_day for one in sources if one.per_day is not None), default=None),
        min((one.share for one in sources if one.share is not None), default=None),
    )


def breach(
    playbook: str, wanted: int, more: int, caps: Caps, usage: Usage, ceilings: Ceilings, polled: int | None
) -> str:
    """Why a plan of `wanted` actions has to wait for a person; empty where it has not.

    `more` of them are in no other plan of the poll that was let through. `polled` is how many messages the poll
    brought, None where it brought none because it decides old ones again.
    """
    if wanted > caps.per_poll:
        return f"cap per poll: {wanted} actions, {caps.per_poll} allowed"
    if caps.share is not None and polled is not None and wanted > _part(caps.share, polled):
        return f"cap share of polled messages: {wanted} actions on {polled}, {caps.share:.0%} allowed"
    spans = (
        ("hour", usage.hour.get(playbook, 0), wanted, caps.per_hour),
        ("day", usage.day.get(playbook, 0), wanted, caps.per_day),
        ("hour of all playbooks", usage.hour_all, more, min(ceilings.per_hour, PLATFORM.per_hour)),
        ("day of all playbooks", usage.day_all, more, ceilings.per_day),
    )
    for name, before, new, allowed in spans:
        if allowed is not None and before + new > allowed:
            return f"cap per {name}: {before} + {new} actions, {allowed} allowed"
    return ""


class Room:
    """What the caps leave now to actions that they do not count any more: taken place by place."""

    def __init__(self, usage: Usage, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._hour, self._day = Counter(usage.hour), Counter(usage.day)
        self._hour_all, self._day_all = usage.hour_all, usage.day_all

    def take(self, votes: Collection[Vote], *, today: bool) -> str:
        """Takes a place for one that these want, which is in the day's counts already if it is of `today`.

        Returns the cap that has none left; empty where there was one.
        """
        new = 0 if today else 1
        if full := self._full(votes, new):
            return full
        for playbook in {vote.playbook for vote in votes}:
            self._hour[playbook] += 1
            self._day[playbook] += new
        self._hour_all += 1
        self._day_all += new
        return ""

    def _full(self, votes: Collection[Vote], new: int) -> str:
        spans = [
            (self._hour_all, 1, min(self._ceilings.per_hour, PLATFORM.per_hour), "actions an hour"),
            (self._day_all, new, self._ceilings.per_day, "actions a day"),
        ]
        for vote in votes:
            if vote.mode is Mode.ENFORCE:
                caps, name = in_force([vote], self._ceilings), vote.playbook
                spans.append((self._hour[name], 1, caps.per_hour, f"actions of {name} an hour"))
                spans.append((self._day[name], new, caps.per_day, f"actions of {name} a day"))
        for before, more, allowed, what in spans:
            if more and allowed is not None and before + more > allowed:
                return f"{allowed} {what}"
        return ""


def _part(share: float, polled: int) -> int:
    # A hair more: 0.07 of 1,000 is 70 and no action less.
    return max(SMALLEST_SHARE, math.floor(share * polled + 1e-9))
