"""Events about a message that is not there yet: how long they wait for it, and how often it is searched for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from worker.clock import Clock
from worker.model.plans import Sighting, sighting_of
from worker.pollers.finding import Found
from worker.pollers.source import Page
from worker.ports import Waiting

MARGIN_SECONDS = 900.0
KEPT_SECONDS = 30 * 86400.0 - MARGIN_SECONDS
"""How far back the vendor's list reaches (API reference, Investigate list): of older mail it may refuse to tell.

Less than it says, for its clock is not ours.
"""
PATIENCE_SECONDS = 3600.0
OUTAGE_SECONDS = 86400.0
"""How long an event waits whose searches the vendor does not answer: nobody can say that its message is not there."""
AGAIN_SECONDS, MOST_AGAIN_SECONDS = 2.0, 300.0
"""How long until a message is searched for again that was not there: doubling, for most that come at all come soon."""


class WaitingRoom:
    """Where a source's events wait for their message: an hour at most, over restarts too."""

    def __init__(self, source: str, ledger: Waiting, clock: Clock) -> None:
        self._source = source
        self._ledger = ledger
        self._clock = clock
        self._missed: dict[str, tuple[float, float]] = {}
        """When to search again, and the wait after that, by the event's key."""

    async def ends(self) -> bool:
        """Whether the hour of one of them is nearly over: it is searched for once or twice again."""
        waiting = await self._ledger.waiting(self._source)
        oldest = min((since for _, since in waiting), default=math.inf)
        return self._clock.now() - oldest >= PATIENCE_SECONDS - MOST_AGAIN_SECONDS

    async def page(self) -> Page | None:
        """Those that wait, as a page of their own."""
        waiting = await self._ledger.waiting(self._source)
        if not waiting:
            return None
        return Page(tuple(sighting_of(event) for event, _ in waiting), (), 0, self._clock.now())

    def due(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Those to search for now, the longest due first: new ones, and those that were missed a while ago."""
        now = self._clock.monotonic()
        at = {one.key: self._missed.get(one.key, (0.0, 0.0))[0] for one in fresh}
        return sorted(
            (one for one in fresh if last_chance or at[one.key] <= now), key=lambda one: at[one.key]
        )

    async def admit(
        self, fresh: Sequence[Sighting], found: Found, *, last_chance: bool
    ) -> tuple[list[Sighting], list[Sighting]]:
        """Those that go on, each with its message or None, and those that wait.

        Who was not searched for waits for its turn; who was, for an hour, and not beyond the last chance. A search that
        failed is no such chance. Another's copy is taken only where the list was read to its end, or in the end.
        """
        # Of several revisions the first one counts: what is changed again and again would else wait for ever.
        since = {
            sighting_of(event).key: first
            for event, first in reversed(await self._ledger.waiting(self._source))
        }
        now = self._clock.now()
        complete, waiting = [], []
        for one in fresh:
            searched, message = one.key in found.messages, found.messages.get(one.key)
            longest = OUTAGE_SECONDS if one.key in found.unanswered else PATIENCE_SECONDS
            patient = now - since.get(one.key, now) < longest
            chance = not last_chance or one.key in found.failed
            ended = message is not None and one.key not in found.unread
            if not searched or (not ended and patient and chance):
                waiting.append(one)
            else:
                complete.append(replace(one, event=replace(one.event, message=message)))
        self._note([one.key for one in waiting if one.key in found.messages], [one.key for one in complete])
        if waiting:
            await self._ledger.wait_for_message(waiting)
        return complete, waiting

    def _note(self, missed: Sequence[str], done: Sequence[str]) -> None:
        for key in missed:
            wait = self._missed.get(key, (0.0, AGAIN_SECONDS))[1]
            self._missed[key] = self._clock.monotonic() + wait, min(2 * wait, MOST_AGAIN_SECONDS)
        for key in done:
            self._missed.pop(key, None)
