"""Lists whose pages have numbers, read to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from worker.clock import Clock
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer
from worker.model.plans import Sighting
from worker.pollers.loops import Loops
from worker.pollers.pages import PageReader
from worker.pollers.source import Page, Take
from worker.pollers.windows import SWEEP_REACH

R = TypeVar("R")

PAGES = 1000
"""A bound on lists that never end."""


class Numbered:
    """One list of a source. `sweep`: how many seconds the source's hourly sweep reaches back."""

    def __init__(self, source: str, clock: Clock, sweep: float = SWEEP_REACH) -> None:
        self._source = source
        self._clock = clock
        self._pages = PageReader(source, clock)
        self._loops = Loops(source, clock, sweep)

    async def read(
        self,
        start: float,
        fetch: Callable[[int], Awaitable[WirePage[R]]],
        sighting: Callable[[R], Sighting],
        take: Take,
    ) -> None:
        """Hands over page after page of the window that begins at `start`, until the last one or one that came before.

        Raises:
            VendorError: a page could not be had; BadAnswer where the list goes in a circle or does not end.
        """
        shown: set[Sequence[str]] = set()
        seen = 0
        for number in range(1, PAGES + 1):
            asked, answer = await self._pages.read(partial(self._dated, fetch, number))
            sightings = tuple(sighting(row) for row in answer.rows)
            keys = (*(one.key for one in sightings), *(row.digest for row in answer.bad))
            looped = bool(keys) and keys in shown
            if looped:
                self._loops.meet(start)
            else:
                shown.add(keys)
                seen += answer.count
                await take(Page(sightings, answer.bad, answer.count, asked))
            if looped or not answer.has_more(seen):
                self._loops.over(start)
                return
        raise BadAnswer(f"the {self._source} did not end after {PAGES} pages")

    async def _dated(
        self, fetch: Callable[[int], Awaitable[WirePage[R]]], number: int
    ) -> tuple[float, WirePage[R]]:
        return self._clock.now(), await fetch(number)
