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
    """Sends what is ready, and reads back, each once, what falls due in time.

    In time is what has to be waited for no longer than a read-back's delay and a drain's time-out, from now on.
    """
    patience = parts.timing.read_back_delay + parts.timing.drain_timeout
    tried: set[str] = set()
    progress = Progress(parts.clock, patience)
    while True:
        try:
            nap = await _turn(parts, patience, tried, progress)
            parts.storage.wrote()
        except StoreError:
            # A commands' turn at the file, a disk that is full for a moment: the run is not over for that.
            nap = LONGEST_NAP if progress.made(waiting=False) else None
        if nap is None:
            return
        await parts.clock.sleep(nap)


async def _turn(parts: Parts, patience: float, tried: set[str], progress: Progress) -> float | None:
    """One round of sending and looking; seconds until the next, None where nothing is left to wait for."""
    await parts.sweeper.step()
    await parts.dispatcher.step()
    await parts.dispatcher.settled()
    jobs = await parts.jobs.step()
    due = [item for item in await parts.ledger.due_read_backs(MANY) if item.action_id not in tried]
    tried.update(item.action_id for item in due)
    await parts.reconciler.read_back_all(due)
    left = await parts.ledger.left(parts.ceilings.mode)
    send_in = None if await parts.ledger.paused() else _send_in(parts, left, patience)
    look_in = await _look_in(parts, patience, tried)
    soonest = min(
        (one for one in (send_in, look_in, LONGEST_NAP if jobs else None) if one is not None), default=None
    )
    if soonest is None:
        return None
    waiting = parts.budget.blocked_for() > 0 or look_in is not None
    if not progress.made(left.ready, left.unknown, len(tried), waiting=waiting):
        return None
    return min(max(soonest, 0.0), LONGEST_NAP)


async def _look_in(parts: Parts, patience: float, tried: set[str]) -> float | None:
    """Seconds until the next read-back that has not been tried in this run; None where none falls due in time."""
    now = parts.clock.now()
    looks = [due - now for one, due in await parts.ledger.coming_read_backs() if one not in tried]
    return min((one for one in looks if one <= patience), default=None)


def _send_in(parts: Parts, left: Left, patience: float) -> float | None:
    """Seconds until something of what is ready can go out; None where nothing can within the patience.

    Kinds do not wait for each other: not for a breaker, nor for a token that is refused for one of them.
    """
    now, blocked = parts.clock.now(), parts.budget.blocked_for()
    waits = []
    for kind, due in left.kinds:
        held_up = parts.dispatcher.wait(kind)
        if held_up is not None and due is not None:
            wait = max(due - now, held_up)
            # A block may last longer, and is waited out.
            waits += [max(wait, blocked)] if wait <= patience or blocked > 0 else []
    return min(waits, default=None)


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
