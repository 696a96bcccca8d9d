"""Finding the messages that events name by their postfix id: one list, read as far as that is possible."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from worker.clock import Clock
from worker.cloudflare import Page
from worker.errors import BadAnswer, Refused, SlowSearch, Transient
from worker.model.events import Detection
from worker.ops.logs import get_logger
from worker.pollers.pages import PageReader

log = get_logger()


class Wanted(NamedTuple):
    """What is known of the message of one event."""

    key: str
    """The event's."""
    postfix_id: str
    to: tuple[str, ...]
    """Whose copy is meant; empty where that is not said."""


@dataclass(slots=True)
class Found:
    """What searches have shown, by the keys of those that were searched for: None where nothing was found."""

    messages: dict[str, Detection | None] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    """Those whose search came to no end: what was not found may be there all the same."""
    unanswered: set[str] = field(default_factory=set)
    """Of those, the ones that the vendor has said nothing about at all: that passes."""
    unread: set[str] = field(default_factory=set)
    """Those of whose list a part was not read: what was found is not right, and a better one may be there."""

    def has(self, one: Wanted) -> bool:
        """Whether no further page can show a better message for it."""
        return is_right(self.messages.get(one.key), one.to)


async def find(
    source: str,
    clock: Clock,
    fetch: Callable[[str | None], Awaitable[Page[Detection]]],
    wanted: Sequence[Wanted],
    most: int,
    found: Found,
) -> int:
    """Reads at most so many pages of one list, and returns how many it read. `fetch` gets a page by its cursor.

    What fails for good is told in `found` alone: it must not cost the events of other searches their turn.

    Raises:
        VendorError: what is true of any request (`Unauthorized`, `RateLimited`).
    """
    pages = PageReader(source, clock)
    rows: dict[str, list[Detection]] = defaultdict(list)
    names = {one.postfix_id for one in wanted}
    before = {one: found.messages.setdefault(one.key, None) for one in wanted}
    cursor: str | None = None
    known: set[str] = set()
    for number in range(1, most + 1):
        try:
            answer = await pages.read(partial(fetch, cursor))
        except (Transient, Refused, BadAnswer) as error:
            log.warning("poll.search_failed", source=source, count=len(wanted), error=error)
            found.failed.update(one.key for one in wanted)
            found.unread.update(one.key for one in wanted if not found.has(one))
            if isinstance(error, Transient) and not isinstance(error, SlowSearch):
                found.unanswered.update(one.key for one in wanted)
            return number
        for row in answer.rows:
            if row.postfix_id in names:
                rows[row.postfix_id].append(row)
        for one, message in before.items():
            found.messages[one.key] = best([*filter(None, [message]), *rows[one.postfix_id]], one.to)
            if found.has(one):
                found.unread.discard(one.key)
        cursor = answer.next
        if cursor is None or cursor in known or all(map(found.has, wanted)):
            return number
        known.add(cursor)
    found.unread.update(one.key for one in wanted if not found.has(one))
    return most


def best(rows: Iterable[Detection], to: Collection[str]) -> Detection | None:
    """Several messages may share a postfix id: prefer the recipient's, then the original to a user's submission."""
    return min(rows, key=lambda row: _faults(row, to), default=None)


def is_right(row: Detection | None, to: Collection[str]) -> bool:
    """Whether no further page can show a better one."""
    return row is not None and not any(_faults(row, to))


def _faults(row: Detection, to: Collection[str]) -> tuple[bool, bool]:
    wanted = {address.lower() for address in to}
    others = bool(wanted) and not wanted & {address.lower() for address in row.client_recipients}
    return others, row.is_phish_submission
