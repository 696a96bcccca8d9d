"""Messages and what can be done to them (API reference, Email Security, Investigate)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Literal

from worker.cloudflare import rows, shapes
from worker.cloudflare.operations import MAX_ID, Operation, Query
from worker.cloudflare.transport import Answer, Transport
from worker.cloudflare.wire import LogEntry, MoveAnswer, Page, Receipt, ReleaseAnswer
from worker.errors import Transient
from worker.model.actions import DESTINATIONS
from worker.model.events import DISPOSITIONS, Detection
from worker.ports import Lane

MAX_PER_PAGE = 1000
MAX_IDS = 1000
"""Ids of one move (API reference, Investigate move). Release states no limit; the same one is ours."""
MAX_LOG_PAGES = 20
_FIRST_WAIT, _LONGEST_WAIT, _PATIENCE = 0.5, 5.0, 120.0
"""Seconds between two asks for a slow search, and in all."""

LIST = Operation("GET", "investigate", accepts=frozenset({200, 202}))
GET = Operation("GET", "investigate/{id}")
ACTION_LOG = Operation("GET", "investigate/{id}/action_log")
MOVE = Operation("POST", "investigate/move")
RELEASE = Operation("POST", "investigate/release")
RECLASSIFY = Operation("POST", "investigate/{id}/reclassify", accepts=frozenset({200, 201, 202}))

ReleaseBody = Literal["object", "array"]


class Investigate:
    """The resource `investigate`. Every call is one request, except where it says so."""

    def __init__(
        self,
        transport: Transport,
        *,
        release_body: ReleaseBody = "object",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = transport
        self._release_body = release_body
        self._sleep = sleep

    async def list(
        self,
        *,
        start: datetime,
        end: datetime,
        cursor: str | None = None,
        per_page: int = MAX_PER_PAGE,
        detections_only: bool,
        subject: str | None = None,
        recipient: str | None = None,
        lane: Lane,
    ) -> Page[Detection]:
        """One page of the messages of a window, in no documented order.

        A search that the vendor answers with 202 is asked for again, up to 120 s; each ask is admitted alone.

        Args:
            start: aware; must not be in the future.
            end: aware.
            cursor: `Page.next` of the page before, with the same window.
            per_page: 1 to 1,000.
            detections_only: the vendor's default, true, hides benign mail; so it is always said.
            subject: words that the subject has, in any order.
            recipient: an address or a domain.
            lane: whose budget the requests use.
        """
        query: Query = {
            "start": start,
            "end": end,
            "cursor": cursor,
            "per_page": check_per_page(per_page),
            "detections_only": detections_only,
            "subject": subject,
            "recipient": recipient,
        }
        answer = await self._transport.request(LIST, lane=lane, query=query)
        if answer.status == 202:  # noqa: PLR2004 - Accepted
            answer = await self._await_search(answer, lane)
        decoded = rows.read_detections(answer)
        return Page(decoded.rows, decoded.bad, next=decoded.next)

    async def _await_search(self, answer: Answer, lane: Lane) -> Answer:
        """Asks the Location of a slow search until it has an answer (API reference, Investigate list)."""
        url = self._transport.locate(answer)
        wait, spent = _FIRST_WAIT, answer.seconds
        while spent + wait <= _PATIENCE:
            await self._sleep(wait)
            answer = await self._transport.ask(LIST, url, lane=lane)
            if answer.status != 202:  # noqa: PLR2004 - Accepted
                return answer
            if answer.location is not None:
                url = self._transport.locate(answer)
            spent += wait + answer.seconds
            wait = min(2 * wait, _LONGEST_WAIT)
        raise Transient(
            f"{LIST.endpoint}: the search took more than {_PATIENCE:.0f} s; ask for a shorter window"
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

        An entry that cannot be read makes the whole log a `BadAnswer`: half a log would prove that nothing
        was done where something was.
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
            if not rows.has_more(decoded, per_page=MAX_PER_PAGE, seen=len(entries)):
                return tuple(entries)
            if page == MAX_LOG_PAGES:
                raise answer.unbelievable(f"the log has more than {MAX_LOG_PAGES} pages")
            page += 1

    async def move(self, ids: Sequence[str], destination: str) -> MoveAnswer:
        """Moves 1 to 1,000 messages in every recipient's mailbox. HTTP 200 may carry rows without success.

        Raises:
            ValueError: not an explicit, bounded list of ids, or no such destination; nothing has been sent.
        """
        _check_choice("destination", destination, DESTINATIONS)
        body = {"destination": destination, "ids": check_ids(ids)}
        answer = await self._transport.request(MOVE, lane=None, body=body)
        decoded = rows.read_list(answer, shapes.MOVE_ROW)
        return MoveAnswer(decoded.rows, len(decoded.bad), answer.ray)

    async def release(self, ids: Sequence[str]) -> ReleaseAnswer:
        """Releases quarantined messages to their recipients; may deliver twice when it is sent twice.

        Raises:
            ValueError: not an explicit, bounded list of ids; nothing has been sent.
        """
        chosen = check_ids(ids)
        body = {"ids": chosen} if self._release_body == "object" else chosen
        answer = await self._transport.request(RELEASE, lane=None, body=body)
        decoded = rows.read_list(answer, shapes.RELEASE_ROW)
        return ReleaseAnswer(decoded.rows, len(decoded.bad), answer.ray)

    async def reclassify(self, investigate_id: str, disposition: str) -> Receipt:
        """Asks for another verdict; it comes later, and twice when it is sent twice.

        A 202 with an empty body is `AnswerLost`: the contract promises an envelope, and a read-back costs
        less than a verdict that was never asked for.

        Raises:
            ValueError: no usable id, or no such disposition; nothing has been sent.
        """
        _check_choice("disposition", disposition, DISPOSITIONS)
        body = {"expected_disposition": disposition}
        answer = await self._transport.request(RECLASSIFY, lane=None, ids={"id": investigate_id}, body=body)
        rows.read_receipt(answer)
        return Receipt(answer.status, answer.ray)


def check_per_page(per_page: int) -> int:
    """1 to 1,000, wherever a list has pages (API reference)."""
    if not 1 <= per_page <= MAX_PER_PAGE:
        raise ValueError(f"per_page must be 1 to {MAX_PER_PAGE}, got {per_page}")
    return per_page


def check_ids(ids: object) -> tuple[str, ...]:
    """An explicit selection: 1 to 1,000 distinct ids. An empty one may mean everything to a server."""
    if not isinstance(ids, Sequence) or isinstance(ids, str | bytes) or not 1 <= len(ids) <= MAX_IDS:
        raise ValueError(f"an action needs a list of 1 to {MAX_IDS} ids")
    chosen = tuple(one for one in ids if isinstance(one, str) and one.strip() and len(one) <= MAX_ID)
    if len(chosen) < len(ids):
        raise ValueError(f"each id must be a text of 1 to {MAX_ID} characters")
    if len(set(chosen)) < len(chosen):
        raise ValueError("an id stands in the list twice")
    return chosen


def _check_choice(noun: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"unknown {noun} {value!r}; choose one of {', '.join(choices)}")
