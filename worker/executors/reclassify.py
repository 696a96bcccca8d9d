"""Reclassify, one message a request: asynchronous, its 202 says only that the request was taken.

The endpoint is deprecated in favour of `POST submissions` (`worker/executors/submissions.py`), and stays the default
until that one has been seen to work on a live tenant.
"""

from __future__ import annotations

from worker.cloudflare import Cloudflare
from worker.executors.submissions import Asked
from worker.model.actions import State
from worker.model.calls import Answered, Call, Outcome
from worker.ports import Ledger


class ReclassifyExecutor(Asked):
    """Asks the vendor for another verdict, one message a call."""

    kind = "reclassify"
    most = 1
    parallel = 16

    def __init__(self, cloudflare: Cloudflare, ledger: Ledger, read_back_delay: float) -> None:
        super().__init__(cloudflare, ledger)
        self._delay = read_back_delay

    async def execute(self, call: Call) -> Answered:
        (item,) = call.items
        receipt = await self._cloudflare.investigate.reclassify(item.message_id, item.target)
        # Due again: the confirmer looks whether it arrived.
        outcome = Outcome(item.action_id, State.SUCCEEDED, due_in=self._delay)
        return Answered((outcome,), "call.answered", receipt.status, receipt.ray)
