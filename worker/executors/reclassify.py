"""Reclassify: asynchronous; its 202 says only that the request was taken, and each call may make a submission."""

from __future__ import annotations

from worker.clock import utc
from worker.cloudflare import Cloudflare
from worker.cloudflare.wire import Submission
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

    def __init__(self, cloudflare: Cloudflare, read_back_delay: float) -> None:
        self._cloudflare = cloudflare
        self._confirm_after = read_back_delay

    async def execute(self, call: Call) -> Answered:
        (item,) = call.items
        receipt = await self._cloudflare.investigate.reclassify(item.message_id, item.target)
        # Due again: the confirmer looks whether it arrived.
        outcome = Outcome(item.action_id, State.SUCCEEDED, due_in=self._confirm_after)
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
        for row in await team_submissions(self._cloudflare, since, now, Lane.READ_BACK):
            if (
                item.postfix_id
                and row.original_postfix_id == item.postfix_id
                and row.requested_disposition == item.target
            ):
                return ReadBack(Effect.DONE, {"submission_id": row.submission_id})
        return ReadBack(Effect.NOT_DONE, {"read_at": now})

    async def look(self, item: Item, row: Detection) -> Look:
        """The verdict is already the wanted one: nothing to do."""
        if row.final_disposition == item.target:
            return skipped(item, f"the verdict is already {item.target}")
        return ready(item)


async def team_submissions(
    cloudflare: Cloudflare, since: float, until: float, lane: Lane
) -> list[Submission]:
    """What the team and this worker asked for between two times, in seconds since the epoch.

    Raises:
        VendorError: it could not be read; BadAnswer where it does not end.
    """
    rows: list[Submission] = []
    for page in range(1, SUBMISSION_PAGES + 1):
        answer = await cloudflare.submissions.list(
            start=utc(since), end=utc(until), type="TEAM", page=page, lane=lane
        )
        rows.extend(answer.rows)
        if not answer.more:
            return rows
    raise BadAnswer(f"the submissions did not end after {SUBMISSION_PAGES} pages")
