"""One generation of playbooks in shadow: decides pages, and closes polls by the worker's own rules. Does no I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple

from worker.backtest.seen import Seen
from worker.backtest.standing import Past, Remembered, Standing, Windows, standing_state
from worker.model.actions import LIVE, Mode, State
from worker.model.admission import WAITS, Candidate, Existing, Ruling, rule
from worker.model.history import History, PastAction
from worker.model.kinds import APART, contradicts, kind_of
from worker.model.plans import Ceilings, Decided, Failure, Wish
from worker.pipeline import decide, needs_history
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue, catalogue_of

GIVEN_UP = 200
"""Failures in a row after which a playbook is not asked any more: each may have taken a second."""


class Judged(NamedTuple):
    """What became of one action of a closed poll."""

    seen: Seen
    wish: Wish
    state: State
    why: str = ""
    against: tuple[tuple[str, str, str], ...] = ()
    """Whom it contradicts: playbook, kind and target; of two in one poll only the first names the other."""

    @property
    def category(self) -> str:
        """Why it is held, without the numbers and ids of this one."""
        if self.why.startswith("contradicts "):
            return "conflict"
        return self.why.partition(":")[0]


class Patience:
    """Implements `pipeline.Quarantine`: gives up a playbook that does nothing but fail."""

    def __init__(self) -> None:
        self._failures: Counter[str] = Counter()
        self.given_up: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._failures)

    def asks(self, playbook: Playbook) -> bool:
        return playbook.id not in self.given_up

    def unasked(self, playbook: Playbook) -> Failure:
        why = f"not asked any more after: {self.given_up[playbook.id]}"
        return Failure(playbook.id, playbook.version, why, asked=False)

    def failed(self, playbook: Playbook, why: str, *, at_once: bool) -> None:
        self._failures[playbook.id] += 1
        if at_once or self._failures[playbook.id] >= GIVEN_UP:
            self.given_up[playbook.id] = why

    def succeeded(self, playbook: Playbook) -> None:
        if playbook.id in self._failures:
            del self._failures[playbook.id]

    def forgo(self, playbook: Playbook) -> None:
        """That it waits for something tells nothing of it."""


class Judge:
    """Decides what a run shows it, and remembers what it would have let through.

    `ceilings` are the operator's caps; `protected` domains are among them.
    """

    def __init__(self, catalogue: Catalogue, ceilings: Ceilings) -> None:
        self.catalogue = catalogue
        self._ceilings = ceilings
        self._aware = needs_history(catalogue)
        self._patience = Patience()
        self._remembered, self._past = Remembered(), Past()
        self._doing, self._telling = Windows(), Windows()
        self._open: dict[str, dict[str, tuple[Seen, Wish]]] = defaultdict(dict)
        self._polled: Counter[str] = Counter()
        self._ids = map("b{}".format, count(1))

    def page(self, source: str, events: Sequence[Seen], now: float) -> list[Decided]:
        """What the playbooks say of some events of the source's open poll, one answer for each."""
        self._polled[source] += len(events)
        decided = decide(
            [one.sighting for one in events],
            self.catalogue,
            self._ceilings.mode,
            datetime.fromtimestamp(now, UTC),
            self._histories(events, datetime.fromtimestamp(now, UTC)),
            quarantine=self._patience,
            views={
                one.sighting.message.id: one.known
                for one in events
                if one.known is not None and one.sighting.message is not None
            }
            or None,
            protected=self._ceilings.protected,
        )
        for seen, one in zip(events, decided, strict=True):
            for wish in one.wishes:
                self._open[source][next(self._ids)] = seen, wish
        return decided

    def close(self, source: str, now: float) -> list[Judged]:
        """Closes the source's poll: every action of it with the state that it would have got."""
        opened, polled = self._open.pop(source, {}), self._polled.pop(source, 0)
        if not opened:
            return []
        candidates = [_candidate(one, wish) for one, (_, wish) in opened.items() if not wish.refused]
        standing = self._remembered.on(one.about for one in candidates)
        usage = self._doing.usage(now)._replace(apart=self._telling.usage(now))
        rulings = rule(candidates, [one.existing for one in standing], usage, self._ceilings, polled)
        by_id = {one.action_id: one for one in rulings.rulings}
        clashes = dict(_clashes(candidates, rulings.rulings, standing))
        self._remember([by_id[one.action_id] for one in candidates], candidates, opened, now)
        return [
            Judged(seen, wish, by_id[one].state, by_id[one].why, clashes.get(one, ()))
            if one in by_id
            else Judged(seen, wish, State.SKIPPED, wish.refused)
            for one, (seen, wish) in opened.items()
        ]

    def _histories(self, events: Sequence[Seen], now: datetime) -> dict[str, History] | None:
        if not self._aware:
            return None
        messages = [one.sighting.message for one in events if one.sighting.message is not None]
        return {one.id: past for one in messages if (past := self._past.of(one, now)) is not None}

    def _remember(
        self,
        rulings: Sequence[Ruling],
        candidates: Sequence[Candidate],
        opened: Mapping[str, tuple[Seen, Wish]],
        now: float,
    ) -> None:
        at = datetime.fromtimestamp(now, UTC)
        done: dict[bool, list[Candidate]] = {True: [], False: []}
        for ruling, one in zip(rulings, candidates, strict=True):
            if ruling.state not in LIVE:
                continue
            if ruling.state is State.READY:
                done[one.kind in APART].append(one)
            if ruling.joins:
                continue
            state = standing_state(ruling.state)
            waits = ruling.state is State.HELD and ruling.why == WAITS
            old = Existing(one.action_id, one.about, one.kind, one.target, state, waits=waits)
            self._remembered.add(Standing(old, tuple(vote.playbook for vote in one.votes)))
            wish = opened[one.action_id][1]
            if self._aware and wish.action.message is not None:
                past = PastAction(one.kind, one.target, state, wish.owner.playbook, at)
                self._past.add(wish.action.message, past)
        for apart, windows in ((True, self._telling), (False, self._doing)):
            if done[apart]:
                by = Counter(vote.playbook for one in done[apart] for vote in one.votes)
                windows.add(now, by, len(done[apart]))


