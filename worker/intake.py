"""From a page to the ledger: what is unseen is completed, decided and recorded; the poll's end closes its plans."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from worker.breakers import Told
from worker.clock import Clock, utc
from worker.enrichment import Enricher, Histories, needy_of
from worker.ids import new_id
from worker.latecomers import by_event, told_apart
from worker.lookout import Lookout
from worker.model.actions import Mode, State, lower_mode
from worker.model.events import Detection
from worker.model.known import Views
from worker.model.ledger import Closed, Cursor, Parked, Shadowed
from worker.model.levels import Level, Levels
from worker.model.patterns import sender_of
from worker.model.plans import (
    DETECTIONS,
    REDECIDE,
    REFRESH,
    SOURCES,
    Ceilings,
    Decided,
    Poll,
    Sighting,
    detection_sighting,
)
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.pipeline import decide, needs_history
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue
from worker.pollers.source import Page, Source
from worker.ports import Kept, Ledger
from worker.quarantine import Quarantine
from worker.rulebook import Rulebook

log = get_logger()

REDECIDED_AT_ONCE = 500
TRIAL_SECONDS = 86400.0
"""How old a shadow trial's decisions may be when a higher mode takes them up: as far as a sweep reaches."""


class Intake:
    """Takes pages in, in order within each source, and closes polls. `wake` is called when actions may be ready."""

    def __init__(
        self,
        ledger: Ledger,
        catalogue: Catalogue,
        ceilings: Ceilings,
        clock: Clock,
        metrics: Metrics,
        wake: Callable[[], None],
        *,
        keep_all: bool,
        enricher: Enricher | None = None,
    ) -> None:
        self._ledger = ledger
        self.rules = Rulebook(catalogue)
        self._ceilings = ceilings
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self._keep_all = keep_all
        self._enricher = enricher
        self._quarantine = Quarantine(clock, metrics)
        self._kept: dict[str, Told] = {}
        self.lookout = Lookout()
        self._pinned: dict[str, Catalogue] = {}
        self._caught_up: dict[str, int] = {}
        self._outdated: dict[str, Level] = {}
        self._locks = {source: asyncio.Lock() for source in SOURCES}
        self._waiting: dict[str, dict[int, Page]] = {source: {} for source in SOURCES}

    @property
    def _catalogue(self) -> Catalogue:
        """The playbooks in force now; a poll that has begun goes on with those that it began with."""
        return self.rules.current

    async def take(self, source: Source, poll: Poll, page: Page, *, last_chance: bool) -> None:
        """Records one page of an open poll, and with it those that wait for their turn: one commit for all."""
        for row in await self._ledger.quarantine(source.name, page.bad) if page.bad else ():
            log.warning("poll.row_quarantined", source=source.name, row_id=row.row_id, reason=row.reason)
        waiting = self._waiting[source.name]
        waiting[id(page)] = page
        try:
            async with self._locks[source.name]:
                # Where another took it along and failed, the poll as a whole has failed.
                if id(page) in waiting:
                    pages = list(waiting.values())
                    waiting.clear()
                    await self._take_all(source, poll, pages, last_chance=last_chance)
        finally:
            waiting.pop(id(page), None)

    async def _take_all(
        self, source: Source, poll: Poll, pages: Sequence[Page], *, last_chance: bool
    ) -> None:
        sightings = [one for page in pages for one in page.sightings]
        rows, bad = sum(page.rows for page in pages), sum(len(page.bad) for page in pages)
        read_at = min(page.read_at for page in pages)
        unseen = await self._ledger.unseen(sightings, read_at)
        fresh = await source.complete(unseen, last_chance=last_chance) if unseen else []
        self._metrics.rows(source.name, read=rows, quarantined=bad, new=len(fresh))
        if fresh:
            self._pinned.setdefault(poll.id, self._catalogue)
            await self._record(poll, fresh, rows=rows, read_at=read_at, fetch=True)

    async def close(self, poll: Poll, advance: Cursor | None) -> Closed:
        """Closes the poll's plans; from here on its actions can be claimed."""
        closed = await self._ledger.close(poll, self._ceilings, advance)
        self._pinned.pop(poll.id, None)
        self.tell(closed)
        return closed

    def tell(self, closed: Closed) -> None:
        """Counts and logs what a closing decided, and wakes who carries it out."""
        for plan in closed.plans:
            for state, count in plan.states.items():
                self._metrics.decision(plan.playbook, state, count)
            log.info("plan.closed", plan_id=plan.plan_id, playbook=plan.playbook, **plan.states)
            if plan.held_because:
                self._metrics.plan_held(plan.held_because.partition(":")[0])
                log.warning(
                    "plan.held", plan_id=plan.plan_id, playbook=plan.playbook, reason=plan.held_because
                )
        for (kind, state), count in Counter((row["kind"], row["state"]) for row in closed.set_aside).items():
            self._metrics.action(kind, state, count)
        by_state: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in closed.set_aside:
            by_state[row["state"]].append(row)
        log.each("warning", "action.refused", map(_told, by_state.pop(State.SKIPPED, ())))
        log.each("info", "action.held", map(_told, by_state.pop(State.HELD, ())))
        for rows in by_state.values():
            log.each("info", "action.finished", map(_told, rows))
        self._wake()

    @property
    def between_pages(self) -> asyncio.Lock:
        """Who holds it knows that no page of messages is being decided."""
        return self._locks[DETECTIONS]

    async def refresh(self, rows: Sequence[Detection]) -> None:
        """Decides messages anew whose verdict was found changed just before acting."""
        now = self._clock.now()
        poll = Poll(new_id(), DETECTIONS, REFRESH, now, now)
        async with self._locks[DETECTIONS]:
            fresh = await self._ledger.unseen([detection_sighting(row) for row in rows])
            if fresh:
                await self._record(poll, fresh, rows=len(rows), read_at=now)
        await self.close(poll, None)

    async def redecide(self) -> int:
        """At start: decides again what waits for it, and returns how many events that is.

        Parked events whose playbook or file was mended, and those of a shadow trial whose playbook may act now.
        """
        self._note_levels(await self._ledger.levels(), told=False)
        return sum([await self._redecide(source) for source in SOURCES])

    async def catch_up(self, source: str) -> None:
        """Takes up what has changed of the playbooks and their levels since the source's last poll.

        Called by the source's own poller, which alone may have a poll of it open: the caps see all of it as one.
        """
        self._note_levels(await self._ledger.levels())
        if self._caught_up.get(source) != self.rules.serial:
            await self._redecide(source)

    def adopt(self, catalogue: Catalogue) -> None:
        """The next generation: polls that begin from here on are decided by it, and what waits for a change of it."""
        before = {one.id: one.version for one in self.rules.loaded.playbooks}
        self.rules.adopt(catalogue)
        after = {one.id: one.version for one in catalogue.playbooks}
        self._quarantine.release(name for name, version in before.items() if after.get(name) != version)

    def _note_levels(self, levels: Levels, *, told: bool = True) -> None:
        for one in self.rules.note(levels):
            if told:
                log.warning(
                    "playbook.level", playbook=one.playbook, mode=one.level, by=one.by, reason=one.reason
                )
        outdated = self.rules.outdated()
        for name, one in outdated.items():
            if self._outdated.get(name) != one:
                log.warning("playbook.promotion_outdated", playbook=name, playbook_version=one.version)
        self._outdated = outdated

    async def _redecide(self, source: str) -> int:
        serial = self.rules.serial
        done = await self.take_up_trial(source)
        for playbook, version in await self._ledger.parked_for():
            if asked := self._asked_again(playbook, version):
                done += await self._redecide_all(source, playbook, version, asked)
        if done:
            log.info("playbook.redecided", source=source, count=done)
        self._caught_up[source] = serial
        return done

    async def take_up_trial(self, source: str) -> int:
        """A shadow trial never swallows a later enforcement: the last day's is looked at and decided anew."""
        catalogue = self._catalogue
        acting = [
            one.id
            for one in catalogue.playbooks
            if lower_mode(one.mode, self._ceilings.mode) is not Mode.SHADOW
        ]
        since = self._clock.now() - TRIAL_SECONDS
        poll = await self._redecide_poll(source)
        done = 0
        while acting and (rows := await self._ledger.shadowed(source, acting, since, REDECIDED_AT_ONCE)):
            events = [(row, row.playbooks) for row in rows if row.body]
            await self._ledger.decide_again(poll, rows, await self._decide_again(events, catalogue))
            done += len(rows)
        if done:
            await self.close(poll, None)
        return done

    async def _redecide_poll(self, source: str) -> Poll:
        """One poll for all that is decided again, so that the caps see all of it; one that a crash left open goes on."""
        now = self._clock.now()
        left = [poll for poll in await self._ledger.open_polls(source) if poll.kind == REDECIDE]
        return left[0] if left else Poll(new_id(), source, REDECIDE, now, now)

    async def _decide_again(
        self,
        rows: Sequence[tuple[Parked | Shadowed, Collection[str]]],
        catalogue: Catalogue,
        views: Views | None = None,
    ) -> list[Decided]:
        """Decides stored events again, each for some playbooks only, with the history that their messages have now."""
        sightings = [_stored(row) for row, _ in rows]
        histories = await self._histories(sightings)
        now = utc(self._clock.now())
        decided = [
            one
            for sighting, (_, playbooks) in zip(sightings, rows, strict=True)
            for one in decide(
                [sighting],
                catalogue,
                self._ceilings.mode,
                now,
                histories,
                only=playbooks,
                quarantine=self._quarantine,
                views=views,
                protected=self._ceilings.protected,
            )
        ]
        await self._keep_quarantine()
        self._note_failures(decided)
        self.tell_excluded(one.excluded for one in decided if one.excluded)
        return decided

    async def _redecide_all(self, source: str, playbook: str, version: str, asked: frozenset[str]) -> int:
        catalogue = self._catalogue
        poll = await self._redecide_poll(source)
        done = 0
        while rows := await self._ledger.parked_events(source, playbook, version, REDECIDED_AT_ONCE):
            decided = await self._decide_again([(row, asked) for row in rows], catalogue)
            await self._ledger.redecide(poll, rows, decided)
            done += len(rows)
        if done:
            await self.close(poll, None)
        return done

    async def restore(self) -> None:
        """Playbooks that were in quarantine when the worker stopped still are, unless they have changed."""
        self._kept = await self._ledger.recall(Kept.QUARANTINE) or {}
        self._quarantine.restore(self._kept, {one.id: one for one in self._catalogue.playbooks})
        await self._keep_quarantine()

    async def readmit(self, source: str) -> None:
        """Tries quarantined playbooks with one parked event, and decides what was parked for those that work again.

        Called by the source's own poller, which alone may have a poll of it open: the caps see all of it as one.
        """
        if not self._quarantine.snapshot():
            return
        poll = await self._redecide_poll(source)
        done = 0
        for playbook in self._catalogue.by_type.get(SOURCES[source], ()):
            if self._quarantine.is_due(playbook):
                done += await self._ask_unasked(poll, playbook, 1)
            while self._quarantine.has_recovered(playbook):
                count = await self._ask_unasked(poll, playbook, REDECIDED_AT_ONCE)
                done += count
                if not count:
                    self._quarantine.readmit(playbook)
                    await self._keep_quarantine()
        if done:
            await self.close(poll, None)

    async def take_up_due(self, source: str) -> None:
        """Fetches what playbooks wait for, and decides the events that have it now. Called as `readmit` is."""
        catalogue = self._catalogue
        needy = needy_of(catalogue, SOURCES[source])
        due = partial(self._ledger.due_events, source, sorted(needy), REDECIDED_AT_ONCE)
        if not self._enricher or not needy or not (rows := await due()):
            return
        poll = await self._redecide_poll(source)
        events = [(_stored(row), playbooks, row.tries) for row, playbooks in by_event(rows)]
        histories = await self._histories([event for event, _, _ in events])
        views = await self._enricher.for_parked(poll, events, utc(self._clock.now()), histories, catalogue)
        async with self._locks[source]:
            # A new verdict may have come meanwhile: what is not parked any more is not decided.
            left = set(await due())
            rows = [row for row in rows if row in left]
            decided = await self._decide_again(by_event(rows), catalogue, views)
            done, decided, postponed = told_apart(rows, decided)
            if postponed:
                await self._ledger.postpone(postponed)
            if done:
                await self._ledger.redecide(poll, done, decided)
        if done:
            log.info("enrichment.caught_up", source=source, count=len(done))
            await self.close(poll, None)

    async def _ask_unasked(self, poll: Poll, playbook: Playbook, most: int) -> int:
        rows = await self._ledger.unasked_events(poll.source, playbook.id, playbook.version, most)
        if rows:
            decided = await self._decide_again([(row, {playbook.id}) for row in rows], self._catalogue)
            await self._ledger.redecide(poll, rows, decided)
        return len(rows)

    async def _keep_quarantine(self) -> None:
        """Before anything is parked for it: a restart must know whom to ask again."""
        if (current := self._quarantine.snapshot()) != self._kept:
            await self._ledger.remember(Kept.QUARANTINE, current)
            self._kept = current

    def _asked_again(self, playbook: str, version: str) -> frozenset[str]:
        """The playbooks that have changed since events were parked for them."""
        catalogue = self._catalogue
        if not playbook.startswith("file:"):
            changed = (one.id for one in catalogue.playbooks if one.id == playbook and one.version != version)
            return frozenset(changed)
        name = playbook.removeprefix("file:")
        if any(name in problem.stopped for problem in catalogue.problems):
            return frozenset()
        return frozenset(one.id for one in catalogue.playbooks if one.path.name == name)

    async def _record(
        self, poll: Poll, fresh: Sequence[Sighting], *, rows: int, read_at: float, fetch: bool = False
    ) -> None:
        histories = await self._histories(fresh)
        now = utc(self._clock.now())
        catalogue = self._pinned.get(poll.id, self._catalogue)
        views = None
        if fetch and self._enricher is not None:
            unasked = self._quarantine.snapshot()
            views = await self._enricher.for_new(poll, fresh, now, histories, catalogue, without=unasked)
        decided = decide(
            fresh,
            catalogue,
            self._ceilings.mode,
            now,
            histories,
            quarantine=self._quarantine,
            views=views,
            protected=self._ceilings.protected,
            watch=self.lookout.late,
        )
        self.lookout.note(fresh)
        await self._keep_quarantine()
        self._note_failures(decided)
        self.tell_excluded(one.excluded for one in decided if one.excluded)
        if catalogue is not self._catalogue:
            # What is parked for an edition that is history is looked at before the next poll.
            self._caught_up.pop(poll.source, None)
        replaced = await self._ledger.record(
            poll, fresh, decided, rows=rows, read_at=read_at, keep_all=self._keep_all
        )
        for row in replaced:
            self._metrics.action(row["kind"], State.SKIPPED)
            log.info(
                "state.superseded", action_id=row["id"], message_id=row["message_id"], reason=row["reason"]
            )

    def tell_excluded(self, lists: Iterable[str]) -> None:
        """Counts and logs what was left alone, by the list that says so: one line for all of it."""
        if counts := Counter(lists):
            for name, count in counts.items():
                self._metrics.excluded(name, count)
            log.info("event.excluded", count=counts.total(), lists=sorted(counts))

    async def _histories(self, fresh: Sequence[Sighting]) -> Histories:
        if not needs_history(self._catalogue):
            return {}
        messages = [sighting.message for sighting in fresh if sighting.message is not None]
        return await self._ledger.histories({one.id: sender_of(one) for one in messages})

    def _note_failures(self, decided: Sequence[Decided]) -> None:
        waiting: dict[str, list[str]] = {}
        for one in decided:
            for failure in one.failures:
                if failure.waits_for:
                    waiting.setdefault(failure.playbook, []).append(failure.error)
                    continue
                if failure.playbook.startswith("file:") or not failure.asked:
                    continue
                self._metrics.playbook_failed(failure.playbook)
                log.error(
                    "playbook.failed",
                    playbook=failure.playbook,
                    playbook_version=failure.version,
                    event_key=one.sighting.key,
                    error=failure.error,
                )
        for playbook, errors in waiting.items():
            log.warning("enrichment.waiting", playbook=playbook, count=len(errors), reason=errors[0])


def _stored(row: Parked | Shadowed) -> Sighting:
    """The event as it was recorded."""
    event = msgspec.json.decode(row.body, type=SOURCES[row.source])
    return Sighting(row.source, row.key, row.revision, event, None)


def _told(row: Mapping[str, Any]) -> dict[str, object]:
    same = ("message_id", "playbook", "playbook_version", "kind", "target", "state")
    return {
        "action_id": row["id"],
        **{name: row[name] for name in same},
        "reason": row["why"] or row["reason"],
    }
