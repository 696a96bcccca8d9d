"""State before acting: messages last seen too long ago are read again, in bulk, before anything is sent.

No list filter takes ids, so the messages' times are gathered into spans and each span is listed in pages; what
no list shows is asked for by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare
from worker.errors import Refused, VendorError
from worker.executors.base import Elsewhere, Executor, OnMessages, postponed
from worker.model.actions import State
from worker.model.calls import Item
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.model.plans import DETECTIONS
from worker.ops.logs import get_logger
from worker.pollers.windows import merged
from worker.ports import Lane
from worker.proof import Proof

log = get_logger()

MARGIN_SECONDS = 60.0
"""The vendor does not say which of a message's times its window filters, nor how it rounds."""
GAP_SECONDS = 900.0
"""Messages closer than this share one span."""
FEWEST_PAGES, MOST_PAGES = 3, 100
"""Pages of one span: as many as it holds wanted messages, for a page costs no more than one message by its id."""
AT_ONCE = 8
"""Messages whose own logs are read side by side: one after the other, the first would be old before the last."""
SINGLE_READS = 50
"""Messages asked for by id in one round; the others wait for the next."""
LOOK_SECONDS = 30.0
"""What is not looked at by then waits for the next round, or what was seen first would be too old to act on."""
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Looked:
    """What the looks showed, and the rows whose verdict has changed: they are decided anew."""

    looks: tuple[Look, ...]
    changed: tuple[Detection, ...]
    read_at: float
    """When the reading began, seconds since the epoch: what was seen is no younger."""


async def look(
    items: Sequence[Item],
    executor: Executor,
    cloudflare: Cloudflare,
    clock: Clock,
    prove: Proof | None = None,
) -> Looked:
    """Looks again at what the items act on and says of each whether to go on. VendorError where that is not possible.

    `prove` is asked too after a restore, about what a message may not show.
    """
    read_at = clock.now()
    if isinstance(executor, Elsewhere):
        surveyed = [
            await _proven(one, items, executor, prove) for one in await executor.survey(items, read_at)
        ]
        _tell_unread(items, surveyed)
        return Looked(tuple(surveyed), (), read_at)
    rows = await _listed(items, cloudflare, clock)
    seen: list[Look | Detection] = []
    chosen = list(_bounded(items, rows))
    began = clock.monotonic()
    for start in range(0, len(chosen), AT_ONCE):
        if clock.monotonic() - began > LOOK_SECONDS:
            break
        part = chosen[start : start + AT_ONCE]
        seen += await asyncio.gather(*(_one(item, rows, executor, cloudflare, prove) for item in part))
    looks = tuple(one for one in seen if isinstance(one, Look))
    _tell_unread(items, looks)
    return Looked(looks, tuple(one for one in seen if isinstance(one, Detection)), read_at)


def _tell_unread(items: Sequence[Item], looks: Iterable[Look]) -> None:
    by_id = {item.action_id: item for item in items}
    for one in looks:
        if one.unread:
            item = by_id[one.action_id]
            log.warning(
                "state.unreadable",
                action_id=item.action_id,
                message_id=item.message_id,
                kind=item.kind,
                target=item.target,
                reason=one.why,
                again_in=one.again_in,
            )


async def _one(
    item: Item,
    rows: Mapping[str, Detection],
    executor: OnMessages,
    cloudflare: Cloudflare,
    prove: Proof | None,
) -> Look | Detection:
    """Whether to go on with this one; its row where the verdict has changed."""
    try:
        row = rows.get(item.message_id) or await _single(item, cloudflare)
        if row is None:
            return Look(item.action_id, State.SKIPPED, "the message is gone")
        if _verdict_changed(item, row):
            return row
        found = await executor.look(item, row)
        if found.state is State.READY and prove is not None and prove.needed(item, executor):
            found = await prove(item, executor)
    except VendorError as error:
        return postponed(item, error)
    else:
        return found


async def _proven(one: Look, items: Sequence[Item], executor: Executor, prove: Proof | None) -> Look:
    if prove is None or one.state is not State.READY or one.again_in is not None:
        return one
    item = next(item for item in items if item.action_id == one.action_id)
    return await prove(item, executor) if prove.needed(item, executor) else one


def _verdict_changed(item: Item, row: Detection) -> bool:
    """A report's action does not hang on the message's verdict, nor does an undo."""
    return item.source == DETECTIONS and not item.cause and row.final_disposition != item.verdict


def _bounded(items: Sequence[Item], rows: Mapping[str, Detection]) -> Iterable[Item]:
    left = SINGLE_READS
    for item in items:
        if item.message_id not in rows:
            if not left:
                continue
            left -= 1
        yield item


async def _listed(items: Sequence[Item], cloudflare: Cloudflare, clock: Clock) -> dict[str, Detection]:
    found: dict[str, Detection] = {}
    for start, end in spans(items, clock.now()):
        wanted = {item.message_id for item in items if start <= (item.message_from or 0.0) <= end}
        cursor: str | None = None
        for _ in range(min(max(len(wanted), FEWEST_PAGES), MOST_PAGES)):
            try:
                page = await cloudflare.investigate.list(
                    start=utc(start), end=utc(end), cursor=cursor, detections_only=False, lane=Lane.ACTION
                )
            except Refused:
                # Odd times of one message must not stop the others: they are asked for by their ids.
                break
            found.update((row.id, row) for row in page.rows if row.id in wanted)
            if page.next is None or page.next == cursor or wanted <= found.keys():
                break
            cursor = page.next
    return found


def spans(items: Sequence[Item], now: float) -> list[tuple[float, float]]:
    """The stretches of time that hold all messages whose times are known, none reaching into the future."""
    stretches = (
        (item.message_from - MARGIN_SECONDS, min((item.message_until or now) + MARGIN_SECONDS, now))
        for item in items
        if item.message_from is not None and item.message_from - MARGIN_SECONDS < now
    )
    return merged(stretches, GAP_SECONDS)


async def _single(item: Item, cloudflare: Cloudflare) -> Detection | None:
    try:
        return await cloudflare.investigate.get(
            item.message_id, submission=item.is_submission, lane=Lane.ACTION
        )
    except Refused as error:
        if error.status == NOT_FOUND:
            return None
        raise
