"""Lists whose pages have numbers, read to their end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from worker.clock import Clock
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer
from worker.model.plans import Sighting
from worker.ops.logs import get_logger
from worker.pollers.source import Page, Take
from worker.retry import read_page

log = get_logger()

R = TypeVar("R")

PAGES = 1000
"""A bound on lists that never end."""


async def read_numbered(
    source: str,
    fetch: Callable[[int], Awaitable[WirePage[R]]],
    sighting: Callable[[R], Sighting],
    clock: Clock,
    take: Take,
) -> None:
    """Hands over page after page until one says that it is the last, or comes again."""
    seen: set[Sequence[str]] = set()
    for number in range(1, PAGES + 1):
        answer = await read_page(
            partial(fetch, number),
            clock.sleep,
            lambda error: log.warning("poll.page_retried", source=source, error=error),
        )
        sightings = tuple(sighting(row) for row in answer.rows)
        keys = tuple(one.key for one in sightings)
        if keys and keys in seen:
            log.warning("poll.cursor_loop", source=source)
            return
        seen.add(keys)
        await take(Page(sightings, answer.bad, len(answer.rows) + len(answer.bad), clock.now()))
        if not answer.more:
            return
    raise BadAnswer(f"the {source} did not end after {PAGES} pages")
