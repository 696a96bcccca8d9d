"""From a page to the ledger: what is unseen is completed, decided and recorded; the poll's end closes its plans."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from worker.campaigns.lookout import Lookout
from worker.clock import Clock, utc
from worker.deciding.aside import tell_superseded, told
from worker.deciding.decider import Decider
from worker.deciding.enrichment import Enricher
from worker.deciding.redeciding import Redecider
from worker.deciding.rulebook import Rulebook
from worker.ids import new_id
from worker.model.actions import State
from worker.model.events import Detection
from worker.model.kinds import kind_of
from worker.model.ledger import Closed, Cursor
from worker.model.plans import (
    DETECTIONS,
    REFRESH,
    SOURCES,
    Ceilings,
    Poll,
    Sighting,
    detection_sighting,
)
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.playbooks.loader import Catalogue
from worker.pollers.source import Page, Source
from worker.ports import Ledger

log = get_logger()

PINNED_SECONDS = 900.0
"""How long a poll goes on with playbooks that others have taken the place of."""


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
        self.decider = Decider(ledger, catalogue, ceilings, clock, metrics)
        self._ceilings = ceilings
        self._clock = clock
        self._metrics = metrics
        self._wake = wake
        self._keep_all = keep_all
        self._enricher = enricher
        self.lookout = Lookout()
        self._pinned: dict[str, tuple[Catalogue, float]] = {}
        self._locks = {source: asyncio.Lock() for source in SOURCES}
        self._waiting: dict[str, dict[int, Page]] = {source: {} for source in SOURCES}
        self.again = Redecider(ledger, self.decider, enricher, self._locks, self.close, self.lookout)

    @property
    def rules(self) -> Rulebook:
        """The playbooks in force now; a poll that has begun goes on with those that it began with."""
        return self.decider.rules

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
            self._pin(poll)
            await self._record(poll, fresh, rows=rows, read_at=read_at, fetch=True)

    def _pin(self, poll: Poll) -> None:
        """The poll goes on with the playbooks that it began with; one that is cut off for long, with those of then."""
        now = self._clock.monotonic()
        _, since = self._pinned.get(poll.id, (None, -math.inf))
        if now - since > PINNED_SECONDS:
            self._pinned[poll.id] = self.rules.current, now

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
        by_event: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        for row in closed.set_aside:
            by_event[_event_of(row)].append(row)
        for (level, event), rows in by_event.items():
            log.each(level, event, map(told, rows))
        self._wake()

    @property
    def between_pages(self) -> asyncio.Lock:
        """Who holds it knows that no page of messages is being decided."""
        return self._locks[DETECTIONS]

    async def refresh(self, rows: Sequence[Detection], read_at: float) -> list[Detection]:
        """Decides messages anew whose verdict was found changed just before acting, read at `read_at`.

        Returns those of which that is the verdict. Of the others a poll has read a newer one meanwhile.
        """
        now = self._clock.now()
        poll = Poll(new_id(), DETECTIONS, REFRESH, now, now)
        sightings = [detection_sighting(row) for row in rows]
        async with self._locks[DETECTIONS]:
            other = {one.key for one in await self._ledger.unseen(sightings)}
            fresh = await self._ledger.unseen(sightings, read_at)
            if fresh:
                await self._record(poll, fresh, rows=len(rows), read_at=read_at)
        await self.close(poll, None)
        outdated = other - {one.key for one in fresh}
        return [row for row, one in zip(rows, sightings, strict=True) if one.key not in outdated]

    async def _record(
        self, poll: Poll, fresh: Sequence[Sighting], *, rows: int, read_at: float, fetch: bool = False
    ) -> None:
        catalogue, _ = self._pinned.get(poll.id, (self.rules.current, 0.0))
        histories = await self.decider.histories(fresh, catalogue)
        views = None
        if fetch and self._enricher is not None:
            now, unasked = utc(self._clock.now()), self.decider.quarantine.snapshot()
            views = await self._enricher.for_new(poll, fresh, now, histories, catalogue, without=unasked)
        self.lookout.note(fresh)
        decided = await self.decider.decide(
            [(fresh, None)], catalogue, histories, views=views, watch=self.lookout.late
        )
        replaced = await self._ledger.record(
            poll, fresh, decided, rows=rows, read_at=read_at, keep_all=self._keep_all
        )
        if catalogue is not self.rules.current:
            self.again.outdate(poll.source)
        tell_superseded(self._metrics, replaced)


def _event_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Level and event of an action that its plan's closing did not let go."""
    if row["state"] == State.SKIPPED and kind_of(row["kind"]).has_subject:
        return "warning", "action.refused"
    return "info", "action.held" if row["state"] == State.HELD else "action.finished"
