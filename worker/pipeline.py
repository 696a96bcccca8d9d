"""Events in, decisions out: the one place where playbooks meet mail. Pure, synchronous, the same in every mode.

    fetch (pollers) -> unseen -> decide (here) -> record -> close -> claim -> execute -> settle

Shadow, approval and enforcement differ only in what `worker.model.admission` lets through afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec.structs import replace

from worker.model.actions import Action, Mode, Move, lower_mode
from worker.model.events import Detection
from worker.model.history import History
from worker.model.known import Known, Late, Rested, Views, view
from worker.model.plans import Decided, Failure, Sighting, Vote, Wish, detection_sighting
from worker.model.sweeps import Campaign, Sibling, Watch, within_reach
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook, PlaybookFailure, WaitsError
from worker.playbooks.loader import Catalogue
from worker.playbooks.vetting import refusal

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

    def forgo(self, playbook: Playbook) -> None:
        """It was asked, and what it said tells nothing of it."""
        ...


def decide(
    sightings: Sequence[Sighting],
    catalogue: Catalogue,
    ceiling: Mode,
    now: datetime,
    histories: Mapping[str, History] | None = None,
    only: Collection[str] | None = None,
    quarantine: Quarantine | None = None,
    views: Views | None = None,
    protected: Collection[str] = (),
    watch: Watch | None = None,
) -> list[Decided]:
    """Asks every playbook about every event; `only` limits it to some playbooks, for events decided again.

    `quarantine` knows the playbooks that fail again and again, and says whom not to ask. `views` is what has been
    fetched: a playbook that comes to read a need which is not there has a `Failure` that says what it waits for.
    `protected` are domains that no entry of the tenant's settings may cover. `watch` knows the campaigns whose late
    siblings are caught.
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
                own, others = histories[sighting.message.id]
                context = Context(now, catalogue.lists, own, others)
            known = views.get(sighting.message.id) if views and sighting.message is not None else None
            wishes, failures = _ask(sighting, playbooks, context, votes, slow, quarantine, known)
            if [one for one in wishes if one.action.reaches_beyond]:
                wishes = tuple(replace(one, refused=refusal(one.action, protected)) for one in wishes)
            if watch and isinstance(sighting.event, Detection):
                late = (_sibling(one, sighting.event, votes, late=True) for one in watch.of(sighting.event))
                wishes = (*wishes, *filter(None, late))
            seen = context.seen() if wishes and aware and _voted(aware, wishes) else None
            rested = _rested(known, playbooks, wishes) if wishes and known is not None else None
            decided.append(Decided(sighting, wishes, (*failures, *broken), seen, rested))
    return decided


def decide_siblings(
    campaign: Campaign, rows: Iterable[Detection], catalogue: Catalogue, ceiling: Mode
) -> list[Decided]:
    """What is to be done to the siblings that a search has found; nothing where none of its playbooks is loaded."""
    votes = {playbook.id: _vote(playbook, ceiling) for playbook in catalogue.playbooks}
    wishes = ((row, _sibling(campaign, row, votes, late=False)) for row in rows)
    return [Decided(detection_sighting(row), (wish,)) for row, wish in wishes if wish is not None]


def _sibling(campaign: Campaign, row: Detection, votes: Mapping[str, Vote], *, late: bool) -> Wish | None:
    """The move of a sibling, wanted by the playbooks of its campaign as they are now."""
    cast = tuple(votes[name] for name in campaign.playbooks if name in votes)
    if not cast or not within_reach(row):
        return None
    if campaign.trial:
        cast = tuple(replace(vote, mode=Mode.SHADOW) for vote in cast)
    reason = f"{campaign.reason}; " if campaign.reason else ""
    move = Move(
        row, to=campaign.to, reason=f"{reason}sibling of {campaign.seed} by {' and '.join(campaign.shared)}"
    )
    return Wish(move, cast, sibling=Sibling(campaign.id, campaign.shared, campaign.asks(row), late))


def needs_history(catalogue: Catalogue) -> bool:
    """Whether any playbook may look at what was done before."""
    return any(playbook.takes_context for playbook in catalogue.playbooks)


def _ask(
    sighting: Sighting,
    playbooks: Iterable[Playbook],
    context: Context,
    votes: Mapping[str, Vote],
    slow: Counter[str],
    quarantine: Quarantine | None,
    known: Known | None,
) -> tuple[tuple[Wish, ...], tuple[Failure, ...]]:
    wanted: list[tuple[Action, Vote]] = []
    failures: list[Failure] = []
    # Nearly always nobody has failed since, and nobody has to be looked up.
    somebody_failed = bool(quarantine)
    for playbook in playbooks:
        if quarantine is not None and somebody_failed and not quarantine.asks(playbook):
            failures.append(quarantine.unasked(playbook))
            continue
        if slow and slow[playbook.id] >= PATIENCE:
            failures.append(Failure(playbook.id, playbook.version, _UNASKED))
            continue
        event = sighting.event if known is None else view(sighting.event, known, playbook.needs)
        try:
            actions = playbook.decide(event, context)
        except (WaitsError, PlaybookFailure) as error:
            failures.append(_failure(playbook, error, slow, quarantine, known))
            somebody_failed = bool(quarantine)
            continue
        if quarantine is not None and somebody_failed:
            quarantine.succeeded(playbook)
        if actions:
            vote = votes[playbook.id]
            wanted.extend((action, vote) for action in actions)
    return (_agree(wanted) if wanted else ()), tuple(failures)


def _failure(
    playbook: Playbook,
    error: WaitsError | PlaybookFailure,
    slow: Counter[str],
    quarantine: Quarantine | None,
    known: Known | None,
) -> Failure:
    if isinstance(error, WaitsError):
        if quarantine is not None:
            quarantine.forgo(playbook)
        return _waiting(playbook, error.need, known)
    slow[playbook.id] += error.overran
    if quarantine is not None:
        quarantine.failed(playbook, str(error), at_once=slow[playbook.id] >= PATIENCE)
    return Failure(playbook.id, playbook.version, str(error))


def _waiting(playbook: Playbook, need: str, known: Known | None) -> Failure:
    late = known.late.get(need) if known is not None else None
    why, again_in, tries = late or Late("it has not been fetched")
    return Failure(
        playbook.id,
        playbook.version,
        f"waits for {need}: {why}",
        waits_for=need,
        again_in=again_in,
        tries=tries,
    )


def _rested(known: Known, playbooks: Iterable[Playbook], wishes: Iterable[Wish]) -> Rested | None:
    """What was fetched for those who want something."""
    needs = frozenset[str]().union(*(one.needs for one in playbooks if _voted({one.id}, wishes)))
    return known.rested(needs) if needs else None


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
    same: dict[tuple[str, str, str | None], list[tuple[Action, Vote]]] = {}
    for action, vote in wanted:
        same.setdefault((action.kind, action.target, action.subject), []).append((action, vote))
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
