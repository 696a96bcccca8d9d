"""Messages and what can be done to them (API reference, Email Security, Investigate)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from worker.cloudflare import rows, shapes
from worker.cloudflare.actions import MailActions, ReleaseBody, check_ids
from worker.cloudflare.bodies import DeliveryStatus, Disposition, MessageAction
from worker.cloudflare.listing import MAX_PER_PAGE, Listing, Position, believed, check_per_page
from worker.cloudflare.operations import Operation
from worker.cloudflare.transport import Answer, Transport
from worker.cloudflare.wire import Page
from worker.errors import SlowSearch
from worker.model.enrichment import Details, LogEntry, Trace
from worker.model.events import Detection
from worker.ports import Lane

if TYPE_CHECKING:
    from worker.cloudflare.bulk import Bulk
    from worker.cloudflare.evidence import Preview, RawMessage

MAX_LOG_PAGES = 20
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.5, 5.0, 120.0
"""Seconds between two asks for a slow search, and in all."""

LIST = Operation("GET", "investigate", accepts=frozenset({200, 202}))
GET = Operation("GET", "investigate/{id}")
ACTION_LOG = Operation("GET", "investigate/{id}/action_log")


class Filters(TypedDict, total=False):
    """What the list can be narrowed to; None is left out. MALICIOUS-BEC may or may not be part of MALICIOUS."""

    alert_id: str | None
    delivery_status: DeliveryStatus | None
    domain: str | None
    """Of sender, recipient or a link."""
    final_disposition: Disposition | None
    message_action: MessageAction | None
    message_id: str | None
    metric: str | None
    query: str | None
    """Words, separated by spaces, anywhere in what is known of a message."""
    recipient: str | None
    """An address or a domain."""
    sender: str | None
    """An address or a domain."""
    smtp_helo_ip: str | None
    subject: str | None
    """Words in any order."""


class Investigate(MailActions):
    """The resource `investigate`. Every call is one request, except where it says so."""

    def __init__(
        self,
        transport: Transport,
        *,
        release_body: ReleaseBody = "object",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(transport, release_body)
        self._sleep = sleep

    @cached_property
    def bulk(self) -> Bulk:
        """Jobs over whatever a search finds."""
        from worker.cloudflare.bulk import Bulk  # noqa: PLC0415 - few runs need it

        return Bulk(self._transport)

    def list(
        self,
        *,
        start: datetime,
        end: datetime,
        cursor: str | None = None,
        per_page: int = MAX_PER_PAGE,
        detections_only: bool,
        lane: Lane,
        patience: float = _PATIENCE,
        **filters: Unpack[Filters],
    ) -> Listing[Detection]:
        """The messages of a window, in no documented order: awaited a page, iterated all.

        A search that the vendor answers with 202 is asked for again, up to `patience`; each ask is admitted alone.

        Args:
            start: aware; must not be in the future.
            end: aware.
            cursor: `Page.next` of the page before, with the same window and filters.
            per_page: 1 to 1,000.
            detections_only: the vendor's default, true, hides benign mail; so it is always said.
            lane: whose budget the requests use.
            patience: seconds that a search may take; then it is `SlowSearch`.
            filters: no filter takes investigate ids.
        """

        async def fetch(position: Position) -> Page[Detection]:
            query: dict[str, Any] = {
                "start": start,
                "end": end,
                "cursor": position,
                "per_page": check_per_page(per_page),
                "detections_only": detections_only,
                **filters,
            }
            answer = await self._transport.request(LIST, lane=lane, query=query)
            waited = answer.waited
            if answer.status == 202:  # noqa: PLR2004 - Accepted
                answer = await self._await_search(answer, lane, patience)
            decoded = believed(self._transport, answer, rows.read_detections(answer))
            return Page(decoded.rows, decoded.bad, next=decoded.next, waited=waited)

        return Listing(LIST.endpoint, fetch, cursor)

    async def _await_search(self, answer: Answer, lane: Lane, patience: float) -> Answer:
        """Asks the Location of a slow search until it has an answer (API reference, Investigate list)."""
        url = self._transport.locate(answer)
        wait, spent = _FIRST_WAIT, answer.seconds
        while spent + wait <= patience:
            await self._sleep(wait)
            answer = await self._transport.ask(LIST, url, lane=lane)
            if answer.status != 202:  # noqa: PLR2004 - Accepted
                return answer
            if answer.location is not None:
                url = self._transport.locate(answer)
            spent += wait + answer.seconds
            wait = min(2 * wait, _LONGEST_WAIT)
        raise SlowSearch(
            f"{LIST.endpoint}: the search took more than {patience:.0f} s; ask for a shorter window"
        )

    async def get(self, investigate_id: str, *, submission: bool = False, lane: Lane) -> Detection:
        """One message. A message that is not there is `Refused` with status 404.

        Args:
            investigate_id: `Detection.id`.
            submission: looks only among what users reported (`is_phish_submission`); false only elsewhere.
            lane: whose budget the request uses.
        """
        query = {"submission": submission or None}
        answer = await self._transport.request(GET, lane=lane, ids={"id": investigate_id}, query=query)
        message = rows.read_one(answer, shapes.DETECTION)
        if message.id != investigate_id:
            raise answer.unbelievable("the answer is about another message")
        return message

    async def action_log(self, investigate_id: str, *, lane: Lane) -> tuple[LogEntry, ...]:
        """Everything that was done to one message; one request for each 1,000 entries.

        An entry that cannot be read, or is counted and not shown, makes the whole log a `BadAnswer`: half a log would
        prove that nothing was done where something was.
        """
        entries: list[LogEntry] = []
        page = 1
        while True:
            query = {"page": page, "per_page": MAX_PER_PAGE}
            answer = await self._transport.request(
                ACTION_LOG, lane=lane, ids={"id": investigate_id}, query=query
            )
            decoded = rows.read_list(answer, shapes.LOG_ENTRY)
            if decoded.bad:
                raise answer.unbelievable(f"an entry of the log cannot be read: {decoded.bad[0].reason}")
            entries += decoded.rows
            if not rows.numbered_page(decoded, page=page, per_page=MAX_PER_PAGE).has_more(len(entries)):
                if decoded.total > len(entries):
                    raise answer.unbelievable(f"the log shows {len(entries)} of {decoded.total} entries")
                return tuple(entries)
            if page == MAX_LOG_PAGES:
                raise answer.unbelievable(f"the log has more than {MAX_LOG_PAGES} pages")
            page += 1

    async def detections(self, investigate_id: str, *, lane: Lane) -> Details:
        """Why the verdict is what it is; `Refused` for a benign message."""
        from worker.cloudflare import evidence  # noqa: PLC0415 - few runs need it

        answer = await self._transport.request(evidence.DETECTIONS, lane=lane, ids={"id": investigate_id})
        return rows.read_one(answer, evidence.DETAILS_SHAPE)

    async def trace(self, investigate_id: str, *, lane: Lane) -> Trace:
        """The way of any message through the vendor's mail servers."""
        from worker.cloudflare import evidence  # noqa: PLC0415 - few runs need it

        answer = await self._transport.request(evidence.TRACE, lane=lane, ids={"id": investigate_id})
        return rows.read_one(answer, evidence.TRACE_SHAPE)

    async def raw(self, investigate_id: str, *, lane: Lane) -> RawMessage:
        """The mail itself; `Refused` for a benign message, `BadAnswer` for one of more than about 8 MB."""
        from worker.cloudflare import evidence  # noqa: PLC0415 - few runs need it

        answer = await self._transport.request(evidence.RAW, lane=lane, ids={"id": investigate_id})
        return rows.read_one(answer, evidence.RAW_SHAPE)

    async def preview(self, investigate_id: str, *, lane: Lane) -> Preview:
        """A picture of the mail; `Refused` for a benign message, which `render` is for."""
        from worker.cloudflare import evidence  # noqa: PLC0415 - few runs need it

        answer = await self._transport.request(evidence.PREVIEW, lane=lane, ids={"id": investigate_id})
        return rows.read_one(answer, evidence.PREVIEW_SHAPE)

    async def render(self, investigate_id: str, *, lane: Lane | None) -> Preview:
        """A picture of a benign message that still lies in its recipient's inbox. A write: the action log shows it."""
        from worker.cloudflare import evidence  # noqa: PLC0415 - few runs need it

        (one,) = check_ids([investigate_id])
        answer = await self._transport.request(evidence.RENDER, lane=lane, body={"id": one})
        return rows.read_one(answer, evidence.PREVIEW_SHAPE)
