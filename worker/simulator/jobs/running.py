"""The jobs of a tenant, and what time does to them.

Where the vendor's documents are silent the simulator decides: a message with three recipients counts as three; what
is found is fixed at the end of the search, not when the job is created; what a user reported is skipped,
and so is what was to be released and is not in quarantine.
"""

from __future__ import annotations

from itertools import groupby
from random import Random
from uuid import UUID

from msgspec import UNSET

from worker.simulator import actions
from worker.simulator.envelope import conflict, unknown_id
from worker.simulator.faults import Fault, FaultPlan
from worker.simulator.rows import to_rfc3339
from worker.simulator.tenant import Message, Tenant

from .job import ENDED, Job, JobRow, RowStatus
from .search import JobBody, found

_RETRIES = 3
"""How often the vendor tries a row that fails."""


class Jobs:
    """All jobs that were not deleted, oldest first. Who asks is shown them as they stand at that time."""

    def __init__(self, tenant: Tenant, faults: FaultPlan) -> None:
        self._tenant = tenant
        self._faults = faults
        self._draw = Random(f"{tenant.config.seed}/jobs")
        self._jobs: dict[str, Job] = {}
        self._active: list[Job] = []
        tenant.background.append(self._advance)

    def create(self, body: JobBody, request: int, fault: Fault | None) -> Job:
        """Queues a job."""
        now = self._tenant.now
        at = to_rfc3339(int(now * 1000))
        job = Job(job_id=self._id(), body=body, request=request, fault=fault, created=now, created_at=at)
        self._jobs[job.job_id] = job
        self._active.append(job)
        return job

    def newest_first(self) -> list[Job]:
        """All jobs."""
        return list(reversed(self._jobs.values()))

    def get(self, name: str) -> Job:
        """One job; raises ApiError if there is none."""
        try:
            return self._jobs[name]
        except KeyError:
            raise unknown_id(name, "job") from None

    def cancel(self, name: str) -> Job:
        """Stops a job; what it has done stays done. Raises ApiError for one that is over."""
        job = self.get(name)
        if job.status in ENDED:
            raise conflict(f"job {name} is {job.status} and cannot be cancelled")
        at = self._now()
        for row in (row for rows in job.waiting for row in rows):
            row.end("CANCELLED", at)
        job.end("CANCELLED", at)
        self._active.remove(job)
        return job

    def delete(self, name: str) -> None:
        """Forgets a job that is over. Raises ApiError for another one."""
        job = self.get(name)
        if job.status not in ENDED:
            raise conflict(f"job {name} is {job.status} and cannot be deleted; cancel it first")
        del self._jobs[name]

    def _advance(self) -> None:
        """Lets the time since the last call take effect."""
        for job in tuple(self._active):
            self._step(job)
            if job.status in ENDED:
                self._active.remove(job)

    def _step(self, job: Job) -> None:
        config, age = self._tenant.config, self._tenant.now - job.created
        if job.status == "PENDING" and age >= config.job_delay:
            job.status, job.started_at = "DISCOVERING", self._now()
        if job.status == "DISCOVERING" and age >= 2 * config.job_delay:
            self._discover(job)
        if job.status == "PROCESSING":
            due = int((age - 2 * config.job_delay) * config.job_rate)
            while job.waiting and job.worked_off < due:
                self._work(job, job.waiting.pop())
            if not job.waiting:
                job.end("COMPLETED", self._now())

    def _discover(self, job: Job) -> None:
        if job.fault is not None and job.fault.kind == "job_failed":
            job.end("FAILED", self._now(), "the search failed")
            return
        at = self._now()
        for message in found(self._tenant, job.body.search_params):
            for recipient in message.row.client_recipients:
                row = JobRow(row_id=self._id(), message=message, recipient=recipient, created_at=at)
                job.rows.append(row)
                if message.row.is_phish_submission:
                    row.end("SKIPPED", at, "a phish submission")
        open_rows = [row for row in job.rows if row.status == "PENDING"]
        job.waiting = [list(rows) for _, rows in groupby(open_rows, key=lambda row: id(row.message))][::-1]
        job.status = "PROCESSING"

    def _work(self, job: Job, rows: list[JobRow]) -> None:
        job.worked_off += 1
        at, message = self._now(), rows[0].message
        if message.row.id not in self._tenant.messages:
            for row in rows:
                row.end("FAILED", at, "the message is gone")
            return
        failing = self._faults.victims(job.fault, message.row.client_recipients)
        endings = self._act(job, message, failing)
        for row in rows:
            status, why = endings[row.recipient]
            row.end(status, at, why)
            row.retry_count = _RETRIES if status == "FAILED" else 0

    def _act(
        self, job: Job, message: Message, failing: frozenset[str]
    ) -> dict[str, tuple[RowStatus, str | None]]:
        cause = actions.Cause("api", job.request)
        everybody = message.row.client_recipients
        if job.body.action == "MOVE" and job.body.destination is not UNSET:
            actions.move(self._tenant, message, job.body.destination, cause, failing)
            skipped: list[str] = []
        else:
            skipped = actions.release(self._tenant, message, cause, failing).undelivered or []
        endings: dict[str, tuple[RowStatus, str | None]] = dict.fromkeys(everybody, ("COMPLETED", None))
        endings |= dict.fromkeys(failing, ("FAILED", "the mail provider refused"))
        return endings | dict.fromkeys(skipped, ("SKIPPED", "not in quarantine"))

    def _now(self) -> str:
        return to_rfc3339(self._tenant.now_ms)

    def _id(self) -> str:
        return str(UUID(int=self._draw.getrandbits(128), version=4))
