"""Notify: one POST to the operator's webhook. Who was told cannot be looked up: it may be told twice, under one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from worker.errors import RateLimited, Transient
from worker.executors.base import Effect, ReadBack, not_needed, ready
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.ledger import Look
from worker.retry import action_delay
from worker.webhook.letter import letter

MOST_TRIES = 120
"""Tries in a row that nobody took: at most a minute apart, about an hour."""


class Post(Protocol):
    """Where notifications go."""

    async def post(self, key: str, body: bytes) -> int:
        """Sends one body under its key; the status of a success. VendorError for anything else."""
        ...


def _in_a_while(error: Transient | RateLimited, tries: int) -> Transient | RateLimited:
    """A receiver that wants it again at once, over and over, gets it ever less often all the same."""
    if isinstance(error, Transient):
        return error
    pause = max(error.retry_after or 0.0, action_delay(tries))
    return RateLimited(str(error), retry_after=pause, status=error.status)


class NotifyExecutor:
    """Tells people, one notification a call; where nobody is named to tell, there is nothing to do."""

    kind = "notify"
    most = 1
    parallel = 4
    # The key makes a repeat harmless to receivers that mind: no proof is asked for.
    proofs = 1
    shows = False

    def __init__(self, webhook: Post | None) -> None:
        self._webhook = webhook

    async def execute(self, call: Call) -> Answered:
        if self._webhook is None:
            return not_needed(call, "nobody is named to tell: WORKER_NOTIFY_URL is not set")
        (item,) = call.items
        try:
            status = await self._webhook.post(item.params["key"], letter(item))
        except (Transient, RateLimited) as error:
            if item.refusals + 1 < MOST_TRIES:
                raise _in_a_while(error, item.refusals + 1) from None
            why = f"given up after {item.refusals + 1} tries: {error}"
            outcome = Outcome(item.action_id, State.DEAD, why)
            return Answered((outcome,), "call.refused", error.status, error=why)
        return Answered((Outcome(item.action_id, State.SUCCEEDED),), "call.answered", status)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Nobody can be asked who was told: it is sent again, a few times."""
        del item
        return ReadBack(Effect.NOT_DONE, {"read_at": now})

    async def survey(self, items: Sequence[Item], now: float) -> Sequence[Look]:
        """What was decided is told, whatever has become of the message since."""
        del now
        return [ready(item) for item in items]
