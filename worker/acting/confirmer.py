"""A 202 says only that a request was taken: later the team's submissions show whether it arrived.

One list serves all that are due. Nothing is sent again for what is missing: a person is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from worker.clock import Clock, VendorTime
from worker.cloudflare import Cloudflare
from worker.errors import StoreError, VendorError
from worker.executors.submissions import SKEW_SECONDS, Team, logged
from worker.model.calls import Item
from worker.model.ledger import Confirmation
from worker.ops.logs import get_logger
from worker.ports import Lane, Ledger
from worker.upkeep.endless import endlessly

log = get_logger()

AT_ONCE = 1000
ROUND_SECONDS = 60.0
"""How long one reading of the list serves a round: what came since is younger than what is looked for."""
LATER = (600.0, 3600.0)
"""Seconds to the second and the third look; what that one does not find either is left to a person."""
IDLE_SECONDS = 5.0


class Confirmer:
    """Looks for what was taken when it falls due."""

    def __init__(
        self, ledger: Ledger, cloudflare: Cloudflare, clock: Clock, vendor_time: VendorTime | None = None
    ) -> None:
        self._ledger = ledger
        self._cloudflare = cloudflare
        self._clock = clock
        self._vendor_time = vendor_time or VendorTime(clock)

    async def run(self) -> None:
        """Works until it is cancelled: nothing hangs on it."""
        await endlessly("confirmer", self.step, asyncio.sleep, IDLE_SECONDS)

    async def step(self) -> int:
        """Looks for all that are due; how many that was."""
        team = Team(self._cloudflare, Lane.ENRICH, ROUND_SECONDS)
        looked_for = 0
        try:
            while items := await self._ledger.due_confirmations(AT_ONCE):
                await self._ledger.confirm(await self._look(items, team))
                looked_for += len(items)
                if len(items) < AT_ONCE:
                    break
        except StoreError:
            return 0  # which the store itself tells
        return looked_for

    async def _look(self, items: Sequence[Item], team: Team) -> list[Confirmation]:
        # The oldest first: of its list the others are served too.
        items = sorted(items, key=self._since)
        until = self._vendor_time.latest(self._clock.now())
        try:
            found = [await team.submission_of(item, self._since(item), until) for item in items]
        except VendorError as error:
            log.warning("reclassify.lookup_failed", count=len(items), error=error)
            return [_again(item) or Confirmation(item.action_id, {}, LATER[-1]) for item in items]
        shown = [item for item, submission in zip(items, found, strict=True) if submission is not None]
        shared = await self._ledger.shared_names(shown)
        return [
            await self._own(item)
            if submission is not None and (item.postfix_id, item.target) in shared
            else self._judge(item, submission)
            for item, submission in zip(items, found, strict=True)
        ]

    async def _own(self, item: Item) -> Confirmation:
        """A submission that may be another message's proves nothing: the message's own log decides."""
        try:
            entry = await logged(self._cloudflare, item, self._since(item), Lane.ENRICH)
        except VendorError as error:
            log.warning("reclassify.lookup_failed", count=1, error=error)
            return _again(item) or Confirmation(item.action_id, {}, LATER[-1])
        if entry is None:
            return self._judge(item, None)
        return self._judge(item, entry.submission_id or "told without an id by the message's log")

    def _since(self, item: Item) -> float:
        """What was asked for earlier was not asked for by it."""
        now = self._clock.now()
        # A clock that was set back since would have the list begin in the future, which the vendor refuses.
        return self._vendor_time.earliest(min(item.submitted_at or now, now)) - SKEW_SECONDS

    def _judge(self, item: Item, submission_id: str | None) -> Confirmation:
        fields = {
            "action_id": item.action_id,
            "message_id": item.message_id,
            "kind": item.kind,
            "target": item.target,
        }
        if submission_id is not None:
            log.info("reclassify.confirmed", **fields, submission_id=submission_id)
            return Confirmation(item.action_id, {"submission_id": submission_id})
        if again := _again(item):
            return again
        log.warning("reclassify.unconfirmed", **fields)
        return Confirmation(item.action_id, {})


def _again(item: Item) -> Confirmation | None:
    """The next look; None where this was the last one."""
    if item.read_backs >= len(LATER):
        return None
    return Confirmation(item.action_id, {}, LATER[item.read_backs])
