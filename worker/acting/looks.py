"""State before acting: messages last seen too long ago are read again, in bulk, before anything is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from worker.acting.proof import Proof
from worker.acting.reading import LOOK_SECONDS, Read, by_id, check_route, listed
from worker.clock import Clock
from worker.cloudflare import Cloudflare
from worker.errors import VendorError
from worker.executors.base import FEW, Elsewhere, Executor, OnMessages, alone, skipped, unread
from worker.model.actions import State
from worker.model.calls import Item
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.model.plans import DETECTIONS
from worker.ops.logs import get_logger

log = get_logger()

AT_ONCE = 8
"""Messages whose own logs are read side by side: one after the other, the first would be old before the last."""
SINGLE_READS = 50
"""Messages asked for by id in one round; the others wait for the next."""
TOO_OLD_SECONDS = 60.0
"""What was seen longer ago is claimed by nobody."""
GONE = "the message is gone"


@dataclass(frozen=True, slots=True)
class Looked:
    """What the looks showed, and the rows whose verdict has changed: they are decided anew."""

    looks: tuple[Look, ...]
    changed: tuple[Detection, ...]
    read_at: float
    """When the first of those rows was asked for, seconds since the epoch: no verdict among them is older."""
    few: bool = False
    """Whether there was time for a few only: the next look had better not ask about more."""

    def helps(self, now: float) -> bool:
        """Whether anything comes of it: the next look at what was too old as soon as it was seen would end alike."""
        return bool(self.changed) or any(
            one.state is not State.READY
            or one.again_in is not None
            or one.read_at is None
            or now - one.read_at <= TOO_OLD_SECONDS
            for one in self.looks
        )


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
    if isinstance(executor, Elsewhere):
        looked = await _survey(items, executor, clock, prove)
    else:
        looks, changed = await _messages(items, executor, cloudflare, clock, prove)
        read_at = min((one.at for one in changed), default=clock.now())
        looked = Looked(tuple(looks), tuple(one.row for one in changed), read_at)
    _tell_unread(items, looked.looks)
    return looked


async def _survey(items: Sequence[Item], executor: Elsewhere, clock: Clock, prove: Proof | None) -> Looked:
    asked = clock.now()
    surveyed = await executor.survey(items, asked)
    few = clock.now() - asked > LOOK_SECONDS
    if few:
        # A list of everything takes too long: a few are asked for by themselves.
        asked = clock.now()
        surveyed = await executor.survey(items[:FEW], asked)
    looks = [(await _proven(one, items, executor, prove))._replace(read_at=asked) for one in surveyed]
    return Looked(tuple(looks), (), asked, few)


async def _messages(
    items: Sequence[Item],
    executor: OnMessages,
    cloudflare: Cloudflare,
    clock: Clock,
    prove: Proof | None,
) -> tuple[list[Look], list[Read]]:
    rows, cut_off = await listed(items, cloudflare, clock)
    if cut_off and rows:
        items = [item for item in items if item.message_id in rows]
    seen: list[tuple[Item, Look | Read | None]] = []
    chosen = list(_bounded(items, rows))
    until = clock.monotonic() + LOOK_SECONDS
    oldest = math.inf
    for start in range(0, len(chosen), AT_ONCE):
        # What is ready must not grow too old over the others, which have the next round.
        if clock.monotonic() > until or clock.now() - oldest > LOOK_SECONDS:
            break
        part = chosen[start : start + AT_ONCE]
        ones = (alone(item, _one(item, rows, executor, cloudflare, clock, prove)) for item in part)
        found = await asyncio.gather(*ones)
        seen += zip(part, found, strict=True)
        oldest = min([oldest, *filter(None, (_age_counts(one) for one in found))])
    looks = [one for _, one in seen if isinstance(one, Look)]
    looks += await _gone([item for item, one in seen if one is None], cloudflare, clock)
    return looks, [one for _, one in seen if isinstance(one, Read)]


def _age_counts(one: Look | Read | None) -> float | None:
    """When that was read which has to be claimed while it is fresh."""
    if isinstance(one, Look) and one.state is State.READY and one.again_in is None:
        return one.read_at
    return None


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
    rows: Mapping[str, Read],
    executor: OnMessages,
    cloudflare: Cloudflare,
    clock: Clock,
    prove: Proof | None,
) -> Look | Read | None:
    """Whether to go on with this one; what was read where the verdict has changed, None where nothing is there."""
    read = rows.get(item.message_id) or await by_id(item, cloudflare, clock)
    if read is None or _verdict_changed(item, read.row):
        return read
    found = await executor.look(item, read.row)
    if found.state is State.READY and prove is not None and prove.needed(item, executor):
        found = await prove(item, executor)
    return found._replace(read_at=read.at)


async def _gone(items: Sequence[Item], cloudflare: Cloudflare, clock: Clock) -> list[Look]:
    """What a 404 was the answer to has ended for good: believed only where the vendor finds other things after it."""
    if not items:
        return []
    try:
        await check_route(cloudflare, clock)
    except VendorError as error:
        return [unread(item, f"404, but nothing else can be had either: {error}") for item in items]
    return [skipped(item, GONE) for item in items]


async def _proven(one: Look, items: Sequence[Item], executor: Executor, prove: Proof | None) -> Look:
    if prove is None or one.state is not State.READY or one.again_in is not None:
        return one
    item = next(item for item in items if item.action_id == one.action_id)
    return await prove(item, executor) if prove.needed(item, executor) else one


def _verdict_changed(item: Item, row: Detection) -> bool:
    """A report's action does not hang on the message's verdict, nor does an undo."""
    return item.source == DETECTIONS and not item.cause and row.final_disposition != item.verdict


def _bounded(items: Sequence[Item], rows: Mapping[str, Read]) -> Iterable[Item]:
    left = SINGLE_READS
    for item in items:
        if item.message_id not in rows:
            if not left:
                continue
            left -= 1
        yield item
