"""Messages as the vendor shows them now, in bulk, each dated by the request that showed it.

No list filter takes ids, so the messages' times are gathered into spans and each span is listed in pages; what
no list shows in time is asked for by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare
from worker.errors import Refused, SlowSearch
from worker.executors.base import not_there
from worker.model.calls import Item
from worker.model.events import Detection
from worker.pollers.windows import merged
from worker.ports import Lane

MARGIN_SECONDS = 60.0
"""The vendor does not say which of a message's times its window filters, nor how it rounds."""
GAP_SECONDS = 900.0
"""Messages closer than this share one span."""
FEWEST_PAGES, MOST_PAGES = 3, 100
"""Pages of one span: as many as it holds wanted messages, for a page costs no more than one message by its id."""
LOOK_SECONDS = 30.0
"""What is not looked at by then waits for the next round, or what was seen first would be too old to act on."""
BAD_REQUEST = 400
SHORT_SECONDS = 5.0
"""A request that waited longer was short of budget: each further one may wait as long."""


@dataclass(frozen=True, slots=True)
class Read:
    """A message as the vendor showed it; `at` is when it was asked for, seconds since the epoch."""

    row: Detection
    at: float


async def listed(items: Sequence[Item], cloudflare: Cloudflare, clock: Clock) -> tuple[dict[str, Read], bool]:
    """What lists show in time, by id; nothing that is too old already when the last of them is there.

    Also whether they were cut off where the budget was short: what they show can be acted on before the next of
    them could be had, and what they do not show is theirs to show next time.

    Raises:
        VendorError: no list can be had, whatever it is asked for.
    """
    found: dict[str, Read] = {}
    until = clock.monotonic() + LOOK_SECONDS
    for start, end in spans(items, clock.now()):
        wanted = {item.message_id for item in items if start <= (item.message_from or 0.0) <= end}
        cursor: str | None = None
        for _ in range(min(max(len(wanted), FEWEST_PAGES), MOST_PAGES)):
            came, left = clock.now(), until - clock.monotonic()
            if left <= 0:
                break
            try:
                page = await cloudflare.investigate.list(
                    start=utc(start),
                    end=utc(end),
                    cursor=cursor,
                    detections_only=False,
                    lane=Lane.ACTION,
                    patience=left,
                )
            except SlowSearch:
                break
            except Refused as error:
                if error.unrouted:
                    raise
                # Odd times of one message must not stop the others; any other refusal may be about them all.
                if error.status != BAD_REQUEST:
                    await check_route(cloudflare, clock)
                break
            # How long it stood in line for the budget makes nothing older.
            until += page.waited
            asked = min(came + page.waited, clock.now())
            found.update((row.id, Read(row, asked)) for row in page.rows if row.id in wanted)
            if page.waited > SHORT_SECONDS and found.keys() & wanted:
                return _fresh(found, clock), True
            if page.next is None or page.next == cursor or wanted <= found.keys():
                break
            cursor = page.next
    return _fresh(found, clock), False


def _fresh(found: Mapping[str, Read], clock: Clock) -> dict[str, Read]:
    now = clock.now()
    return {name: read for name, read in found.items() if now - read.at <= LOOK_SECONDS}


async def by_id(item: Item, cloudflare: Cloudflare, clock: Clock) -> Read | None:
    """One message; None where the vendor says that it is not there, which a gateway in trouble says of everything."""
    asked = clock.now()
    try:
        row = await cloudflare.investigate.get(
            item.message_id, submission=item.is_submission, lane=Lane.ACTION
        )
    except Refused as error:
        if not_there(error):
            return None
        raise
    return Read(row, asked)


async def check_route(cloudflare: Cloudflare, clock: Clock) -> None:
    """Asks for what is always there, the list of messages: where that works, a 404 is about its message.

    Raises:
        VendorError: it does not work.
    """
    now = clock.now()
    try:
        await cloudflare.investigate.list(
            start=utc(now - GAP_SECONDS),
            end=utc(now),
            per_page=1,
            detections_only=False,
            lane=Lane.ACTION,
            patience=0.0,
        )
    except SlowSearch:
        pass
    except Refused as error:
        if error.unrouted or error.status != BAD_REQUEST:
            raise


def spans(items: Sequence[Item], now: float) -> list[tuple[float, float]]:
    """The stretches of time that hold all messages whose times are known, none reaching into the future."""
    stretches = (
        (item.message_from - MARGIN_SECONDS, min((item.message_until or now) + MARGIN_SECONDS, now))
        for item in items
        if item.message_from is not None and item.message_from - MARGIN_SECONDS < now
    )
    return merged(stretches, GAP_SECONDS)
