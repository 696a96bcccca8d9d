"""What people reported and asked for: submissions and PhishGuard reports."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from aiohttp import web

from worker.simulator import query
from worker.simulator.envelope import encode, page
from worker.simulator.gate import Route
from worker.simulator.paging import number_page
from worker.simulator.reading import decode_params
from worker.simulator.rows import Report, Submission
from worker.simulator.tenant import Tenant


class ReportRoutes:
    """Lists of submissions and reports."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def routes(self) -> Iterator[Route]:
        """Submissions and reports."""
        yield Route("GET", "submissions", "submissions", self.list_submissions)
        yield Route("GET", "phishguard/reports", "reports", self.list_reports)

    async def list_submissions(self, request: web.Request) -> web.Response:
        """`GET submissions`."""
        params = decode_params(request.query, query.SubmissionParams)
        rows, info = number_page(query.submissions(self._tenant, params), params)
        return page((self._legacy(row, requested_ts=row.requested_at) for row in rows), info)

    async def list_reports(self, request: web.Request) -> web.Response:
        """`GET phishguard/reports`."""
        params = decode_params(request.query, query.PageParams)
        rows, info = number_page(query.reports(self._tenant, params), params)
        return page((self._legacy(row, ts=row.created_at) for row in rows), info)

    def _legacy(self, row: Submission | Report, **deprecated: str) -> bytes:
        if not self._tenant.config.deprecated:
            return encode(row)
        return encode(msgspec.to_builtins(row) | deprecated)
