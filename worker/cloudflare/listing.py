"""A list of the API: awaited it is one page, iterated it is every row of every page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from typing import Any, Generic, TypedDict, TypeVar

from worker.cloudflare import rows
from worker.cloudflare.operations import Operation, Query
from worker.cloudflare.shapes import Shape
from worker.cloudflare.transport import Answer, Transport
from worker.cloudflare.wire import Page
from worker.errors import BadAnswer
from worker.ports import Lane

R = TypeVar("R")

MAX_PER_PAGE = 1000
MAX_PAGES = 200
"""Pages of one iteration: two hundred thousand rows."""

Position = str | int | None
"""Where a page begins: its number, or the cursor that the page before it gave; None for the first of those."""


class Paged(TypedDict, total=False):
    """What lists take beside their filters. Without `per_page` a page has as many rows as the API allows."""

    page: int
    per_page: int


class Listing(Generic[R]):
    """`await listing` asks for one page; `async for row in listing` for all of them, one request each.

    Nothing is sent before that. Where a row cannot be read, a page comes twice, cursors go in a circle or there is no
    end, the iteration raises `BadAnswer`: half a list proves nothing. `pages()` hands out what cannot be read as well.
    """

    def __init__(
        self, endpoint: str, fetch: Callable[[Position], Awaitable[Page[R]]], start: Position
    ) -> None:
        self._endpoint = endpoint
        self._fetch = fetch
        self._start = start

    def __repr__(self) -> str:
        return f"<Listing {self._endpoint}>"

    def __await__(self) -> Generator[Any, None, Page[R]]:
        return self._fetch(self._start).__await__()

    async def __aiter__(self) -> AsyncIterator[R]:
        async for page in self.pages():
            if page.bad:
                raise BadAnswer(f"{self._endpoint}: a row cannot be read: {page.bad[0].reason}")
            for row in page.rows:
                yield row

    async def pages(self, limit: int = MAX_PAGES) -> AsyncIterator[Page[R]]:
        """Page after page, at most so many.

        Raises:
            BadAnswer: a page or a cursor came twice, there are more pages, or of many rows none can be read.
            VendorError: as any request.
        """
        position, asked = self._start, {self._start}
        before: Page[R] = Page(())
        seen = 0
        for _ in range(limit):
            page = await self._fetch(position)
            if page.count and (page.rows, page.bad) == (before.rows, before.bad):
                raise BadAnswer(f"{self._endpoint}: the same page came twice")
            yield page
            seen += page.count
            position, before = _after(position, page, seen), page
            if position is None:
                return
            if position in asked:
                raise BadAnswer(f"{self._endpoint}: its cursors go in a circle")
            asked.add(position)
        raise BadAnswer(f"{self._endpoint}: more than {limit} pages; narrow the list")


def _after(position: Position, page: Page[R], seen: int) -> Position:
    if isinstance(position, int):
        return position + 1 if page.has_more(seen) else None
    return page.next


def numbered(
    transport: Transport,
    operation: Operation,
    shape: Shape[Any, R],
    query: Mapping[str, Any],
    *,
    ids: Mapping[str, str] | None = None,
    lane: Lane,
) -> Listing[R]:
    """A list whose pages have numbers: every one but Investigate's. `page` and `per_page` are part of the query."""

    async def fetch(position: Position) -> Page[R]:
        page, per_page = check_page(position), check_per_page(query.get("per_page", MAX_PER_PAGE))
        numbers: Query = {**query, "page": page, "per_page": per_page}
        answer = await transport.request(operation, lane=lane, ids=ids, query=numbers)
        decoded = believed(transport, answer, rows.read_list(answer, shape))
        return rows.numbered_page(decoded, page=page, per_page=per_page)

    return Listing(operation.endpoint, fetch, query.get("page", 1))


def believed(transport: Transport, answer: Answer, decoded: rows.Decoded[R]) -> rows.Decoded[R]:
    """The rows of a page that is not wholly unreadable, after telling what some were read without.

    Raises:
        VendorError: see `rows.some`.
    """
    if decoded.left_out:
        transport.left_out(answer.operation.endpoint, decoded.left_out)
    return rows.some(answer, decoded)


def check_page(page: object) -> int:
    """Pages are counted from 1."""
    if not isinstance(page, int) or page < 1:
        raise ValueError(f"page must be 1 or more, got {page!r}")
    return page


def check_per_page(per_page: int) -> int:
    """1 to 1,000, wherever a list has pages (API reference)."""
    if not 1 <= per_page <= MAX_PER_PAGE:
        raise ValueError(f"per_page must be 1 to {MAX_PER_PAGE}, got {per_page}")
    return per_page
