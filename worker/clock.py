"""Time as the worker sees it: one seam, so that tests turn it by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

_BOTH_READ_SECONDS = 0.1
_SKEW_SECONDS = 5.0
"""A `Date` has whole seconds and has been on its way."""
EARLIEST, LATEST = 1990, 2200
"""Years in which a time can lie that somebody meant."""
_BELIEVED_SECONDS = 86400.0
"""How far a `Date` may be off for windows to follow it: one of last year would have a year read at every poll."""
_SANE = tuple(datetime(year, 1, 1, tzinfo=UTC).timestamp() for year in (EARLIEST, LATEST))


class Clock(Protocol):
    """Wall clock for what is stored, monotonic clock for what is waited for; both in seconds."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever go forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellation passes through."""
        ...


class SteadyClock:
    """The machine's time as it was last believed, carried on by a clock that nobody can set.

    Somebody sets the wall clock, or the network does: `stepped` tells by how much, and what is stored must be dated
    anew before `adopt` follows it. Until then time goes on evenly.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] | None = None,
        boot: str | None = None,
    ) -> None:
        self._wall = wall
        self._steady = steady or _since_boot
        self.boot = _boot_id() if boot is None else boot
        self.offset = self._measured()

    def now(self) -> float:
        return self.offset + self._steady()

    def monotonic(self) -> float:
        return self._steady()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def stepped(self) -> float:
        """Seconds by which the machine's clock has been set since it was last believed."""
        return self._measured() - self.offset

    def adopt(self, seconds: float) -> None:
        """Goes by what the machine's clock says now."""
        self.offset += seconds

    def _measured(self) -> float:
        while True:
            before = self._steady()
            wall = self._wall()
            after = self._steady()
            # A process that was stopped between the two must not take that for a step.
            if after - before <= _BOTH_READ_SECONDS:
                return wall - after


class VendorTime:
    """How far the vendor's clock may be from ours, as the `Date` of its answers tells it.

    Its logs are read by both clocks: ours may have been set wrong, and a `Date` may come from somebody in between.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset: float | None = None

    def note(self, told: float) -> None:
        """An answer came: this was the vendor's time, in seconds since the epoch; an absurd one tells none."""
        if _SANE[0] <= told < _SANE[1]:
            self._offset = told - self._clock.monotonic()

    @property
    def told(self) -> bool:
        """Whether any answer has told it since the process began."""
        return self._offset is not None

    def earliest(self, at: float) -> float:
        """One of our moments on whichever clock says the earlier; as it is while nothing speaks against ours."""
        return at + min(0.0, self.ahead)

    def latest(self, at: float) -> float:
        """The same by whichever clock says the later."""
        return at + max(0.0, self.ahead)

    @property
    def behind(self) -> float:
        """Seconds by which the vendor's clock is behind ours, as far as windows go by it; 0 for a few, or over a day."""
        behind = max(0.0, -self.ahead)
        return behind if behind <= _BELIEVED_SECONDS else 0.0

    @property
    def ahead(self) -> float:
        """Seconds by which the vendor's clock is ahead of ours, negative where it is behind; 0 for a few."""
        if self._offset is None:
            return 0.0
        ahead = self._offset + self._clock.monotonic() - self._clock.now()
        return ahead if abs(ahead) > _SKEW_SECONDS else 0.0


def _since_boot() -> float:
    """Seconds since the machine started, its sleep included, also for the next process; elsewhere without that."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _boot_id() -> str:
    """What names this start of the machine; empty where nothing does, and then no two are the same."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def iso(seconds: float) -> str:
    """RFC 3339 in UTC with microseconds, such as `2026-11-21T02:14:05.250000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def utc(seconds: float) -> datetime:
    """An aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
