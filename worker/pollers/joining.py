"""Events about a message that they name by its postfix id alone: which one it is, and how long they wait for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from worker.clock import Clock
from worker.model.events import Detection
from worker.model.plans import Sighting, sighting_of
from worker.pollers.source import Page
from worker.ports import Waiting

KEPT_SECONDS = 30 * 86400.0
"""How far back the vendor's list reaches (API reference, Investigate list): of older mail it may refuse to tell."""
MARGIN_SECONDS = 900.0
PATIENCE_SECONDS = 3600.0


def best(rows: Iterable[Detection], to: Collection[str]) -> Detection | None:
    """Several messages may share a postfix id: prefer the recipient's, then the original to a user's submission."""
    return min(rows, key=lambda row: _faults(row, to), default=None)


def is_right(row: Detection | None, to: Collection[str]) -> bool:
    """Whether no further page can show a better one."""
    return row is not None and not any(_faults(row, to))


def _faults(row: Detection, to: Collection[str]) -> tuple[bool, bool]:
    wanted = {address.lower() for address in to}
    others = bool(wanted) and not wanted & {address.lower() for address in row.client_recipients}
    return others, row.is_phish_submission


class WaitingRoom:
    """Where a source's events wait for their message: an hour at most, over restarts too."""

    def __init__(self, source: str, ledger: Waiting, clock: Clock) -> None:
        self._source = source
        self._ledger = ledger
        self._clock = clock

    async def page(self) -> Page | None:
        """Those that wait, as a page of their own."""
        waiting = await self._ledger.waiting(self._source)
        if not waiting:
            return None
        return Page(tuple(sighting_of(event) for event, _ in waiting), (), 0, self._clock.now())

    async def admit(
        self, fresh: Sequence[Sighting], found: Mapping[str, Detection | None], *, last_chance: bool
    ) -> tuple[list[Sighting], list[Sighting]]:
        """Those that go on, each with its message or None, and those that wait.

        `found` has an entry for each event that was looked for: None where it was not there. What has no entry waits.
        """
        # Of several revisions the first one counts: what is changed again and again would else wait for ever.
        since = {
            sighting_of(event).key: first
            for event, first in reversed(await self._ledger.waiting(self._source))
        }
        now = self._clock.now()
        complete, waiting = [], []
        for one in fresh:
            message = found.get(one.key)
            patient = now - since.get(one.key, now) < PATIENCE_SECONDS and not last_chance
            if one.key not in found or (message is None and patient):
                waiting.append(one)
            else:
                complete.append(replace(one, event=replace(one.event, message=message)))
        if waiting:
            await self._ledger.wait_for_message(waiting)
        return complete, waiting
