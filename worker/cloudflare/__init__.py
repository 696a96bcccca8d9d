"""The client of the Cloudflare Email Security API: nothing is sent twice, every answer is bounded."""

from worker.cloudflare.api import Cloudflare
from worker.cloudflare.origin import check_base_url
from worker.cloudflare.wire import (
    BadRow,
    LogEntry,
    MoveAnswer,
    MoveRow,
    Page,
    Receipt,
    ReleaseAnswer,
    ReleaseRow,
    Submission,
    TokenStatus,
)

__all__ = [
    "BadRow",
    "Cloudflare",
    "LogEntry",
    "MoveAnswer",
    "MoveRow",
    "Page",
    "Receipt",
    "ReleaseAnswer",
    "ReleaseRow",
    "Submission",
    "TokenStatus",
    "check_base_url",
]
