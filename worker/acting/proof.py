"""After a restore: whether an action that seems undone was done by a worker whose record of it is lost.

A folder shows in the message itself. A release or a request for another verdict may not: the vendor's logs are read
as if its answer had been lost. What they do not show is sent where the kind allows that, else a person decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from worker.clock import Clock, VendorTime
from worker.errors import BadAnswer
from worker.executors.base import Effect, Executor, skipped
from worker.model.actions import State
from worker.model.calls import Item
from worker.model.ledger import Look, Loss


@dataclass(frozen=True, slots=True)
class Proof:
    """Looks for the effects of the stretch that the ledger has lost. Times in seconds.

    The stretch is told by our clock, as approvals are, and read in the vendor's logs by its clock too.
    """

    loss: Loss
    delay: float
    clock: Clock
    vendor_time: VendorTime | None = None

    def needed(self, item: Item, executor: Executor) -> bool:
        """Whether the lost worker can have seen the message, and a look at it would not show what was done."""
        return not executor.shows and self.loss.covers(item.message_from)

    async def __call__(self, item: Item, executor: Executor) -> Look:
        """Whether to go on, in place of a look that found nothing against it."""
        now = self.clock.now()
        # The vendor's logs may lag; one look after so many delays is worth as many looks.
        wait = self.loss.until + max(executor.proofs, 1) * self.delay - now
        if wait > 0:
            why = "the database was restored: the vendor's log must catch up before it is read"
            return Look(item.action_id, State.READY, why, again_in=wait)
        try:
            since, until = self._span(now)
            seen = await executor.read_back(replace(item, submitted_at=since), until)
        except BadAnswer as error:
            return Look(
                item.action_id, State.HELD, f"the database was restored, and nobody can tell: {error}"
            )
        if seen.effect is Effect.DONE:
            return skipped(item, "done already, by what the restored database does not know of")
        approved_since = item.approved_at is not None and item.approved_at > self.loss.until
        if seen.effect is Effect.NOT_DONE and (executor.proofs or approved_since):
            return Look(item.action_id, State.READY)
        why = "the database was restored: nothing shows that this was done since, but nothing proves that it was not"
        return Look(item.action_id, State.HELD, why)

    def _span(self, now: float) -> tuple[float, float]:
        """From the beginning of the loss until now: what holds its effects by either clock."""
        if self.vendor_time is None:
            return self.loss.since, now
        return self.vendor_time.earliest(self.loss.since), self.vendor_time.latest(now)
