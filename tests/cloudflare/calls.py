"""One read and one write to hold against each law, and all of them for laws that hold everywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from worker.cloudflare import Cloudflare
from worker.ports import Lane

Call = Callable[[Cloudflare], Awaitable[object]]

START, END = datetime(2024, 1, 5, tzinfo=UTC), datetime(2024, 1, 6, tzinfo=UTC)


async def read(cloudflare: Cloudflare, **more: Any) -> object:
    """The read that stands for all reads."""
    return await cloudflare.investigate.list(
        start=START, end=END, detections_only=True, lane=Lane.POLL, **more
    )


async def write(cloudflare: Cloudflare) -> object:
    """The write that stands for all writes."""
    return await cloudflare.investigate.move(["one"], "JunkEmail")


READS: dict[str, Call] = {
    "list": read,
    "get": lambda cf: cf.investigate.get("one", lane=Lane.READ_BACK),
    "action_log": lambda cf: cf.investigate.action_log("one", lane=Lane.READ_BACK),
    "reports": lambda cf: cf.phishguard.reports(start=START, end=END, lane=Lane.POLL),
    "submissions": lambda cf: cf.submissions.list(start=START, end=END, lane=Lane.READ_BACK),
}
WRITES: dict[str, Call] = {
    "move": write,
    "release": lambda cf: cf.investigate.release(["one"]),
    "reclassify": lambda cf: cf.investigate.reclassify("one", "SPAM"),
}
