"""Reclassify: asynchronous; its 202 says only that the request was taken, and each call may make a submission."""

from __future__ import annotations

from worker.clock import utc
from worker.cloudflare import Cloudflare
from worker.errors import BadAnswer
from worker.executors.base import Effect, ReadBack, moment, ready, skipped
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.ports import Lane

SUBMISSION_PAGES = 20
SKEW_SECONDS = 300.0
"""How long before our submission the same request by anybody still counts as its effect."""


class ReclassifyExecutor:
    """Asks the vendor for another verdict, one message a call."""

    kind = "reclassify"
    most = 1
    parallel = 8
    # The second submission of a request would be a second ticket at the vendor: look twice.
    proofs = 2
    shows = False

    def __init__(self, cloudflare: Cloudflare) -> None:
        self._cloudflare = cloudflare

    async def execute(self, call: Call) -> Answered:
        (item,) = call.items
        receipt = await self._cloudflare.investigate.reclassify(item.message_id, item.target)
        outcome = Outcome(item.action_id, State.SUCCEEDED)
        return Answered((outcome,), "call.answered", receipt.status, receipt.ray)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the vendor's log or the team's submissions show the request."""
        since = min(item.submitted_at or now, now) - SKEW_SECONDS
        log = await self._cloudflare.investigate.action_log(item.message_id, lane=Lane.READ_BACK)
        for entry in log:
            at = moment(entry.started_at) or moment(entry.completed_at)
            fits = entry.requested_disposition in (None, item.target) and (at is None or at >= since)
            if entry.operation == "SUBMISSION" and fits and entry.success is not False:
                return ReadBack(Effect.DONE, {"submission_id": entry.submission_id, "at": str(at)})
        return await self._in_submissions(item, since, now)

    async def _in_submissions(self, item: Item, since: float, now: float) -> ReadBack:
        for page in range(1, SUBMISSION_PAGES + 1):
            answer = await self._cloudflare.submissions.list(
                start=utc(since), end=utc(now), type="TEAM", page=page, lane=Lane.READ_BACK
            )
            for row in answer.rows:
                if (
                    item.postfix_id
                    and row.original_postfix_id == item.postfix_id
                    and row.requested_disposition == item.target
                ):
                    return ReadBack(Effect.DONE, {"submission_id": row.submission_id})
            if not answer.more:
                return ReadBack(Effect.NOT_DONE, {"read_at": now})
        raise BadAnswer(f"the submissions did not end after {SUBMISSION_PAGES} pages")

    async def look(self, item: Item, row: Detection) -> Look:
        """The verdict is already the wanted one: nothing to do."""
        if row.final_disposition == item.target:
            return skipped(item, f"the verdict is already {item.target}")
        return ready(item)
