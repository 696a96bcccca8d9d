"""Reads the vendor's list for the siblings of campaigns: narrowed where it can be, else one reading for all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare, Page
from worker.cloudflare.investigate import Filters
from worker.errors import BadAnswer
from worker.model.events import Detection
from worker.model.sweeps import DETECTED, Campaign, Watch
from worker.ports import Lane
from worker.retry import read_page

MOST_PAGES = 200
"""Of a thousand messages; a search that needs more is too wide to be meant."""
MOST_SIBLINGS = 20_000
WORDS = 6
"""Words of a subject that a search is narrowed by."""
_WORD = re.compile(r"[A-Za-z0-9]{3,}")


class TooWideError(Exception):
    """The search would not end; the text is for the playbook's author."""

    def __init__(self) -> None:
        super().__init__(
            f"the window holds more than {MOST_PAGES * 1000:,} messages: add sender or exact_subject to `by`, "
            "or shorten `window`"
        )


@dataclass(slots=True)
class Search:
    """What one reading has shown; `read_at` is when it began, seconds since the epoch."""

    read_at: float
    siblings: dict[str, dict[str, Detection]] = field(default_factory=dict)
    """By campaign and message."""
    searched: int = 0
    exact: bool = False
    """Whether the vendor narrowed it, and showed no detected message beside the siblings: what a job would find."""


async def read(
    campaigns: Sequence[Campaign], narrow: Filters, cloudflare: Cloudflare, clock: Clock
) -> Search:
    """Every sibling in the campaigns' windows. VendorError, or TooWideError; nothing is kept of a part."""
    search = Search(clock.now(), {one.id: {} for one in campaigns})
    watch = Watch(campaigns)
    since = min(one.since for one in campaigns)
    cursor: str | None = None
    cursors: set[str] = set()
    strangers = 0
    for _ in range(MOST_PAGES):
        fetch = partial(_page, cloudflare, since, search.read_at, cursor, narrow)
        page = await read_page(fetch, clock.sleep, lambda _: None)
        search.searched += len(page.rows)
        for row in page.rows:
            of = [one for one in watch.of(row) if _is_within(row, one)]
            for one in of:
                search.siblings[one.id].setdefault(row.id, row)
            strangers += not of and row.final_disposition in DETECTED
        if page.next is None:
            search.exact = bool(narrow) and not strangers
            return search
        if page.next in cursors:
            raise BadAnswer("the cursors of the search go in a circle")
        cursors.add(page.next)
        cursor = page.next
    raise TooWideError


def _is_within(row: Detection, campaign: Campaign) -> bool:
    return row.scanned_at is None or row.scanned_at.timestamp() >= campaign.since


async def _page(
    cloudflare: Cloudflare, since: float, until: float, cursor: str | None, narrow: Filters
) -> Page[Detection]:
    """Benign mail too: what the filter has missed is what lies in the mailboxes."""
    return await cloudflare.investigate.list(
        start=utc(since), end=utc(until), cursor=cursor, detections_only=False, lane=Lane.ENRICH, **narrow
    )


def narrowed(campaign: Campaign) -> Filters:
    """What the vendor's list can be narrowed by. It knows no hashes; of a subject it takes words in any order."""
    narrow: Filters = {}
    if "sender" in campaign.shared:
        narrow["sender"] = campaign.shared["sender"]
    if words := _WORD.findall(campaign.shared.get("exact_subject", ""))[:WORDS]:
        narrow["subject"] = " ".join(words)
    return narrow
