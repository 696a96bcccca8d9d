"""Reports of the PhishGuard team (API reference, Email Security, PhishGuard reports)."""

from __future__ import annotations

from datetime import datetime
from typing import Unpack

from worker.cloudflare import shapes
from worker.cloudflare.listing import Listing, Paged, numbered
from worker.cloudflare.operations import Operation
from worker.cloudflare.transport import Transport
from worker.model.events import PhishReport
from worker.ports import Lane

REPORTS = Operation("GET", "phishguard/reports")


class PhishGuard:
    """The resource `phishguard`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def reports(
        self, *, start: datetime, end: datetime, lane: Lane, **pages: Unpack[Paged]
    ) -> Listing[PhishReport]:
        """The reports of a window: awaited a page, iterated all.

        Args:
            start: aware.
            end: aware. Both are always sent: no default is documented.
            lane: whose budget the requests use.
            pages: `page` from 1, `per_page` up to 1,000.
        """
        query = {"start": start, "end": end, **pages}
        return numbered(self._transport, REPORTS, shapes.REPORT, query, lane=lane)
