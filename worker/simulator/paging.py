"""Pages by number: everything but the search of messages is listed so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Protocol, TypeVar

import msgspec

PerPage = Annotated[int, msgspec.Meta(ge=1, le=1000)]
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
