"""Requests are the currency: what may be sent now, over pollers and actions, and when nothing may be.

Actions come first: polls and enrichment may use only a share of the budget. A 429 stops everything, also over a
restart. The vendor's own `Ratelimit` headers are obeyed where they are stricter.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from worker.clock import Clock, VendorTime
from worker.errors import StoreError
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Gate, Lane, Ledger, Observation

log = get_logger()

SHARES = {Lane.ACTION: 1.0, Lane.READ_BACK: 0.95, Lane.POLL: 0.85, Lane.ENRICH: 0.6}
GOOD = range(200, 300)
BAD_REQUEST = 400
TOO_MANY = 429
FIRST_BLOCK, LONGEST_BLOCK = 10.0, 300.0
"""Seconds of pause after a 429 that names no time: doubling, at most the vendor's block of five minutes."""
BELIEVED = 10
"""Refusals in a row after which a time that the vendor names is not enough."""
IN_FLIGHT = 32
"""Requests that may be on their way, uncounted by the vendor yet, when an answer is seen."""
LOW, ENOUGH = 0.8, 0.65
LONGEST_WAIT = 5.0


class Behind:
    """A gate through which every read passes as the least urgent one: pollers and actions come first."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def admit(self, lane: Lane) -> None:
        del lane
        await self._gate.admit(Lane.ENRICH)

    def observe(self, seen: Observation) -> None:
        self._gate.observe(seen)


class VendorWindow:
    """What the vendor's own count leaves to each lane, by the answer seen last. Others draw on it too."""

    def __init__(self) -> None:
        self._used, self._quota, self._until = 0, 0, 0.0

    def note(self, seen: Observation, now: float) -> None:
        """An answer came; without a policy there is nothing to have shares of."""
        if seen.remaining is not None and seen.quota:
            self._used, self._quota = seen.quota - seen.remaining, seen.quota
            self._until = now + min(seen.resets_in or FIRST_BLOCK, LONGEST_BLOCK)

    def wait(self, lane: Lane, now: float) -> float:
        """Seconds until the lane may go on; 0 for now. The last of it is left for what is on its way."""
        if now >= self._until:
            return 0.0
        kept = min(IN_FLIGHT, self._quota // 4)
        return 0.0 if self._used < self._quota * SHARES[lane] - kept else self._until - now


class RequestBudget:
    """Implements `ports.Budget` on the ledger's sliding window."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        metrics: Metrics,
        limit: int,
        vendor_time: VendorTime | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics
        self.limit = limit
        self._vendor_time = vendor_time
        self._blocked_until = 0.0
        self._window = VendorWindow()
        self._dry_until = 0.0
        self._told_until = 0.0
        self._refusals = 0
        self._used = 0
        self._low = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def restore(self) -> None:
        """Takes up a 429 that was in force when the worker stopped."""
        wait = min(await self._ledger.blocked_until() - self._clock.now(), LONGEST_BLOCK)
        if wait > 0:
            self._blocked_until = self._clock.monotonic() + wait

    async def admit(self, lane: Lane) -> None:
        limit = max(1, int(self.limit * SHARES[lane]))
        while True:
            wait = max(self.refused_for(), self._window.wait(lane, self._clock.monotonic()))
            if not wait:
                grant = await self._ledger.take_budget(limit)
                self._note_used(grant.used)
                # Looked at again: a 429 may have come while this one stood in line.
                if grant.granted and not self.refused_for():
                    return
                if not grant.granted:
                    self._note_dry(lane, grant.wait)
                wait = grant.wait
            await self._clock.sleep(min(wait, LONGEST_WAIT))

    def observe(self, seen: Observation) -> None:
        self._metrics.request(seen.endpoint, seen.status, seen.seconds)
        # A window that begins in the vendor's future is refused: that answer too tells whose clock is ahead.
        told = seen.status == BAD_REQUEST or seen.status in GOOD
        if self._vendor_time is not None and seen.server_time is not None and told:
            self._vendor_time.note(seen.server_time)
        if seen.status == TOO_MANY:
            # Those that were on their way together are one refusal.
            if not self._refusals or not self.refused_for():
                self._refusals += 1
            self._block(self._pause(seen.retry_after))
        elif seen.status is not None:
            # An answer to what was sent before the 429 says nothing of it.
            if self._refusals and not self.refused_for():
                log.info("rate.resumed")
                self._refusals = 0
            if seen.remaining is not None and seen.remaining <= 0 and seen.resets_in:
                self._block(min(seen.resets_in, LONGEST_BLOCK))
            self._window.note(seen, self._clock.monotonic())

    def _pause(self, told: float | None) -> float:
        """What the vendor says; where it goes on refusing what it has asked for so soon, longer each time."""
        first, times = (1.0, self._refusals - BELIEVED) if told else (FIRST_BLOCK, self._refusals)
        doubled: float = first * 2 ** min(times - 1, 9) if times > 0 else 0.0
        return max(told or 0.0, min(doubled, LONGEST_BLOCK))

    def blocked_for(self) -> float:
        now = self._clock.monotonic()
        return max(self.refused_for(), self._dry_until - now, self._window.wait(Lane.ACTION, now))

    def refused_for(self) -> float:
        return max(0.0, self._blocked_until - self._clock.monotonic())

    def exhausted(self, wait: float) -> None:
        self._note_used(self.limit)
        self._note_dry(Lane.ACTION, wait)
        self._dry_until = self._clock.monotonic() + min(wait, LONGEST_WAIT)

    def pressure(self) -> float:
        return min(1.0, self._used / self.limit)

    def _note_dry(self, lane: Lane, wait: float) -> None:
        """Says once that requests wait: a run that seems to hang has a reason."""
        now = self._clock.monotonic()
        if now >= self._told_until:
            log.warning(
                "budget.exhausted", lane=lane, seconds=round(wait, 3), used=self._used, limit=self.limit
            )
        self._told_until = now + 2 * LONGEST_WAIT

    def _block(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        if until <= self._blocked_until:
            return
        self._blocked_until = until
        self._metrics.rate_limited(seconds)
        log.warning("rate.limited", seconds=round(seconds, 3))
        task = asyncio.create_task(self._remember(self._clock.now() + seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _remember(self, until: float) -> None:
        # The pause itself is in force where it cannot be written down; only a restart would forget it.
        with suppress(StoreError):
            await self._ledger.block_until(until)

    def _note_used(self, used: int) -> None:
        self._used = used
        self._metrics.budget(used, self.limit)
        share = used / self.limit
        if share >= LOW and not self._low:
            self._low = True
            log.warning("budget.low", used=used, limit=self.limit)
        elif share < ENOUGH:
            self._low = False
