"""Window arithmetic: which stretch of time the next poll of a source covers. Pure; seconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from worker.ids import new_id
from worker.model.ledger import Cursor
from worker.model.plans import Poll

SWEEP_EVERY = 3600.0
SWEEP_REACH = 86400.0
SLICED_FROM = 3600.0
"""Windows longer than this are read in parallel slices of time."""
SLICES = 2
SEAM_SECONDS = 1.0
"""Neighbouring slices overlap: whether the vendor's bounds are inclusive is not documented."""

Span = tuple[float, float]
"""A stretch of time, from its start to its end."""

FIRST, REGULAR, SWEEP = "first", "regular", "sweep"


@dataclass(frozen=True, slots=True)
class Reach:
    """How far windows reach back, in seconds."""

    lookback: float
    overlap: float
    sweep: float = SWEEP_REACH

    @property
    def furthest(self) -> float:
        """How far behind its watermark a window can begin."""
        return max(self.lookback, self.overlap, self.sweep)


def begin(now: float, reach: Reach) -> Cursor:
    """The cursor of a source that nobody has read yet.

    Kept before the first attempt to read it: where that fails, for hours perhaps, the next one begins at the same place.
    """
    floor = now - reach.lookback
    return Cursor(watermark=floor, floor=floor, swept_at=floor)


def next_poll(
    source: str, cursor: Cursor, now: float, reach: Reach, *, sweeps: bool = True, behind: float = 0.0
) -> Poll:
    """The next window: over the overlap into the last one, hourly over a day, never before the source's floor.

    Not `sweeps`: the day cannot be read just now, and what is new is. `behind`: seconds by which the vendor's clock is
    behind ours; its mail bears its times, and it refuses a window that begins in its future.

    A clock that went back neither makes a window end before it starts nor lets one start in the future.
    """
    start = min(cursor.watermark, now) - reach.overlap
    kind = REGULAR
    if sweeps and not 0 <= now - cursor.swept_at < SWEEP_EVERY:
        # From the last poll on: while nobody polled, rows may have come late that no window since has shown.
        kind, start = SWEEP, min(cursor.watermark, now) - max(reach.sweep, reach.overlap)
    # A floor in the future is that of a clock that ran ahead: it would hide everything until then.
    floor = cursor.floor if cursor.floor <= now else now - reach.lookback
    if cursor.watermark <= floor:
        kind, start = FIRST, floor
    return Poll(new_id(), source, kind, min(max(start - behind, floor), now), now)


def resumed(poll: Poll, cursor: Cursor, now: float, reach: Reach, *, behind: float = 0.0) -> Poll:
    """A poll that was cut off, as it is read on: up to now, and not from the vendor's future.

    It may have been opened before anything told how far the vendor's clock is `behind`.
    """
    latest = max(now - behind - reach.overlap, cursor.floor) if behind else poll.start
    return replace(poll, start=min(poll.start, latest), end=min(poll.end, now))


def advance(cursor: Cursor, poll: Poll) -> Cursor:
    """The cursor after the poll has closed; the watermark never goes back, and the floor stays where it is.

    A clock that ran behind has asked for what lies before the floor; that lasts no longer than the clock is wrong.
    """
    swept_at = poll.end if poll.kind in (FIRST, SWEEP) else cursor.swept_at
    return cursor._replace(watermark=max(cursor.watermark, poll.end), swept_at=swept_at)


def merged(spans: Iterable[Span], gap: float) -> list[Span]:
    """The spans in the order of time, those that lie no further apart than `gap` as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= gap:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def slices(start: float, end: float, theirs: float) -> list[Span]:
    """A long window in SLICES parts that overlap by a seam; a short one whole.

    No part but the first begins after `theirs`, the vendor's now; the last goes on to the end whatever that is.
    """
    until = min(end, theirs)
    if until - start < SLICED_FROM:
        return [(start, end)]
    width = (until - start) / SLICES
    return [
        (start + index * width - (SEAM_SECONDS if index else 0.0), start + (index + 1) * width)
        for index in range(SLICES - 1)
    ] + [(until - width - SEAM_SECONDS, end)]
