"""`run --once` after its polls: everything that is open is carried out or parked, then it is over."""

from __future__ import annotations

from worker.budget import LONGEST_BLOCK
from worker.clock import Clock
from worker.errors import StoreError
from worker.model.ledger import Left
from worker.parts import Parts

MANY = 10_000
LONGEST_NAP = 1.0


async def work_off(parts: Parts) -> None:
    """Sends what is ready and reads back what falls due in time, each once."""
    patience = parts.timing.read_back_delay + parts.timing.drain_timeout
    deadline = parts.clock.now() + patience
    tried: set[str] = set()
    progress = Progress(parts.clock, patience)
    while True:
        try:
            nap = await _turn(parts, deadline, tried, progress)
            parts.storage.wrote()
        except StoreError:
            # A commands' turn at the file, a disk that is full for a moment: the run is not over for that.
            nap = LONGEST_NAP if progress.made(waiting=False) else None
        if nap is None:
            return
        await parts.clock.sleep(nap)


async def _turn(parts: Parts, deadline: float, tried: set[str], progress: Progress) -> float | None:
    """One round of sending and looking; seconds until the next, None where nothing is left to wait for."""
    await parts.sweeper.step()
    await parts.dispatcher.step()
    await parts.dispatcher.settled()
    jobs = await parts.jobs.step()
    due = [item for item in await parts.ledger.due_read_backs(MANY) if item.action_id not in tried]
    tried.update(item.action_id for item in due)
    await parts.reconciler.read_back_all(due)
    left = await parts.ledger.left(parts.ceilings.mode)
    blocked = parts.budget.blocked_for()
    sendable = left.ready > 0 and await _can_send(parts, left, deadline)
    look_at = await _next_look(parts, deadline, tried)
    if jobs and parts.clock.now() < deadline:
        return LONGEST_NAP
    if not sendable and look_at is None:
        return None
    waiting = blocked > 0 or look_at is not None
    if not progress.made(left.ready, left.unknown, len(tried), waiting=waiting):
        return None
    now = parts.clock.now()
    waits = [max((left.next_ready or now) - now, blocked)] if sendable else []
    waits += [look_at - now] if look_at is not None else []
    return min(max(min(waits), 0.0), LONGEST_NAP)


async def _next_look(parts: Parts, deadline: float, tried: set[str]) -> float | None:
    """When the next read-back falls due that has not been tried in this run; None where none does in time."""
    looks = [due for one, due in await parts.ledger.coming_read_backs() if one not in tried]
    return min((due for due in looks if due <= deadline), default=None)


async def _can_send(parts: Parts, left: Left, deadline: float) -> bool:
    """Whether ready work can still go out in this run: not paused, no refused token, not put off too long."""
    if await parts.ledger.paused() or parts.dispatcher.stopped_short():
        return False
    return left.next_ready is not None and (left.next_ready <= deadline or parts.budget.blocked_for() > 0)


class Progress:
    """Notices when a run gets nowhere: nothing changed for `patience` seconds, and one block at most was waited out."""

    def __init__(self, clock: Clock, patience: float) -> None:
        self._clock = clock
        self._patience = patience
        self._last: tuple[int, ...] = ()
        self._changed = self._since = clock.monotonic()

    def made(self, *counts: int, waiting: bool) -> bool:
        """Whether to go on."""
        now = self._clock.monotonic()
        if counts != self._last:
            self._last, self._changed, self._since = counts, now, now
        elif waiting and now - self._changed < LONGEST_BLOCK:
            # A vendor that answers every try with another 429 does not hold the run for ever.
            self._since = now
        return now - self._since < self._patience
