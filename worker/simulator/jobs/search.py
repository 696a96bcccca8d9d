"""What a bulk job looks for: the filters of `GET investigate` and a few more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from worker.simulator import query
from worker.simulator.rows import Destination, Verdict, parse_rfc3339, to_rfc3339
from worker.simulator.tenant import Message, Tenant


class JobSearch(query.Filters, frozen=True, kw_only=True):
    """The search of a job; `start` and `end` default as those of the list do, at the time of the search."""

    final_disposition: Verdict | None = None
    exact_subject: str | None = None
    action_log: bool | UnsetType = UNSET
    """Without function."""
    submissions: bool = False
    """Searches messages that users reported instead of the others; those are skipped."""


class JobBody(msgspec.Struct, kw_only=True):
    """Body of `POST investigate/bulk`."""

    action: Literal["MOVE", "RELEASE"]
    search_params: JobSearch
    destination: Destination | UnsetType = UNSET
    comment: str | None = None
    expected_disposition: Verdict | None = None
    """Without function."""

    def __post_init__(self) -> None:
        if self.action == "MOVE" and self.destination is UNSET:
            raise ValueError("destination is required when action is MOVE")


def found(tenant: Tenant, search: JobSearch) -> Iterator[Message]:
    """The messages that match now, newest first."""
    for message in query.find(tenant, search):
        row = message.row
        if row.is_phish_submission == search.submissions and search.exact_subject in (None, row.subject):
            yield message


def echoed(search: JobSearch) -> dict[str, Any]:
    """The search as the job shows it: what was asked for, and the two defaults that decide most."""
    given = {
        name: value for name, value in msgspec.structs.asdict(search).items() if value not in (None, UNSET)
    }
    return given | {
        name: to_rfc3339(parse_rfc3339(given[name])) for name in ("start", "end") if name in given
    }
