"""How much may be done before a person is asked: the lowest of what playbook, operator and this program allow. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from worker.model.plans import Ceilings, Vote

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


def _part(share: float, polled: int) -> int:
    # A hair more: 0.07 of 1,000 is 70 and no action less.
    return max(SMALLEST_SHARE, math.floor(share * polled + 1e-9))
