"""The client of the Cloudflare Email Security API: nothing is sent twice, every answer is bounded."""

from worker.cloudflare.api import Cloudflare
from worker.cloudflare.listing import Listing
from worker.cloudflare.operations import CLAIMED
from worker.cloudflare.sparing import LeftOut
from worker.cloudflare.wire import (
    BadRow,
    MoveAnswer,
    MoveRow,
    Page,
    Receipt,
    ReleaseAnswer,
    ReleaseRow,
    Submission,
    SubmissionAnswer,
    SubmissionResult,
    TokenStatus,
)
from worker.model.enrichment import LogEntry
from worker.origin import check_base_url

__all__ = [
    "CLAIMED",
    "BadRow",
    "Cloudflare",
    "LeftOut",
    "Listing",
    "LogEntry",
    "MoveAnswer",
    "MoveRow",
    "Page",
    "Receipt",
    "ReleaseAnswer",
    "ReleaseRow",
    "Submission",
    "SubmissionAnswer",
    "SubmissionResult",
    "TokenStatus",
    "check_base_url",
]
