"""Pages by number: everything but the search of messages is listed so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar

import msgspec

LARGEST_PAGE = 1000
PerPage = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_PAGE)]
PageNumber = Annotated[int, msgspec.Meta(ge=1)]
_T = TypeVar("_T")


class Paged(Protocol):
    """Parameters that ask for a page."""

    @property
    def page(self) -> int: ...
    @property
    def per_page(self) -> int: ...


class Paging(msgspec.Struct, frozen=True, kw_only=True):
    """Paging by number, without a window of time."""

    page: PageNumber = 1
    per_page: PerPage = 20


def chosen(rows: Sequence[_T], params: Paged) -> Sequence[_T]:
    """The rows of the page that is asked for."""
    first = (params.page - 1) * params.per_page
    return rows[first : first + params.per_page]


def number_page(rows: Sequence[_T], params: Paged) -> tuple[Sequence[_T], dict[str, object]]:
    """The asked page of the rows with its `result_info`."""
    found = chosen(rows, params)
    info: dict[str, object] = {
        "count": len(found),
        "page": params.page,
        "per_page": params.per_page,
        "total_count": len(rows),
    }
    return found, info


def cursor_info(count: int, per_page: int, following: str | None = None) -> dict[str, object]:
    """`result_info` in the shape of cursors; `page` and `total_count` are always 0."""
    numbers = {"count": count, "per_page": per_page, "page": 0, "total_count": 0}
    return numbers | {"next": following, "previous": None}
