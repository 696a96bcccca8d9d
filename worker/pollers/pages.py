"""One page of a source, tried a few times; who reads the log hears of it until the source as a whole fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from worker.clock import Clock
from worker.errors import VendorError
from worker.ops.logs import get_logger
from worker.retry import read_page

log = get_logger()

T = TypeVar("T")


class PageReader:
    """Reads the pages of one source."""

    def __init__(self, source: str, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._failing = False

    async def read(self, fetch: Callable[[], Awaitable[T]]) -> T:
        """The page that `fetch` gets, after as many tries as `read_page` makes.

        Each try that fails is told, until a page could not be had at all: that the source fails is its poller's to
        say, once, and an outage of an hour is no line a second.
        """
        try:
            page = await read_page(fetch, self._clock.sleep, self._tell)
        except VendorError:
            self._failing = True
            raise
        self._failing = False
        return page

    def _tell(self, error: BaseException) -> None:
        if not self._failing:
            log.warning("poll.page_retried", source=self._source, error=error)
