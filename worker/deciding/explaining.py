"""Why something would be done about an event, or not: one playbook's account of it, beside the others and the ledger."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from worker.model.actions import Mode, State, lower_mode
from worker.model.admission import Candidate, Rulings
from worker.model.history import NO_HISTORY, History
from worker.model.kinds import contradicts
from worker.model.known import Known, view
from worker.model.plans import Decided, Sighting, Wish
from worker.pipeline import decide
from worker.playbooks.conditions.base import Sight
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook
from worker.playbooks.explaining import Account, account
from worker.playbooks.loader import Catalogue
from worker.playbooks.parameters import dumped

_UNRULED = {
    Mode.SHADOW: "shadowed: mode shadow",
    Mode.APPROVE: "held: mode approve",
    Mode.ENFORCE: "sent: mode enforce, if no cap holds it",
}
"""What becomes of a wish, as far as that is known without a ledger."""


class Shown(NamedTuple):
    """An event with what it is decided beside, and where that comes from."""

    sighting: Sighting
    origin: str
    now: datetime
    history: History = NO_HISTORY
    known: Known | None = None


class Explanation(NamedTuple):
    """One playbook on one event; `rulings` are those of all that is wanted, where there is a ledger to ask."""

    playbook: Playbook
    shown: Shown
    ceiling: Mode
    account: Account
    decided: Decided
    candidates: tuple[Candidate, ...]
    rulings: Rulings | None = None

    @property
    def mode(self) -> Mode:
        """The effective one."""
        return lower_mode(self.playbook.mode, self.ceiling)

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, as the author and `params.toml` set them."""
        values = self.playbook.params
        return {} if values is None else dumped(values)

    @property
    def mine(self) -> tuple[Wish, ...]:
        """What the playbook wants, as the pipeline has it."""
        return tuple(one for one in self.decided.wishes if self.playbook.id in _voters(one))

    @property
    def others(self) -> tuple[Wish, ...]:
        """What others want, in which the playbook has no part."""
        return tuple(one for one in self.decided.wishes if self.playbook.id not in _voters(one))

    def outcome(self) -> Iterator[tuple[str, str]]:
        """What would become of each of its wishes now, and why; nothing of it where it wants nothing."""
        by_id = {one.action_id: one for one in self.rulings.rulings} if self.rulings else {}
        for number, wish in enumerate(self.decided.wishes):
            if self.playbook.id not in _voters(wish):
                continue
            ruling = by_id.get(str(number))
            if wish.refused:
                yield _named(wish), f"{State.SKIPPED}: {wish.refused}"
            elif ruling is not None:
                joined = f" ({ruling.joins})" if ruling.joins else ""
                why = ruling.why or (f"mode {ruling.mode}" if ruling.state is State.SHADOWED else "")
                yield _named(wish), f"{ruling.state}{': ' if why else ''}{why}{joined}"
            else:
                yield _named(wish), _UNRULED[self.mode]

    def why(self) -> str:
        """In one sentence."""
        if self.decided.excluded:
            return f"nothing, whatever playbooks want: excluded by {self.decided.excluded}"
        if self.account.unmet:
            return f"nothing: {self.account.unmet} does not hold"
        if self.account.failure:
            return f"nothing yet: {self.account.failure}"
        if not self.account.wanted:
            return "nothing: its function wants nothing of this event"
        return "; ".join(f"{wish} would be {what}" for wish, what in self.outcome())

    def as_json(self) -> dict[str, Any]:
        """As `worker explain --json` prints it."""
        event, told = self.shown.sighting, self.account
        return {
            "playbook": self.playbook.id,
            "version": self.playbook.version,
            "path": str(self.playbook.path),
            "line": self.playbook.line,
            "source": event.source,
            "event": event.key,
            "message_id": event.message.id if event.message is not None else None,
            "origin": self.shown.origin,
            "now": self.shown.now.isoformat(),
            "params": self.params,
            "when": [_sight(one) for one in told.when],
            "called": told.called,
            "read": {name: plain(value) for name, value in told.read.items()},
            "returned_at": told.line,
            "failure": told.failure or None,
            "wants": [{"kind": one.kind, "target": one.target, "reason": one.reason} for one in told.wanted],
            "others": [_other(one, clash) for one, clash in self.clashes()],
            "level": str(self.playbook.mode),
            "ceiling": str(self.ceiling),
            "mode": str(self.mode),
            "outcome": [{"action": wish, "now": what} for wish, what in self.outcome()],
            "why": self.why(),
        }

    def clashes(self) -> list[tuple[Wish, bool]]:
        """What others want, and whether that contradicts this playbook."""
        return [
            (
                other,
                any(
                    contradicts(mine.action.kind, mine.action.target, other.action.kind, other.action.target)
                    for mine in self.mine
                ),
            )
            for other in self.others
        ]


def explain(
    playbook: Playbook, shown: Shown, catalogue: Catalogue, ceiling: Mode, protected: Collection[str] = ()
) -> Explanation:
    """Asks the playbook, and watches it; then asks all of them as the worker does."""
    event = shown.sighting.event
    seen = event if shown.known is None else view(event, shown.known, playbook.needs)
    own, others = shown.history
    with catalogue.guard.watching():
        told = account(playbook, seen, Context(shown.now, catalogue.lists, own, others))
    message = shown.sighting.message
    histories = {message.id: shown.history} if message is not None else {}
    views = {message.id: shown.known} if message is not None and shown.known is not None else {}
    (decided,) = decide(
        [shown.sighting], catalogue, ceiling, shown.now, histories, views=views, protected=protected
    )
    candidates = tuple(
        _candidate(str(number), one) for number, one in enumerate(decided.wishes) if not one.refused
    )
    return Explanation(playbook, shown, ceiling, told, decided, candidates)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return msgspec.to_builtins(value, enc_hook=str, str_keys=True)


def _voters(wish: Wish) -> list[str]:
    return [vote.playbook for vote in wish.votes]


def _other(wish: Wish, clash: bool) -> dict[str, Any]:  # noqa: FBT001 - a row of `clashes`
    action = wish.action
    return {"kind": action.kind, "target": action.target, "playbooks": _voters(wish), "contradicts": clash}


def _named(wish: Wish) -> str:
    return f"{wish.action.kind} {wish.action.target}".rstrip()


def _candidate(action_id: str, wish: Wish) -> Candidate:
    action = wish.action
    about = action.subject or (action.message.id if action.message is not None else "")
    return Candidate(action_id, about, action.kind, action.target, wish.votes)


def _sight(one: Sight) -> Mapping[str, Any]:
    seen = {name: plain(value) for name, value in one.saw.items()}
    told: dict[str, Any] = {"condition": one.name, "holds": one.holds, "saw": seen, "why": one.why or None}
    return told | ({"parts": [_sight(part) for part in one.parts]} if one.parts else {})
