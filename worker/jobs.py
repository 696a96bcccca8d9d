"""Watches the vendor's bulk jobs: finds them by their comment, stops what grows too large, settles what they tell."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from worker.clock import Clock
from worker.cloudflare import Cloudflare
from worker.cloudflare.bulk import Job, JobMessage
from worker.errors import StoreError, VendorError
from worker.executors.job import MARK
from worker.model.actions import PARTLY, State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.ledger import OpenJob
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Lane, Ledger

log = get_logger()

LOOK_SECONDS = 2.0
MISSES = 2
"""Looks, one delay apart, after which a job that nobody knows was never created."""


class JobWatch:
    """Every call that may be a job belongs to it until the job has told what became of each message."""

    def __init__(
        self,
        ledger: Ledger,
        cloudflare: Cloudflare,
        clock: Clock,
        metrics: Metrics,
        read_back_delay: float,
        wake: Callable[[], None],
        sending: Collection[str] = (),
    ) -> None:
        self._ledger = ledger
        self._cloudflare = cloudflare
        self._clock = clock
        self._metrics = metrics
        self._delay = read_back_delay
        self._wake = wake
        self._sending = sending
        self._missed: dict[str, list[float]] = defaultdict(list)
        self._cancelled: set[str] = set()

    async def run(self) -> None:
        """Works until it is cancelled: a job goes on without us, and is found again."""
        while True:
            with suppress(StoreError):  # which the store itself tells
                await self.step()
            await self._clock.sleep(LOOK_SECONDS)

    async def step(self) -> bool:
        """Looks at every job that is open; False where there is none."""
        left = False
        for one in await self._ledger.open_jobs():
            if one.call_id in self._sending:
                left = True
                continue
            try:
                left = not await self._look(one) or left
            except VendorError as error:
                left = True
                log.warning("job.unseen", call_id=one.call_id, error=error)
        return left

    async def _look(self, one: OpenJob) -> bool:
        """Whether it is over, and settled."""
        job = await self._find(one)
        if job is None:
            return await self._missing(one)
        if job.is_over:
            await self._settle(one, job)
            return True
        if job.total_messages_discovered > one.mailboxes and one.call_id not in self._cancelled:
            await self._cancel(one, job)
        return False

    async def _find(self, one: OpenJob) -> Job | None:
        wanted = MARK + one.call_id
        async for job in self._cloudflare.investigate.bulk.list(action_type="MOVE", lane=Lane.READ_BACK):
            if job.comment == wanted:
                return job
        return None

    async def _missing(self, one: OpenJob) -> bool:
        now = self._clock.now()
        looks = self._missed[one.call_id]
        if now - max([one.submitted_at, *looks]) < self._delay:
            return False
        looks.append(now)
        if len(looks) < MISSES:
            return False
        why = "the vendor knows no such bulk job: moved by their ids"
        call = await self._ledger.job_call(one.call_id)
        outcomes = [Outcome(item.action_id, State.READY, why, 0.0) for item in call.items]
        await self._end(call, Answered(tuple(outcomes), "call.lost", error=why))
        return True

    async def _cancel(self, one: OpenJob, job: Job) -> None:
        """It found more than was frozen. Sent also while paused: nothing but a cancel stops the vendor's own work."""
        told = {"job": job.job_id, "found": job.total_messages_discovered, "allowed": one.mailboxes}
        await self._ledger.note_job(one.call_id, {**told, "event": "cancel"})
        log.error("job.cancelled", call_id=one.call_id, **told)
        await self._cloudflare.investigate.bulk.cancel(job.job_id, lane=Lane.ACTION)
        self._cancelled.add(one.call_id)

    async def _settle(self, one: OpenJob, job: Job) -> None:
        messages = self._cloudflare.investigate.bulk.messages(job.job_id, lane=Lane.READ_BACK)
        rows = [row async for row in messages]
        call = await self._ledger.job_call(one.call_id)
        outcomes, beyond = match(call.items, rows)
        if beyond:
            log.error(
                "job.beyond", call_id=one.call_id, job=job.job_id, count=len(beyond), messages=beyond[:20]
            )
        await self._ledger.note_job(
            one.call_id, {"event": "over", "job": job.job_id, "status": job.status, "beyond": beyond}
        )
        await self._end(call, Answered(tuple(outcomes), "call.answered"))

    async def _end(self, call: Call, answered: Answered) -> None:
        # First, so that nothing of it can ever be a job again: what this one left undone goes by its ids.
        await self._ledger.no_job(call.id)
        await self._write_down(call, answered)
        states = Counter(outcome.state for outcome in answered.outcomes)
        for state, count in states.items():
            self._metrics.action(call.kind, state, count)
        log.info(
            "job.settled", call_id=call.id, count=len(call.items), states=dict(states), reason=answered.error
        )
        self._missed.pop(call.id, None)
        self._wake()

    async def _write_down(self, call: Call, answered: Answered) -> None:
        """No step finds it again, for it is no job any more: tries until the database takes it or the process ends."""
        while True:
            try:
                await self._ledger.settle(call, answered)
            except StoreError:
                await self._clock.sleep(LOOK_SECONDS)
            else:
                return


def match(items: Sequence[Item], rows: Sequence[JobMessage]) -> tuple[list[Outcome], list[str]]:
    """What became of each item by the job's rows, one for each recipient; and what it moved beside them."""
    by_message: dict[str, list[JobMessage]] = defaultdict(list)
    for row in rows:
        by_message[row.postfix_id or ""].append(row)
    known = {item.postfix_id for item in items}
    done = {name for name, mine in by_message.items() if any(row.status == "COMPLETED" for row in mine)}
    return [_outcome(item, by_message) for item in items], sorted(done - known)


def _outcome(item: Item, by_message: Mapping[str, Sequence[JobMessage]]) -> Outcome:
    mine = by_message.get(item.postfix_id, ()) if item.postfix_id else ()
    good = {_mailbox(row) for row in mine if row.status == "COMPLETED"}
    bad = [row for row in mine if row.status == "FAILED"]
    missing = {address.lower() for address in item.recipients} - good
    why = next((row.status_message for row in bad if row.status_message), "no reason given")
    if good and not missing:
        return Outcome(item.action_id, State.SUCCEEDED)
    if good:
        return Outcome(item.action_id, State.FAILED, f"{PARTLY}; not for {', '.join(sorted(missing))}: {why}")
    if bad and len(bad) == len(mine):
        return Outcome(item.action_id, State.FAILED, f"refused for every recipient: {why}")
    return Outcome(item.action_id, State.READY, "the bulk job left it out", 0.0)


def _mailbox(row: JobMessage) -> str:
    return ((row.action_params and row.action_params.client_recipient) or "").lower()
