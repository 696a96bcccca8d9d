"""What the client answers with: rows under the API's own names, and what became of rows that are none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from worker.model.events import Text

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read; the others of its page go on."""

    row_id: str | None
    reason: str
    """Path and expectation, such as `Expected str, got int - at $.subject`: no text of the mail."""
    digest: str
    """SHA-256 in hex over the row, keys sorted: the same row has the same digest in every poll."""
    raw: str
    """The row as JSON, ASCII only, at most 8 KiB; what goes beyond is cut off."""


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page of a list. A page may be empty and yet have a `next`."""

    rows: tuple[R, ...]
    bad: tuple[BadRow, ...] = ()
    next: str | None = None
    """The cursor of the next page (Investigate list alone has one); None at the end."""
    full: bool = False
    """Where pages have numbers: whether this one holds as much as one can, or the vendor numbers later ones."""
    total: int = 0
    """Where pages have numbers: how many rows the vendor counts on all of them; 0 where it does not say."""

    waited: float = 0.0
    """Seconds that its first request stood at the gate before it was sent (Investigate list alone tells)."""

    @property
    def count(self) -> int:
        """How many rows it showed, readable or not."""
        return len(self.rows) + len(self.bad)

    def has_more(self, seen: int) -> bool:
        """Whether a further number may have rows, `seen` rows counted on all pages up to and with this one.

        Only who has read those pages knows that sum: a page may have fewer rows than were asked for. An empty page is
        always the end.
        """
        return self.count > 0 and (self.full or self.total > seen)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Something with an id: opaque, and required, because what cannot be named cannot be changed."""

    id: str


class Setting(Named, frozen=True, kw_only=True):
    """What the rows of all settings have."""

    created_at: datetime | None = None
    modified_at: datetime | None = None


class MoveRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message in one mailbox (API reference, Investigate move); it carries no investigate id."""

    success: bool
    message_id: Text | None = None
    """The RFC 5322 Message-ID: with `recipient` the only way back to the message that was meant."""
    recipient: Text | None = None
    status: Text | None = None
    operation: Text | None = None
    destination: Text | None = None
    completed_at: datetime | None = None


class ReleaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message's recipients (API reference, Investigate release). None is not success."""

    id: str
    delivered: tuple[str, ...] | None = None
    undelivered: tuple[str, ...] | None = None
    failed: tuple[str, ...] | None = None


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One reclassification request (API reference, Submissions list)."""

    submission_id: str
    requested_at: datetime | None = None
    requested_by: str | None = None
    requested_disposition: str | None = None
    original_disposition: str | None = None
    original_postfix_id: str | None = None
    original_edf_hash: str | None = None
    outcome: str | None = None
    outcome_disposition: str | None = None
    status: str | None = None
    """Free text about the processing; the filter `status` means `customer_status`."""
    customer_status: str | None = None
    escalated_as: str | None = None
    escalated_at: datetime | None = None
    escalated_by: str | None = None
    escalated_submission_id: str | None = None
    subject: str | None = None
    type: str | None = None
    """Team or User; the filter `type` spells them TEAM and USER."""


class SubmissionResult(Named, frozen=True, kw_only=True):
    """Whether one message of a new submission was taken (API reference, Submissions create)."""

    accepted: bool
    error: str | None = None


class TokenStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the API says of the token (API reference, Verify token)."""

    status: str
    """`active`, `disabled` or `expired`."""
    id: str = ""
    not_before: datetime | None = None
    expires_on: datetime | None = None
    owner: str = "user"
    """`user` or `account`: whose token it is."""


@dataclass(frozen=True, slots=True)
class MoveAnswer:
    """Rows of a move as they came; `bad` counts those that could not be read."""

    rows: tuple[MoveRow, ...]
    bad: int = 0
    ray: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseAnswer:
    """Rows of a release as they came; `bad` counts those that could not be read."""

    rows: tuple[ReleaseRow, ...]
    bad: int = 0
    ray: str | None = None


@dataclass(frozen=True, slots=True)
class SubmissionAnswer:
    """Rows of a new submission as they came; `bad` counts those that could not be read."""

    rows: tuple[SubmissionResult, ...]
    bad: int = 0
    ray: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The vendor took the request; its effect comes later."""

    status: int
    ray: str | None = None
