"""A bulk job and its rows, one for each message and recipient, and how both look on the wire."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.simulator.faults import Fault
from worker.simulator.tenant import Message

from .search import JobBody, echoed

JobStatus = Literal["PENDING", "DISCOVERING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED"]
RowStatus = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "CANCELLED", "SKIPPED"]
ENDED: frozenset[JobStatus] = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(kw_only=True, slots=True)
class JobRow:
    """What a job does to one message for one recipient."""

    row_id: str
    message: Message
    recipient: str
    created_at: str
    status: RowStatus = "PENDING"
    processed_at: str | None = None
    status_message: str | None = None
    retry_count: int = 0

    def end(self, status: RowStatus, at: str, why: str | None = None) -> None:
        """Nothing more will be done."""
        self.status, self.processed_at, self.status_message = status, at, why


@dataclass(kw_only=True, slots=True)
class Job:
    """A job; `request` is the number of the request that created it, `fault` what strikes its work."""

    job_id: str
    body: JobBody
    request: int
    fault: Fault | None
    created: float
    """Seconds since 1970."""
    created_at: str
    status: JobStatus = "PENDING"
    started_at: str | None = None
    completed_at: str | None = None
    status_message: str | None = None
    rows: list[JobRow] = field(default_factory=list)
    waiting: list[list[JobRow]] = field(default_factory=list)
    """The rows of each message that is still to be worked off, the last one first."""
    worked_off: int = 0
    """Messages."""

    def end(self, status: JobStatus, at: str, why: str | None = None) -> None:
        """The job is over."""
        self.status, self.completed_at, self.status_message = status, at, why
        self.waiting = []

    def wire(self) -> dict[str, Any]:
        """The job as the vendor shows it."""
        counts = Counter(row.status for row in self.rows)
        return {
            "job_id": self.job_id,
            "action_type": self.body.action,
            "action_params": self._params(),
            "search_params": echoed(self.body.search_params),
            "comment": self.body.comment,
            "status": self.status,
            "status_message": self.status_message,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "total_messages_discovered": len(self.rows),
            "messages_pending": counts["PENDING"] + counts["PROCESSING"],
            "messages_successful": counts["COMPLETED"],
            "messages_failed": counts["FAILED"],
            "messages_skipped": counts["SKIPPED"],
            "messages_cancelled": counts["CANCELLED"],
        }

    def wire_row(self, row: JobRow) -> dict[str, Any]:
        """A row as the vendor shows it, without its message; `message_id` is the row's, not the mail's."""
        mail = row.message.row
        return {
            "message_id": row.row_id,
            "postfix_id": mail.postfix_id,
            "alert_id": mail.alert_id,
            "email_message_id": mail.message_id,
            "action_type": self.body.action,
            "action_params": self._params() | {"client_recipient": row.recipient},
            "status": row.status,
            "status_message": row.status_message,
            "created_at": row.created_at,
            "processed_at": row.processed_at,
            "retry_count": row.retry_count,
            "retry_after": None,
        }

    def _params(self) -> dict[str, Any]:
        action = {"type": self.body.action}
        return action | {"destination": self.body.destination} if self.body.action == "MOVE" else action
