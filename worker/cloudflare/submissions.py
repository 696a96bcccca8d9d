"""Reclassification requests, the team's and the users' (API reference, Email Security, Submissions)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Unpack

from msgspec import UNSET, Meta, UnsetType

from worker.cloudflare import rows, shapes
from worker.cloudflare.bodies import Body, Direction, Disposition, Filled, plain
from worker.cloudflare.listing import Listing, Paged, numbered
from worker.cloudflare.operations import Operation
from worker.cloudflare.transport import Transport
from worker.cloudflare.wire import Submission, SubmissionAnswer
from worker.ports import Lane

MAX_MESSAGES = 1000
"""Messages of one call. The API states no limit; it is the one of moves."""

LIST = Operation("GET", "submissions")
CREATE = Operation("POST", "submissions", accepts=frozenset({200, 201, 202}))


class Reclassification(Body, frozen=True, kw_only=True):
    """Another verdict for a message that has an alert."""

    alert_id: Filled
    """`Detection.alert_id`, which benign mail has not: that is a `MissedDetection`."""
    expected_disposition: Disposition
    escalated_submission_id: Filled | UnsetType = UNSET


class MissedDetection(Body, frozen=True, kw_only=True):
    """A verdict for a message that passed as benign."""

    postfix_id: Filled
    message_id: Filled
    """The RFC 5322 Message-ID."""
    recipient_emails: Annotated[tuple[Filled, ...], Meta(min_length=1)]
    expected_disposition: Disposition
    eml_content: bytes | UnsetType = UNSET
    """The mail; sent as base64."""
    escalated_submission_id: Filled | UnsetType = UNSET


class SubmissionQuery(Paged, total=False):
    """Filters beside the window."""

    direction: Direction
    escalated_from_user: bool
    order: Literal[
        "submission_id",
        "subject",
        "original_disposition",
        "requested_disposition",
        "outcome_disposition",
        "requested_at",
    ]
    original_disposition: Disposition
    outcome_disposition: Disposition
    query: str
    requested_disposition: Disposition
    status: str
    """escalated, reviewed or unreviewed: what a row calls `customer_status`."""
    submission_id: str


class Submissions:
    """The resource `submissions`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        start: datetime,
        end: datetime,
        type: Literal["TEAM", "USER"] | None = "TEAM",  # noqa: A002 - the API's name
        lane: Lane,
        **query: Unpack[SubmissionQuery],
    ) -> Listing[Submission]:
        """The submissions of a window: awaited a page, iterated all.

        Args:
            start: aware; must not be in the future.
            end: aware.
            type: TEAM for what administrators and this worker asked for, USER for users' reports, None for both.
            lane: whose budget the requests use.
            query: filters and page.
        """
        asked = {"start": start, "end": end, "type": type, **query}
        return numbered(self._transport, LIST, shapes.SUBMISSION, asked, lane=lane)

    async def create(
        self, messages: Sequence[Reclassification] | Sequence[MissedDetection], *, lane: Lane | None
    ) -> SubmissionAnswer:
        """Asks for other verdicts, many in one request; they come later, and twice when it is sent twice.

        The answer tells of each message whether it was accepted, by an id whose meaning the API does not state.

        Raises:
            ValueError: none or more than 1,000, of both kinds, or one twice; nothing has been sent.
        """
        answer = await self._transport.request(CREATE, lane=lane, body=_body(messages))
        groups = rows.read_groups(answer, {"results": shapes.SUBMISSION_RESULT})
        return SubmissionAnswer(groups["results"].rows, len(groups["results"].bad), answer.ray)


def _body(messages: Sequence[Reclassification | MissedDetection]) -> dict[str, Any]:
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise ValueError(f"a submission needs 1 to {MAX_MESSAGES} messages")
    kinds = {_KINDS[type(one)] for one in messages}
    if len(kinds) > 1:
        raise ValueError("one submission is either of reclassifications or of missed detections")
    if len({_identity(one) for one in messages}) < len(messages):
        raise ValueError("a message stands in the submission twice")
    return {"type": kinds.pop(), "messages": [plain(one) for one in messages]}


def _identity(one: Reclassification | MissedDetection) -> object:
    return one.alert_id if isinstance(one, Reclassification) else (one.postfix_id, one.recipient_emails)


_KINDS: dict[type[Body], str] = {Reclassification: "reclassification", MissedDetection: "missed_detection"}
