"""Events that were recorded before, decided again: after a change of playbooks, levels or of what they wait for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from worker.campaigns.lookout import Lookout
from worker.clock import utc
from worker.deciding.decider import Decider
from worker.deciding.enrichment import Enricher, needy_of
from worker.deciding.latecomers import by_event, told_apart
from worker.ids import new_id
from worker.model.actions import Mode, lower_mode
from worker.model.known import Views
from worker.model.ledger import Closed, Cursor, Parked, Shadowed
from worker.model.levels import Level, Levels
from worker.model.plans import FILE, REDECIDE, SOURCES, Decided, Poll, Sighting
from worker.model.sweeps import Watch
from worker.ops.logs import get_logger
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue
from worker.playbooks.problems import known_as
from worker.ports import Ledger

log = get_logger()

REDECIDED_AT_ONCE = 500
TRIAL_SECONDS = 86400.0
"""How old a shadow trial's decisions may be when a higher mode takes them up: as far as a sweep reaches."""
Close = Callable[[Poll, Cursor | None], Coroutine[Any, Any, Closed]]


class Redecider:
    """Decides again what waits for it. `close` ends a poll; `locks` keep two pages of a source apart."""

    def __init__(
        self,
        ledger: Ledger,
        decider: Decider,
        enricher: Enricher | None,
        locks: Mapping[str, asyncio.Lock],
        close: Close,
        lookout: Lookout,
    ) -> None:
        self._ledger = ledger
        self._decider = decider
        self._enricher = enricher
        self._locks = locks
        self._close = close
        self._lookout = lookout
        self._caught_up: dict[str, tuple[int, int]] = {}
        self._outdated_times: Counter[str] = Counter()
        self._outdated: dict[str, Level] = {}
        self._missing: set[str] = set()
        """Files that events wait for, and of which it has been said that they are not there."""

    @property
    def _catalogue(self) -> Catalogue:
        return self._decider.rules.current

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
        if self._caught_up.get(source) != self._edition(source):
            await self._redecide(source)

    def _edition(self, source: str) -> tuple[int, int]:
        """What the source has to catch up with."""
        return self._decider.rules.serial, self._outdated_times[source]

    def outdate(self, source: str) -> None:
        """Something was just decided by an edition that is history: it is looked at before the next poll."""
        self._outdated_times[source] += 1

    async def readmit(self, source: str) -> None:
        """Tries quarantined playbooks with one parked event, and decides what was parked for those that work again.

        Called by the source's own poller, which alone may have a poll of it open: the caps see all of it as one.
        """
        if not self._decider.quarantine.snapshot():
            return
        poll = await self._redecide_poll(source)
        done = 0
        catalogue = self._catalogue
        for playbook in catalogue.by_type.get(SOURCES[source], ()):
            if self._decider.quarantine.is_due(playbook):
                done += await self._ask_unasked(poll, playbook, catalogue, 1)
            while self._decider.quarantine.has_recovered(playbook):
                count = await self._ask_unasked(poll, playbook, catalogue, REDECIDED_AT_ONCE)
                done += count
                if not count:
                    self._decider.quarantine.readmit(playbook)
                    await self._decider.keep_quarantine()
        if done:
            await self._close(poll, None)

    async def take_up_due(self, source: str) -> None:
        """Fetches what playbooks wait for, and decides the events that have it now. Called as `readmit` is."""
        catalogue = self._catalogue
        # One in quarantine whose probe is due gets what its probe needs.
        quarantine = self._decider.quarantine
        resting = {one.id for one in catalogue.playbooks if not quarantine.is_due(one)}
        needy = needy_of(catalogue, SOURCES[source]).difference(resting & quarantine.snapshot().keys())
        due = partial(self._ledger.due_events, source, sorted(needy), REDECIDED_AT_ONCE)
        if not self._enricher or not needy or not (rows := await due()):
            return
        poll = await self._redecide_poll(source)
        events = [(_stored(row), playbooks, row.tries) for row, playbooks in by_event(rows)]
        histories = await self._decider.histories([event for event, _, _ in events], catalogue)
        views = await self._enricher.for_parked(
            poll, events, utc(self._decider.clock.now()), histories, catalogue
        )
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
            await self._close(poll, None)

    async def _ask_at_last(self, source: str, name: str, version: str) -> int:
        """What a playbook was not asked about because it was in quarantine, if it is back, and is not any more."""
        catalogue = self._catalogue
        (playbook,) = [
            one
            for one in catalogue.by_type.get(SOURCES[source], ())
            if (one.id, one.version) == (name, version)
        ] or (None,)
        done = 0
        if playbook is None or name in self._decider.quarantine.snapshot():
            return done
        poll = await self._redecide_poll(source)
        while count := await self._ask_unasked(poll, playbook, catalogue, REDECIDED_AT_ONCE):
            done += count
            if name in self._decider.quarantine.snapshot():
                break
        if done:
            await self._close(poll, None)
        return done

    async def _ask_unasked(self, poll: Poll, playbook: Playbook, catalogue: Catalogue, most: int) -> int:
        """`catalogue`: the one that the playbook is of; in a newer one nobody might be asked."""
        async with self._locks[poll.source]:
            rows = await self._ledger.unasked_events(poll.source, playbook.id, playbook.version, most)
            if rows:
                decided = await self._decide_again([(row, {playbook.id}) for row in rows], catalogue)
                await self._ledger.redecide(poll, rows, decided)
        return len(rows)

    async def _redecide(self, source: str) -> int:
        edition = self._edition(source)
        done = await self.take_up_trial(source)
        for playbook, version in await self._ledger.parked_for():
            if asked := self._asked_again(playbook, version):
                done += await self._redecide_all(source, playbook, version, asked)
            else:
                self._tell_of_missing(playbook)
                done += await self._ask_at_last(source, playbook, version)
        if done:
            log.info("playbook.redecided", source=source, count=done)
        self._caught_up[source] = edition
        return done

    async def take_up_trial(self, source: str) -> int:
        """A shadow trial never swallows a later enforcement: the last day's is looked at and decided anew."""
        catalogue = self._catalogue
        acting = [
            one.id
            for one in catalogue.playbooks
            if lower_mode(one.mode, self._decider.ceilings.mode) is not Mode.SHADOW
        ]
        since = self._decider.clock.now() - TRIAL_SECONDS
        poll = await self._redecide_poll(source)
        done = 0
        while acting:
            # No newer verdict comes in between: what is read here is what is decided.
            async with self._locks[source]:
                rows = await self._ledger.shadowed(source, acting, since, REDECIDED_AT_ONCE)
                if not rows:
                    break
                events = [(row, row.playbooks) for row in rows if row.body]
                await self._ledger.decide_again(poll, rows, await self._decide_again(events, catalogue))
            done += len(rows)
        if done:
            await self._close(poll, None)
        return done

    async def _redecide_poll(self, source: str) -> Poll:
        """One poll for all that is decided again, so that the caps see all of it; one that a crash left open goes on."""
        now = self._decider.clock.now()
        left = [poll for poll in await self._ledger.open_polls(source) if poll.kind == REDECIDE]
        return left[0] if left else Poll(new_id(), source, REDECIDE, now, now)

    async def _decide_again(
        self,
        rows: Sequence[tuple[Parked | Shadowed, Collection[str]]],
        catalogue: Catalogue,
        views: Views | None = None,
        watch: Watch | None = None,
    ) -> list[Decided]:
        """Decides stored events again, each for some playbooks only, with the history that their messages have now."""
        groups = [([_stored(row)], playbooks) for row, playbooks in rows]
        histories = await self._decider.histories([one for (one,), _ in groups], catalogue)
        return await self._decider.decide(groups, catalogue, histories, views=views, watch=watch)

    async def _redecide_all(self, source: str, playbook: str, version: str, asked: frozenset[str]) -> int:
        catalogue = self._catalogue
        poll = await self._redecide_poll(source)
        done = 0
        while True:
            async with self._locks[source]:
                rows = await self._ledger.parked_events(source, playbook, version, REDECIDED_AT_ONCE)
                if not rows:
                    break
                # Where a whole file was missing, nobody spoke for the campaigns of its playbooks either.
                watch = self._lookout.late if playbook.startswith(FILE) else None
                decided = await self._decide_again([(row, asked) for row in rows], catalogue, watch=watch)
                await self._ledger.redecide(poll, rows, decided)
            done += len(rows)
        if done:
            await self._close(poll, None)
        return done

    def _asked_again(self, playbook: str, version: str) -> frozenset[str]:
        """The playbooks that have changed since events were parked for them."""
        catalogue = self._catalogue
        if not playbook.startswith(FILE):
            changed = (one.id for one in catalogue.playbooks if one.id == playbook and one.version != version)
            return frozenset(changed)
        name = playbook.removeprefix(FILE)
        if self._is_broken(name):
            return frozenset()
        return frozenset(one.id for one in catalogue.playbooks if known_as(one.path) == name)

    def _is_broken(self, name: str) -> bool:
        return any(name in problem.stopped for problem in self._catalogue.problems)

    def _tell_of_missing(self, playbook: str) -> None:
        """Says once that events wait for a file that is neither broken nor there.

        Its playbooks may be in another file by now, but nobody knows which ones were not asked: the others have
        decided, and what they would say of old mail today, with other lists and another history, nobody has wanted.
        """
        name = playbook.removeprefix(FILE)
        if name != playbook and name not in self._missing and not self._is_broken(name):
            self._missing.add(name)
            log.warning("playbook.file_missing", file=name)

    def _note_levels(self, levels: Levels, *, told: bool = True) -> None:
        for one in self._decider.rules.note(levels):
            if told:
                log.warning(
                    "playbook.level", playbook=one.playbook, mode=one.level, by=one.by, reason=one.reason
                )
        outdated = self._decider.rules.outdated()
        for name, one in outdated.items():
            if self._outdated.get(name) != one:
                log.warning("playbook.promotion_outdated", playbook=name, playbook_version=one.version)
        self._outdated = outdated


def _stored(row: Parked | Shadowed) -> Sighting:
    """The event as it was recorded."""
    event = msgspec.json.decode(row.body, type=SOURCES[row.source])
    return Sighting(row.source, row.key, row.revision, event, None)
