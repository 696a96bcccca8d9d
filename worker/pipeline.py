"""Events in, decisions out: the one place where playbooks meet mail. Pure, synchronous, the same in every mode.

    fetch (pollers) -> unseen -> decide (here) -> record -> close -> claim -> execute -> settle

Shadow, approval and enforcement differ only in what `worker.model.admission` lets through afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from worker.deciding.asking import Page, Quarantine, ask
from worker.model.actions import Action, Mode, Move, lower_mode
from worker.model.events import Detection
from worker.model.history import History
from worker.model.known import Known, Rested, Views
from worker.model.plans import FILE, Decided, Failure, Sighting, Vote, Wish, detection_sighting
from worker.model.sweeps import Campaign, Sibling, Watch, within_reach
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue
from worker.playbooks.vetting import refusal


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

    About mail that a list excludes nobody is asked.

    `quarantine` knows the playbooks that fail again and again, and says whom not to ask. `views` is what has been
    fetched: a playbook that comes to read a need which is not there has a `Failure` that says what it waits for.
    `protected` are domains that no entry of the tenant's settings may cover. `watch` knows the campaigns whose late
    siblings are caught; where `only` is given, those of these playbooks.
    """
    asking = _Round(catalogue, ceiling, now, histories or {}, only, quarantine, views or {}, protected, watch)
    return asking.decide(sightings)


@dataclass(frozen=True, slots=True)
class _Round:
    """What holds for all events that are decided together."""

    catalogue: Catalogue
    ceiling: Mode
    now: datetime
    histories: Mapping[str, History]
    only: Collection[str] | None
    quarantine: Quarantine | None
    views: Views
    protected: Collection[str]
    watch: Watch | None

    def decide(self, sightings: Sequence[Sighting]) -> list[Decided]:
        """One answer for each, in order; mail that a list excludes is not shown to anybody."""
        exclusions = self.catalogue.exclusions
        excluded = [exclusions.of(one.message) for one in sightings] if exclusions else []
        if not any(excluded):
            return self._of_any_type(sightings)
        told = list(zip(sightings, excluded, strict=True))
        answers = iter(self._of_any_type([one for one, why in told if why is None]))
        return [next(answers) if why is None else Decided(one, excluded=why.by) for one, why in told]

    def _of_any_type(self, sightings: Sequence[Sighting]) -> list[Decided]:
        if len({type(one.event) for one in sightings}) > 1:
            return [decided for one in sightings for decided in self._of_one_type([one])]
        return self._of_one_type(sightings)

    def _of_one_type(self, sightings: Sequence[Sighting]) -> list[Decided]:
        plain = Context(now=self.now, lists=self.catalogue.lists)
        page = Page.of(sightings, plain, self.histories, self.views)
        wanted, failures = self._ask(page)
        watch = self.watch
        broken = _broken_files(self.catalogue) if self.only is None else ()
        playbooks = {one.id: one for one in self.catalogue.playbooks} if wanted or watch else {}
        votes = {name: _vote(one, self.ceiling) for name, one in playbooks.items()} if watch else {}
        decided = [Decided(one, (), broken) for one in sightings]
        # Of most events nobody has said anything.
        for place in range(len(sightings)) if watch else wanted.keys() | failures.keys():
            sighting = sightings[place]
            wishes = _wishes(wanted[place], self.protected) if place in wanted else ()
            if watch and isinstance(sighting.event, Detection):
                of = (one for one in watch.of(sighting.event) if self._is_asked(one))
                late = (_sibling(one, sighting.event, votes, late=True) for one in of)
                wishes = (*wishes, *filter(None, late))
            voters = [playbooks[vote.playbook] for wish in wishes for vote in wish.votes]
            seen = page.contexts[place].seen() if any(one.sees_context for one in voters) else None
            failed = (*failures.get(place, ()), *broken)
            decided[place] = Decided(sighting, wishes, failed, seen, _rested(page.known(place), voters))
        return decided

    def _is_asked(self, campaign: Campaign) -> bool:
        return self.only is None or not set(self.only).isdisjoint(campaign.playbooks)

    def _ask(self, page: Page) -> tuple[dict[int, list[tuple[Action, Vote]]], dict[int, list[Failure]]]:
        """What was wanted, with the vote for it, and what failed: both by the event's place in the page."""
        wanted: dict[int, list[tuple[Action, Vote]]] = defaultdict(list)
        failures: dict[int, list[Failure]] = defaultdict(list)
        with self.catalogue.guard.watching():
            for asked in self.catalogue.asked(page.events, self.only):
                vote = None
                for place, answer in ask(asked, page, self.quarantine):
                    if isinstance(answer, Failure):
                        failures[place].append(answer)
                        continue
                    vote = vote or _vote(asked.playbook, self.ceiling)
                    wanted[place] += [(action, vote) for action in answer]
        return wanted, failures


def decide_siblings(
    campaign: Campaign, rows: Iterable[Detection], catalogue: Catalogue, ceiling: Mode
) -> list[Decided]:
    """What is to be done to the siblings that a search has found; nothing where none of its playbooks is loaded.

    Those that a list excludes are left out.
    """
    votes = {playbook.id: _vote(playbook, ceiling) for playbook in catalogue.playbooks}
    left = (row for row in rows if not catalogue.exclusions.of(row)) if catalogue.exclusions else rows
    wishes = ((row, _sibling(campaign, row, votes, late=False)) for row in left)
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
    return any(playbook.sees_context for playbook in catalogue.playbooks)


def _rested(known: Known | None, voters: Iterable[Playbook]) -> Rested | None:
    """What was fetched for those who want something."""
    needs = frozenset[str]().union(*(one.needs for one in voters)) if known is not None else ()
    return known.rested(needs) if needs and known is not None else None


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


def _wishes(wanted: Sequence[tuple[Action, Vote]], protected: Collection[str]) -> tuple[Wish, ...]:
    wishes = _agree(wanted)
    if any(one.action.reaches_beyond for one in wishes):
        return tuple(replace(one, refused=refusal(one.action, protected)) for one in wishes)
    return wishes


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
    files = sorted({name for problem in catalogue.problems for name in problem.stopped})
    return tuple(Failure(f"{FILE}{name}", "", "the file could not be loaded") for name in files)
