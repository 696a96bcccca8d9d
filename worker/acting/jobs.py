"""Watches the vendor's bulk jobs: finds them by their comment, stops what grows too large, settles what they tell."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

from worker.clock import Clock
from worker.cloudflare import BadRow, Cloudflare
from worker.cloudflare.bulk import Job, JobMessage
from worker.cloudflare.operations import is_id
from worker.cloudflare.rows import MAX_RAW
from worker.errors import BadAnswer, Refused, StoreError, VendorError
from worker.executors.job import MARK, match
from worker.model.actions import State
from worker.model.calls import Answered, Call, Outcome
from worker.model.ledger import CANCEL_TAKEN, OpenJob
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics
from worker.ports import Lane, Ledger
from worker.retry import GrowingWaits
from worker.upkeep.endless import endlessly

log = get_logger()

LOOK_SECONDS = 2.0
LONGEST_WAIT = 300.0
"""Seconds at most to the next try of what fails again and again."""
GIVE_UP_SECONDS = 6 * 3600.0
"""How old a job may grow that is not over, or of which the vendor does not tell in a way that can be read."""
MISSES = 2
"""Looks, one delay apart, after which a job that nobody knows was never created."""
_REMEDY = "a person must look, then `worker actions retry ID --i-checked`, or `reject ID` where it is done"


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
        self._looks = GrowingWaits(LOOK_SECONDS, LONGEST_WAIT, clock.monotonic)
        self._cancels = GrowingWaits(LOOK_SECONDS, LONGEST_WAIT, clock.monotonic)
        self._unreadable = 0

    async def run(self) -> None:
        """Works until it is cancelled: a job goes on without us, and is found again."""
        await endlessly("jobs", self.step, self._clock.sleep, LOOK_SECONDS)

    async def step(self) -> bool:
        """Looks at every job that is open and due; False where none is open."""
        left = False
        for one in await self._ledger.open_jobs():
            if one.call_id in self._sending or not self._looks.is_due(one.call_id):
                left = True
                continue
            try:
                over = await self._look(one)
            except VendorError as error:
                over = await self._unseen(one, error)
            else:
                self._looks.forget(one.call_id)
            left = not over or left
        return left

    async def _look(self, one: OpenJob) -> bool:
        """Whether it is over, and settled."""
        job = await self._find(one)
        if job is None:
            return await self._missing(one)
        if job.is_over:
            await self._settle(one, job)
            return True
        if job.total_messages_discovered > one.mailboxes and not one.cancelled:
            # Before it is given up, too: nothing else stops the vendor's own work.
            await self._cancel(one, job)
        if self._is_old(one):
            hours = GIVE_UP_SECONDS / 3600
            await self._give_up(
                one, f"the bulk job {job.job_id} is {job.status} after {hours:.0f} hours", job
            )
            return True
        return False

    async def _unseen(self, one: OpenJob, error: VendorError) -> bool:
        """It is looked at again, each time later; whether that has gone on for too long."""
        log.warning("job.unseen", call_id=one.call_id, error=error)
        self._looks.note_failure(one.call_id)
        # A vendor that cannot be asked, or answers with errors, has told nothing: that passes.
        told = isinstance(error, BadAnswer) or (isinstance(error, Refused) and not error.unrouted)
        if not told or not self._is_old(one):
            return False
        await self._give_up(one, f"nobody can tell what became of the bulk job: {error}"[:500])
        return True

    def _is_old(self, one: OpenJob) -> bool:
        return self._clock.now() - one.submitted_at >= GIVE_UP_SECONDS

    async def _find(self, one: OpenJob) -> Job | None:
        """The call's own job; None where there is none. BadAnswer where one that cannot be read may be it."""
        wanted = MARK + one.call_id
        unreadable: list[BadRow] = []
        jobs = self._cloudflare.investigate.bulk.list(action_type="MOVE", lane=Lane.READ_BACK)
        async for page in jobs.pages():
            unreadable += page.bad
            for job in page.rows:
                if job.comment == wanted:
                    if not is_id(job.job_id):
                        raise BadAnswer("the bulk job has an id that cannot be asked for")
                    return job
        for bad in unreadable:
            if _may_be(bad, wanted):
                raise BadAnswer(f"the list of bulk jobs has a row that cannot be read: {bad.reason}")
        if len(unreadable) != self._unreadable:
            self._unreadable = len(unreadable)
            log.warning("job.others_unreadable", count=len(unreadable))
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
        if not self._cancels.is_due(one.call_id):
            return
        told = {"job": job.job_id, "found": job.total_messages_discovered, "allowed": one.mailboxes}
        await self._ledger.note_job(one.call_id, {**told, "event": "cancel"})
        if error := await self._refused_cancel(job):
            self._cancels.note_failure(one.call_id)
            failed = {"event": "cancel_failed", "job": job.job_id, "error": str(error)[:500]}
            await self._ledger.note_job(one.call_id, failed)
            log.error("job.not_cancelled", call_id=one.call_id, **told, error=error)
            return
        await self._ledger.note_job(one.call_id, {"event": CANCEL_TAKEN, "job": job.job_id})
        log.error("job.cancelled", call_id=one.call_id, **told)

    async def _refused_cancel(self, job: Job) -> VendorError | None:
        try:
            await self._cloudflare.investigate.bulk.cancel(job.job_id, lane=Lane.ACTION)
        except VendorError as error:
            return error
        return None

    async def _settle(self, one: OpenJob, job: Job) -> None:
        rows: list[JobMessage] = []
        unreadable = 0
        messages = self._cloudflare.investigate.bulk.messages(job.job_id, lane=Lane.READ_BACK)
        async for page in messages.pages():
            rows += page.rows
            unreadable += len(page.bad)
        call = await self._ledger.job_call(one.call_id)
        outcomes, beyond = match(call.items, rows, self._delay, unreadable=unreadable)
        if beyond:
            log.error(
                "job.beyond", call_id=one.call_id, job=job.job_id, count=len(beyond), messages=beyond[:20]
            )
        told = {"job": job.job_id, "status": job.status, "beyond": beyond, "unreadable": unreadable}
        await self._ledger.note_job(one.call_id, {"event": "over", **told})
        await self._end(call, Answered(tuple(outcomes), "call.answered"))

    async def _give_up(self, one: OpenJob, why: str, job: Job | None = None) -> None:
        """Its moves are `unknown` and a person's from here on; nothing else could free them, or what waits for them."""
        call = await self._ledger.job_call(one.call_id)
        told: dict[str, Any] = {
            "job": job and job.job_id,
            "status": job and job.status,
            "counts": _counts(job),
        }
        await self._ledger.note_job(one.call_id, {"event": "given_up", "why": why, **told})
        log.error(
            "job.given_up", call_id=one.call_id, count=len(call.items), reason=why, job=job and job.job_id
        )
        outcomes = [Outcome(item.action_id, State.UNKNOWN, f"{why}: {_REMEDY}") for item in call.items]
        await self._end(call, Answered(tuple(outcomes), "call.lost", error=why))

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
        self._looks.forget(call.id)
        self._cancels.forget(call.id)
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


def _may_be(bad: BadRow, comment: str) -> bool:
    """Whether a row that cannot be read may be the job with this comment: it says so, or does not say what it is."""
    return comment in bad.raw or bad.row_id is None or len(bad.raw) >= MAX_RAW


def _counts(job: Job | None) -> Mapping[str, int]:
    """How far it has come, by its own word."""
    if job is None:
        return {}
    return {
        "discovered": job.total_messages_discovered,
        "pending": job.messages_pending,
        "successful": job.messages_successful,
        "failed": job.messages_failed,
        "skipped": job.messages_skipped,
        "cancelled": job.messages_cancelled,
    }
