"""One saved event decided again: what each playbook wants of it now. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from worker.backtest.pasting import pasted
from worker.model.actions import Mode
from worker.model.known import view
from worker.pipeline import decide
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook, PlaybookFailure, WaitsError
from worker.playbooks.given import seen_by
from worker.playbooks.loader import Catalogue
from worker.playbooks.saved import Saved


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """One action that one playbook wants."""

    playbook: str
    kind: str
    target: str
    params: dict[str, Any]
    reason: str
    refused: str = ""
    """Why it must not be done, whoever wants it."""


class Undecided(msgspec.Struct, frozen=True, kw_only=True):
    """A playbook that could not decide."""

    playbook: str
    why: str


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """What the playbooks say of one event."""

    source: str
    event: str
    message_id: str
    now: datetime
    wants: list[Want]
    undecided: list[Undecided]

    def of(self, playbook: str) -> object:
        """What one of them says, for comparing."""
        mine = sorted((one.kind, one.target, one.refused) for one in self.wants if one.playbook == playbook)
        return mine, any(one.playbook == playbook for one in self.undecided)


def time_of(saved: Saved) -> datetime:
    """When it was decided; else its own time."""
    occurred = saved.sighting.occurred_at
    return saved.now or datetime.fromtimestamp(occurred or 0.0, UTC)


def decide_again(saved: Saved, catalogue: Catalogue) -> Again:
    """Under the time, the histories and with what was fetched, as far as these were saved."""
    sighting, now, known = saved.sighting, time_of(saved), saved.known
    message = sighting.message
    (decided,) = decide(
        [sighting],
        catalogue,
        Mode.ENFORCE,
        now,
        {message.id: saved.history} if message is not None else {},
        views={message.id: known} if message is not None and known is not None else None,
    )
    wants = [
        Want(
            playbook=vote.playbook,
            kind=wish.action.kind,
            target=wish.action.target,
            params=wish.action.params,
            reason=wish.action.reason,
            refused=wish.refused,
        )
        for wish in decided.wishes
        for vote in wish.votes
    ]
    return Again(
        source=sighting.source,
        event=sighting.key,
        message_id=message.id if message is not None else "",
        now=now,
        wants=sorted(wants, key=lambda one: (one.playbook, one.kind, one.target)),
        undecided=[Undecided(playbook=one.playbook, why=one.error) for one in decided.failures],
    )


def example(saved: Saved, playbook: Playbook, catalogue: Catalogue) -> str:
    """The event as an example of the playbook; a comment where it cannot be one."""
    if not isinstance(saved.event, playbook.on):
        return ""
    own, others = saved.history
    known = saved.known
    event = saved.event if known is None else view(saved.event, known, playbook.needs)
    context = Context(time_of(saved), catalogue.lists, own, others)
    try:
        return pasted(playbook, seen_by(event, playbook.needs), context)
    except (PlaybookFailure, WaitsError) as error:
        return f"# {playbook.id} cannot decide {saved.sighting.key}: {error}"
