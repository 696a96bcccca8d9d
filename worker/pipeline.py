"""Events in, decisions out: the one place where playbooks meet mail. Pure, synchronous, the same in every mode.

    fetch (pollers) -> unseen -> decide (here) -> record -> close -> claim -> execute -> settle

Shadow, approval and enforcement differ only in what `worker.model.admission` lets through afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from worker.model.actions import Action, Mode, lower_mode
from worker.model.plans import Decided, Failure, Sighting, Vote, Wish
from worker.playbooks.context import Context, PastAction
from worker.playbooks.deciding import Playbook, PlaybookFailure
from worker.playbooks.loader import Catalogue

PATIENCE = 3
"""How often a playbook may overrun its deadline in one page; the page's other events are parked for it unasked."""
_UNASKED = f"not asked: it has overrun its deadline {PATIENCE} times in this page"


class Quarantine(Protocol):
    """Who may be asked. True while somebody has failed since it last could decide."""

    def __bool__(self) -> bool: ...

    def asks(self, playbook: Playbook) -> bool:
        """Whether to ask about the next event; `failed` or `succeeded` follows where so."""
        ...

    def unasked(self, playbook: Playbook) -> Failure:
        """What is said of an event that the playbook was not asked about."""
        ...

    def failed(self, playbook: Playbook, why: str, *, at_once: bool) -> None: ...

    def succeeded(self, playbook: Playbook) -> None: ...


def decide(
    sightings: Sequence[Sighting],
    catalogue: Catalogue,
    ceiling: Mode,
    now: datetime,
    histories: Mapping[str, tuple[PastAction, ...]] | None = None,
    only: Collection[str] | None = None,
    quarantine: Quarantine | None = None,
) -> list[Decided]:
    """Asks every playbook about every event; `only` limits it to some playbooks, for events decided again.

    `quarantine` knows the playbooks that fail again and again, and says whom not to ask.
    """
    plain = Context(now=now, lists=catalogue.lists)
    broken = _broken_files(catalogue) if only is None else ()
    votes = {playbook.id: _vote(playbook, ceiling) for playbook in catalogue.playbooks}
    aware = frozenset(playbook.id for playbook in catalogue.playbooks if playbook.takes_context)
    slow: Counter[str] = Counter()
    decided = []
    with catalogue.guard.watching():
        for sighting in sightings:
            playbooks = catalogue.by_type.get(type(sighting.event), ())
            if only is not None:
                playbooks = tuple(playbook for playbook in playbooks if playbook.id in only)
            context = plain
            if histories and sighting.message is not None and sighting.message.id in histories:
                context = Context(now=now, lists=catalogue.lists, history=histories[sighting.message.id])
            wishes, failures = _ask(sighting, playbooks, context, votes, slow, quarantine)
            seen = context.seen() if wishes and aware and _voted(aware, wishes) else None
            decided.append(Decided(sighting, wishes, (*failures, *broken), seen))
    return decided


def needs_history(catalogue: Catalogue) -> bool:
    """Whether any playbook may look at what was done to a message before."""
    return any(playbook.takes_context for playbook in catalogue.playbooks)


def _ask(
    sighting: Sighting,
    playbooks: Iterable[Playbook],
    context: Context,
    votes: Mapping[str, Vote],
    slow: Counter[str],
    quarantine: Quarantine | None,
) -> tuple[tuple[Wish, ...], tuple[Failure, ...]]:
    wanted: list[tuple[Action, Vote]] = []
    failures: list[Failure] = []
    for playbook in playbooks:
        # Nearly always nobody has failed since, and nobody has to be looked up.
        if quarantine and not quarantine.asks(playbook):
            failures.append(quarantine.unasked(playbook))
            continue
        if slow and slow[playbook.id] >= PATIENCE:
            failures.append(Failure(playbook.id, playbook.version, _UNASKED))
            continue
        try:
            actions = playbook.decide(sighting.event, context)
        except PlaybookFailure as failure:
            slow[playbook.id] += failure.overran
            failures.append(Failure(playbook.id, playbook.version, str(failure)))
            if quarantine is not None:
                quarantine.failed(playbook, str(failure), at_once=slow[playbook.id] >= PATIENCE)
            continue
        if quarantine:
            quarantine.succeeded(playbook)
        if actions:
            vote = votes[playbook.id]
            wanted.extend((action, vote) for action in actions)
    return (_agree(wanted) if wanted else ()), tuple(failures)


def _voted(playbooks: Collection[str], wishes: Iterable[Wish]) -> bool:
    return any(vote.playbook in playbooks for wish in wishes for vote in wish.votes)


def _vote(playbook: Playbook, ceiling: Mode) -> Vote:
    return Vote(
        playbook=playbook.id,
        version=playbook.version,
        mode=lower_mode(playbook.mode, ceiling),
        per_poll=playbook.caps.per_poll,
        per_hour=playbook.caps.per_hour,
        per_day=playbook.caps.per_day,
        share=playbook.caps.share,
    )


def _agree(wanted: Sequence[tuple[Action, Vote]]) -> tuple[Wish, ...]:
    """Playbooks that want the same thing share one wish; the reason is that of the one that acts."""
    if len(wanted) == 1:
        action, vote = wanted[0]
        return (Wish(action, (vote,)),)
    same: dict[tuple[str, str], list[tuple[Action, Vote]]] = {}
    for action, vote in wanted:
        same.setdefault((action.kind, action.target), []).append((action, vote))
    wishes = []
    for group in same.values():
        votes = tuple(sorted((vote for _, vote in group), key=lambda vote: vote.playbook))
        owner = Wish(group[0][0], votes).owner
        wishes.append(Wish(next(action for action, vote in group if vote is owner), votes))
    return tuple(wishes)


def _broken_files(catalogue: Catalogue) -> tuple[Failure, ...]:
    """A file that could not be loaded may hold playbooks for any event: events wait for it as parked."""
    files = sorted({problem.path.name for problem in catalogue.problems if problem.path.suffix == ".py"})
    return tuple(Failure(f"file:{name}", "", "the file could not be loaded") for name in files)
