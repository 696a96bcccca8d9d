"""Reports of the PhishGuard team (API reference, Email Security, PhishGuard reports)."""

from __future__ import annotations

from datetime import datetime

from worker.cloudflare import rows, shapes
from worker.cloudflare.investigate import MAX_PER_PAGE, check_per_page
from worker.cloudflare.operations import Operation, Query
from worker.cloudflare.transport import Transport
from worker.cloudflare.wire import Page
from worker.model.events import PhishReport
from worker.ports import Lane

REPORTS = Operation("GET", "phishguard/reports")


class PhishGuard:
    """The resource `phishguard`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def reports(
        self, *, start: datetime, end: datetime, page: int = 1, per_page: int = MAX_PER_PAGE, lane: Lane
    ) -> Page[PhishReport]:
        """One page of the reports of a window; `Page.more` tells whether another page may follow.

        Args:
            start: aware.
            end: aware. Both are always sent: no default is documented.
            page: from 1.
            per_page: 1 to 1,000.
            lane: whose budget the request uses.
        """
        query: Query = {"start": start, "end": end, "page": page, "per_page": check_per_page(per_page)}
        answer = await self._transport.request(REPORTS, lane=lane, query=query)
        return rows.numbered_page(rows.read_list(answer, shapes.REPORT), page=page, per_page=per_page)
