"""The HTTP operations of bulk jobs."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal

import msgspec
from aiohttp import web

from worker.simulator.envelope import answer, encode, page
from worker.simulator.gate import FAULT, NUMBER, Route
from worker.simulator.paging import Paging, chosen, cursor_info
from worker.simulator.reading import decode_body, decode_params
from worker.simulator.tenant import Tenant

from .job import Job, JobRow, JobStatus, RowStatus
from .running import Jobs
from .search import JobBody


class JobParams(Paging, frozen=True, kw_only=True):
    """Parameters of `GET investigate/bulk`."""

    action_type: Literal["MOVE", "RELEASE"] | None = None
    status: JobStatus | None = None


class RowParams(Paging, frozen=True, kw_only=True):
    """Parameters of `GET investigate/bulk/{job_id}/messages`."""

    status: RowStatus | None = None


class JobRoutes:
    """Handlers over the jobs of a tenant."""

    def __init__(self, tenant: Tenant, jobs: Jobs) -> None:
        self._tenant = tenant
        self._jobs = jobs

    def routes(self) -> Iterator[Route]:
        """What can be asked of jobs."""
        yield Route("GET", "investigate/bulk", "jobs", self.list_jobs)
        yield Route("POST", "investigate/bulk", "job_create", self.create)
        yield Route("GET", "investigate/bulk/{job_id}", "jobs", self.get)
        yield Route("DELETE", "investigate/bulk/{job_id}", "job_delete", self.delete)
        yield Route("POST", "investigate/bulk/{job_id}/cancel", "job_cancel", self.cancel)
        yield Route("GET", "investigate/bulk/{job_id}/messages", "jobs", self.list_rows)

    async def list_jobs(self, request: web.Request) -> web.Response:
        """`GET investigate/bulk`, newest first: asked by page, answered in the shape of cursors."""
        params = decode_params(request.query, JobParams)
        jobs = [
            job
            for job in self._jobs.newest_first()
            if params.action_type in (None, job.body.action) and params.status in (None, job.status)
        ]
        rows = chosen(jobs, params)
        return page((encode(job.wire()) for job in rows), cursor_info(len(rows), params.per_page))

    async def create(self, request: web.Request) -> web.Response:
        """`POST investigate/bulk`; the same body again is a second job."""
        body = await decode_body(request, JobBody)
        body.search_params.bounds(self._tenant.now_ms)  # refuses a wrong window now, not when the job runs
        job = self._jobs.create(body, request[NUMBER], request.get(FAULT))
        return answer(job.wire(), status=HTTPStatus.CREATED)

    async def get(self, request: web.Request) -> web.Response:
        """`GET investigate/bulk/{job_id}`."""
        return answer(self._job(request).wire())

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE investigate/bulk/{job_id}`."""
        name = request.match_info["job_id"]
        self._jobs.delete(name)
        return answer({"id": name})

    async def cancel(self, request: web.Request) -> web.Response:
        """`POST investigate/bulk/{job_id}/cancel`."""
        return answer(self._jobs.cancel(request.match_info["job_id"]).wire())

    async def list_rows(self, request: web.Request) -> web.Response:
        """`GET investigate/bulk/{job_id}/messages`."""
        job, params = self._job(request), decode_params(request.query, RowParams)
        rows = chosen([row for row in job.rows if params.status in (None, row.status)], params)
        return page((self._row(job, row) for row in rows), cursor_info(len(rows), params.per_page))

    def _job(self, request: web.Request) -> Job:
        return self._jobs.get(request.match_info["job_id"])

    def _row(self, job: Job, row: JobRow) -> bytes:
        return encode(job.wire_row(row) | {"message": msgspec.Raw(self._tenant.wire(row.message))})
