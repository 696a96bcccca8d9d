"""Conditions on what the worker did before: how often within which time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from worker.model.actions import State
from worker.model.history import HISTORY_LIMIT
from worker.model.kinds import KINDS
from worker.playbooks.conditions.base import ConditionError, Leaf, Seen, condition
from worker.playbooks.conditions.people import number
from worker.playbooks.conditions.times import span
from worker.playbooks.context import Context
from worker.playbooks.problems import nearest

HISTORIES = {"message": "history", "sender": "sender_history"}


@condition
def past_actions(
    *,
    of: str = "message",
    at_least: int = 1,
    days: float = 0,
    hours: float = 0,
    minutes: float = 0,
    kind: str = "",
    state: str = "",
    playbook: str = "",
) -> Leaf:
    """So many past actions are that recent, of that kind, in that state, by that playbook.

    `of="message"`: those of `context.history`; `of="sender"`: those of `context.sender_history`.
    """
    least = number(at_least, "at_least")
    if not 1 <= least <= HISTORY_LIMIT:
        raise ConditionError(
            f"at_least={least}: a history has at most {HISTORY_LIMIT} actions", "write at_least=1"
        )
    words = {"of": [*HISTORIES], "kind": [*KINDS], "state": [str(one) for one in State]}
    for (name, known), value in zip(words.items(), (of, kind, state), strict=True):
        if value and value not in known:
            hint = nearest(value, known)
            raise ConditionError(f"no such {name} {value!r}{hint}", f"use one of {', '.join(known)}")
    within = span(days, hours, minutes) if days or hours or minutes else None
    return PastActions(
        history=HISTORIES[of], at_least=least, within=within, kind=kind, state=state, playbook=playbook
    )


@dataclass(frozen=True, slots=True, repr=False)
class PastActions(Leaf):
    """Enough past actions of a sort."""

    history: str = "history"
    at_least: int = 1
    within: timedelta | None = None
    kind: str = ""
    state: str = ""
    playbook: str = ""

    @property
    def reads_context(self) -> bool:
        return True

    def see(self, subject: Any, context: Context) -> Seen:
        del subject
        known = getattr(context, self.history)
        found = [
            past
            for past in known
            if (self.within is None or context.now - past.at <= self.within)
            and self.kind in ("", past.kind)
            and self.state in ("", past.state)
            and self.playbook in ("", past.playbook)
        ]
        saw = {self.history: tuple(f"{past.kind} {past.state} {past.at.isoformat()}" for past in known)}
        return Seen(len(found) >= self.at_least, saw, f"{len(found)} such actions")
