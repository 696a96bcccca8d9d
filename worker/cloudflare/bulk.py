"""Jobs that the vendor runs over whatever a search finds (API reference, Email Security, Investigate bulk).

What belongs to a job is decided after it was created, so it may be more than anybody saw: see `Bulk.create`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Unpack

import msgspec
from msgspec import UNSET, UnsetType

from worker.cloudflare import rows
from worker.cloudflare.bodies import Body, Comment, Destination, Moment, plain
from worker.cloudflare.listing import Listing, Paged, numbered
from worker.cloudflare.operations import Operation
from worker.cloudflare.shapes import Shape, settle
from worker.cloudflare.transport import Answer, Transport
from worker.model.events import Detection
from worker.ports import Lane

LIST = Operation("GET", "investigate/bulk")
CREATE = Operation("POST", "investigate/bulk")
GET = Operation("GET", "investigate/bulk/{id}")
DELETE = Operation("DELETE", "investigate/bulk/{id}")
CANCEL = Operation("POST", "investigate/bulk/{id}/cancel")
MESSAGES = Operation("GET", "investigate/bulk/{id}/messages")

JobAction = Literal["MOVE", "RELEASE"]
NARROWING = (
    "alert_id",
    "domain",
    "exact_subject",
    "message_id",
    "query",
    "recipient",
    "sender",
    "smtp_helo_ip",
    "subject",
)
"""Criteria that name mail. Verdicts and states alone would take all that there is of a window."""


class Search(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What a job is about: the criteria of Investigate's list, and `exact_subject`. None is left out."""

    start: Moment | None = None
    end: Moment | None = None
    detections_only: bool | None = None
    """The API's default, true, hides benign mail; so a new job must say it."""
    submissions: bool | None = None
    """Among users' reports too; the API's default is false."""
    alert_id: str | None = None
    delivery_status: str | None = None
    domain: str | None = None
    exact_subject: str | None = None
    final_disposition: str | None = None
    message_action: str | None = None
    message_id: str | None = None
    metric: str | None = None
    query: str | None = None
    recipient: str | None = None
    sender: str | None = None
    smtp_helo_ip: str | None = None
    subject: str | None = None


class NewJob(Body, frozen=True, kw_only=True):
    """What a job needs. `comment` is the only thing by which a job can be found again whose answer was lost."""

    action: JobAction
    search_params: Search
    destination: Destination | UnsetType = UNSET
    comment: Comment | UnsetType | None = UNSET


class JobParams(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to each message."""

    type: str
    destination: str | None = None
    client_recipient: str | None = None
    """Of a message's own; a job's has none."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job: discovered = pending + successful + failed + skipped + cancelled."""

    job_id: str
    status: str
    """PENDING, DISCOVERING, PROCESSING, then COMPLETED, FAILED or CANCELLED. COMPLETED may hold failures."""
    action_type: str
    action_params: JobParams | None = None
    search_params: Search = Search()
    comment: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    status_message: str | None = None
    total_messages_discovered: int = 0
    messages_pending: int = 0
    messages_successful: int = 0
    messages_failed: int = 0
    messages_skipped: int = 0
    messages_cancelled: int = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen, so that it can be deleted."""
        return self.status in {"COMPLETED", "FAILED", "CANCELLED"}


class JobMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a job, for one recipient. The service itself tries again: `retry_count`, `retry_after`."""

    message_id: str
    """The row's own id: neither the investigate id nor the Message-ID, which is `email_message_id`."""
    status: str
    """PENDING, PROCESSING, COMPLETED, FAILED, CANCELLED or SKIPPED."""
    action_type: str | None = None
    action_params: JobParams | None = None
    postfix_id: str | None = None
    alert_id: str | None = None
    email_message_id: str | None = None
    message: Detection | None = None
    created_at: datetime | None = None
    processed_at: datetime | None = None
    retry_after: datetime | None = None
    retry_count: int = 0
    status_message: str | None = None


class JobQuery(Paged, total=False):
    """Filters of the list of jobs."""

    action_type: JobAction
    status: Literal["PENDING", "DISCOVERING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]


class JobMessageQuery(Paged, total=False):
    """Filters of a job's messages."""

    status: Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED", "SKIPPED"]


class Bulk:
    """`investigate.bulk`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, lane: Lane, **query: Unpack[JobQuery]) -> Listing[Job]:
        """Awaited a page, iterated all."""
        return numbered(self._transport, LIST, JOB, query, lane=lane)

    async def create(self, new: NewJob, *, lane: Lane | None) -> Job:
        """Starts a job; a second one when it is sent twice.

        Raises:
            ValueError: no window, `detections_only` unsaid, or no criterion that names mail; nothing has been sent.
        """
        answer = await self._transport.request(CREATE, lane=lane, body=_body(new))
        return rows.read_one(answer, JOB)

    async def get(self, job_id: str, *, lane: Lane) -> Job:
        """One job."""
        answer = await self._transport.request(GET, lane=lane, ids={"id": job_id})
        return _same(answer, job_id)

    async def cancel(self, job_id: str, *, lane: Lane | None) -> Job:
        """Stops what is pending; what is under way goes on, and the job stays to be seen."""
        answer = await self._transport.request(CANCEL, lane=lane, ids={"id": job_id})
        return _same(answer, job_id)

    async def delete(self, job_id: str, *, lane: Lane | None) -> None:
        """Removes the record of a job that is over (`Job.is_over`)."""
        answer = await self._transport.request(DELETE, lane=lane, ids={"id": job_id})
        rows.read_receipt(answer)

    def messages(self, job_id: str, *, lane: Lane, **query: Unpack[JobMessageQuery]) -> Listing[JobMessage]:
        """Awaited a page, iterated all. A job of a thousand messages may well be COMPLETED with some of them FAILED."""
        return numbered(self._transport, MESSAGES, JOB_MESSAGE, query, ids={"id": job_id}, lane=lane)


def _body(new: NewJob) -> dict[str, Any]:
    search = new.search_params
    if search.start is None or search.end is None or search.detections_only is None:
        raise ValueError("a job needs a search with start, end and detections_only")
    if not search.start < search.end:
        raise ValueError("the search of a job must start before it ends")
    if not any((getattr(search, name) or "").strip() for name in NARROWING):
        raise ValueError(f"the search of a job would take everything: set one of {', '.join(NARROWING)}")
    if new.action == "MOVE" and new.destination is UNSET:
        raise ValueError("a job that moves needs a destination")
    return plain(new)


def _same(answer: Answer, job_id: str) -> Job:
    job = rows.read_one(answer, JOB)
    if job.job_id != job_id:
        raise answer.unbelievable("the answer is about another job")
    return job


JOB = Shape(Job, settle, identity="job_id")
JOB_MESSAGE = Shape(JobMessage, settle, identity="message_id")
