"""A campaign's moves as one bulk job of the vendor: created once, with the call's id in its comment. Others watch it.

What a job touches is decided after it was created (API reference, Investigate bulk): it is asked for only where its
search says exactly what was frozen, and every message of that list goes with it.
"""

from __future__ import annotations

from worker.clock import VendorTime, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare.bulk import NewJob, Search
from worker.errors import RateLimited, Refused, Transient, Unauthorized, VendorError
from worker.executors.move import MoveExecutor
from worker.model.actions import State
from worker.model.calls import Answered, Call, Outcome
from worker.model.ledger import JobOrder
from worker.ports import Ledger

MARK = "email-security-worker "
"""How the comment of a job begins; the call's id follows."""
MOST = 20_000


class JobExecutor(MoveExecutor):
    """Looks and reads back as any move; sends one request for all."""

    def __init__(
        self,
        cloudflare: Cloudflare,
        ledger: Ledger,
        read_back_delay: float,
        batch: int,
        vendor_time: VendorTime | None = None,
    ) -> None:
        super().__init__(cloudflare, ledger, read_back_delay, MOST, vendor_time)
        self._batch = batch
        self.sending: set[str] = set()
        """Calls whose answer may still come."""

    async def execute(self, call: Call) -> Answered:
        order = await self._ledger.job_order(call)
        if order is None:
            return await self._by_ids(call, "not all of the list can go with it: no bulk job")
        self.sending.add(call.id)
        try:
            job = await self._cloudflare.investigate.bulk.create(_new_job(call, order), lane=None)
        except (RateLimited, Unauthorized, Transient):
            raise
        except Refused as error:
            return await self._by_ids(call, f"the bulk job was refused: {error}", error)
        except VendorError as error:
            # It may have been created: who watches looks for the comment, and never asks for a second one.
            return Answered((), "call.lost", error.status, error.ray, f"{type(error).__name__}: {error}")
        finally:
            self.sending.discard(call.id)
        return Answered((), "call.answered", 201, error=f"job {job.job_id}")

    async def _by_ids(self, call: Call, why: str, error: VendorError | None = None) -> Answered:
        await self._ledger.no_job(call.id)
        outcomes = tuple(Outcome(item.action_id, State.READY, why, 0.0, self._batch) for item in call.items)
        if error is None:
            return Answered(outcomes, "call.not_sent", error=why)
        return Answered(outcomes, "call.refused", error.status, error.ray, why)


def _new_job(call: Call, order: JobOrder) -> NewJob:
    search = Search(
        start=utc(order.since),
        end=utc(order.until),
        detections_only=True,
        sender=order.shared.get("sender"),
        exact_subject=order.shared.get("exact_subject"),
    )
    return NewJob(action="MOVE", search_params=search, destination=call.target, comment=MARK + call.id)  # type: ignore[arg-type]  # checked when it was planned