def _candidate(action_id: str, wish: Wish) -> Candidate:
    action = wish.action
    about = action.subject or (action.message.id if action.message is not None else "")
    return Candidate(action_id, about, action.kind, action.target, wish.votes)


def _clashes(
    candidates: Sequence[Candidate], rulings: Sequence[Ruling], standing: Collection[Standing]
) -> Iterator[tuple[str, tuple[tuple[str, str, str], ...]]]:
    """Of each action that is held because of others: whom it contradicts, of every two the first names the other."""
    held = {
        one.action_id for one in rulings if one.state is State.HELD and one.why.startswith("contradicts ")
    }
    if not held:
        return
    by_about: dict[str, list[tuple[int, str, str, str]]] = defaultdict(list)
    for place, one in enumerate(candidates):
        by_about[one.about].append((place, one.votes[0].playbook, one.kind, one.target))
    for old, playbooks in standing:
        if old.state is State.HELD or kind_of(old.kind).stands:
            by_about[old.about].append((len(candidates), playbooks[0], old.kind, old.target))
    for place, one in enumerate(candidates):
        if one.action_id in held:
            against = [
                (playbook, kind, target)
                for later, playbook, kind, target in by_about[one.about]
                if later > place and contradicts(one.kind, one.target, kind, target)
            ]
            yield one.action_id, tuple(dict.fromkeys(against))


def as_enforcing(catalogue: Catalogue) -> Catalogue:
    """The same playbooks, as if every one of them might act."""
    return catalogue_of(catalogue, [replace(one, mode=Mode.ENFORCE) for one in catalogue.playbooks])
