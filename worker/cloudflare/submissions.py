"""Reclassification requests, the team's and the users' (API reference, Email Security, Submissions)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from worker.cloudflare import rows, shapes
from worker.cloudflare.investigate import MAX_PER_PAGE, check_per_page
from worker.cloudflare.operations import Operation, Query
from worker.cloudflare.transport import Transport
from worker.cloudflare.wire import Page, Submission
from worker.ports import Lane

LIST = Operation("GET", "submissions")


class Submissions:
    """The resource `submissions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        start: datetime,
        end: datetime,
        type: Literal["TEAM", "USER"] = "TEAM",  # noqa: A002 - the API's name
        page: int = 1,
        per_page: int = MAX_PER_PAGE,
        lane: Lane,
    ) -> Page[Submission]:
        """One page of the submissions of a window; `Page.more` tells whether another page may follow.

        Args:
            start: aware; must not be in the future.
            end: aware.
            type: TEAM for what administrators and this worker asked for, USER for users' reports.
            page: from 1.
            per_page: 1 to 1,000.
            lane: whose budget the request uses.
        """
        query: Query = {
            "start": start,
            "end": end,
            "type": type,
            "page": page,
            "per_page": check_per_page(per_page),
        }
        answer = await self._transport.request(LIST, lane=lane, query=query)
        return rows.numbered_page(rows.read_list(answer, shapes.SUBMISSION), page=page, per_page=per_page)
