"""Detections: the list of `GET investigate`, by cursor, benign mail included, long windows in parallel slices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from worker.clock import Clock, VendorTime, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer
from worker.model.events import Detection
from worker.model.plans import DETECTIONS, Poll, Sighting, detection_sighting
from worker.pollers.loops import Loops
from worker.pollers.pages import PageReader
from worker.pollers.source import Page, Take
from worker.pollers.windows import SLICES, Span, slices
from worker.ports import Lane

PAGES_PER_SLICE = 5000
"""A bound on cursors that never end."""
EMPTY_PAGES = 20
"""Pages without a row, one after the other, after which no more is expected of the next cursor."""


class DetectionSource:
    """Reads every message of a window."""

    name = DETECTIONS

    def __init__(self, cloudflare: Cloudflare, clock: Clock, vendor_time: VendorTime) -> None:
        self._cloudflare = cloudflare
        self._clock = clock
        self._vendor_time = vendor_time
        self._pages = PageReader(self.name, clock)
        self._loops = [Loops(self.name, clock) for _ in range(SLICES)]

    async def read(self, poll: Poll, take: Take) -> None:
        """Reads the window's slices side by side; of each, one page is read while the one before it is taken."""
        parts = slices(poll.start, poll.end, self._clock.now() - self._vendor_time.behind)
        async with asyncio.TaskGroup() as group:
            for loops, part in zip(self._loops, parts, strict=False):
                group.create_task(self._read_slice(poll.start, part, loops, take))

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """A row of the list carries everything."""
        del last_chance
        return list(fresh)

    async def _read_slice(self, window: float, part: Span, loops: Loops, take: Take) -> None:
        start, end = part
        known: set[str | int] = set()
        empty = 0
        coming = asyncio.create_task(self._read(start, end, None))
        try:
            for _ in range(PAGES_PER_SLICE):
                page, cursor = await coming
                shown = hash(tuple([one.key for one in page.sightings]))
                empty = 0 if page.rows else empty + 1
                again = cursor in known or (bool(page.sightings) and shown in known)
                looped = cursor is not None and (again or empty == EMPTY_PAGES)
                known.add(shown)
                if cursor is not None and not looped:
                    # Under way while this page is recorded, which it must not hinder should it fail.
                    coming = asyncio.create_task(self._read(start, end, cursor))
                    known.add(cursor)
                await take(page)
                if looped:
                    loops.meet(window, start)
                if cursor is None or looped:
                    loops.over(window)
                    return
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        raise BadAnswer(f"the list did not end after {PAGES_PER_SLICE} pages")

    async def _read(self, start: float, end: float, cursor: str | None) -> tuple[Page, str | None]:
        async def fetch() -> tuple[float, WirePage[Detection]]:
            came = self._clock.now()
            page = await self._cloudflare.investigate.list(
                start=utc(start), end=utc(end), cursor=cursor, detections_only=False, lane=Lane.POLL
            )
            # How long it stood in line for the budget makes nothing older.
            return min(came + page.waited, self._clock.now()), page

        asked, answer = await self._pages.read(fetch)
        sightings = tuple(detection_sighting(row) for row in answer.rows)
        return Page(sightings, answer.bad, answer.count, asked), answer.next
