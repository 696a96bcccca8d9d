"""What never leaves the worker: selections of nothing, of everything, or that no API would take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tests.cloudflare.calls import END, START
from tests.cloudflare.vendor import Vendor
from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.bulk import NewJob, Search
from worker.cloudflare.settings.block_senders import BlockSenderChange, NewBlockSender
from worker.cloudflare.settings.content_policies import NewContentPolicy
from worker.cloudflare.settings.domains import DomainChange
from worker.cloudflare.submissions import MissedDetection, Reclassification
from worker.errors import AnswerLost

NEW = NewBlockSender(pattern="evil.example", pattern_type="DOMAIN", is_regex=False)
SEARCH = Search(start=START, end=END, detections_only=False, sender="evil.example")
JOB = NewJob(action="MOVE", destination="JunkEmail", search_params=SEARCH, comment="key")
ONE = Reclassification(alert_id="a", expected_disposition="SPAM")
MISSED = MissedDetection(
    postfix_id="p", message_id="<m@x>", recipient_emails=("a@x",), expected_disposition="SPAM"
)


def create(**changes: Any) -> Any:
    """A block sender that is not quite right."""
    return lambda cf: cf.settings.block_senders.create(replace(NEW, **changes), lane=CLAIMED)


def batch(**lists: Any) -> Any:
    """A batch of block senders."""
    return lambda cf: cf.settings.block_senders.batch(**lists, lane=CLAIMED)


def job(**changes: Any) -> Any:
    """A job."""
    return lambda cf: cf.investigate.bulk.create(replace(JOB, **changes), lane=CLAIMED)


def searching(**changes: Any) -> Any:
    """A job over another search."""
    return job(search_params=replace(SEARCH, **changes))


def submit(*messages: Any) -> Any:
    """A submission."""
    return lambda cf: cf.submissions.create(messages, lane=CLAIMED)


REFUSED: dict[str, tuple[Callable[[Cloudflare], Awaitable[object]], str]] = {
    "an empty pattern": (create(pattern=""), "pattern"),
    "a blank pattern": (create(pattern=" \n"), "pattern"),
    "an endless pattern": (create(pattern="x" * 1025), "pattern"),
    "half a letter": (create(pattern="\ud800"), "surrogates"),
    "a type past its end": (create(pattern_type="UNKNOWN"), "pattern_type"),
    "a text for a boolean": (create(is_regex="false"), "is_regex"),
    "no target": (
        lambda cf: cf.settings.content_policies.create(
            NewContentPolicy(name="n", pattern="p", targets=(), enabled=True), lane=CLAIMED
        ),
        "targets",
    ),
    "twenty-one hops": (
        lambda cf: cf.settings.domains.edit("one", DomainChange(lookback_hops=21), lane=CLAIMED),
        "lookback_hops",
    ),
    "no change": (
        lambda cf: cf.settings.block_senders.edit("one", BlockSenderChange(), lane=CLAIMED),
        "at least one",
    ),
    "an id that is a path": (lambda cf: cf.settings.block_senders.delete("..", lane=CLAIMED), "id"),
    "no id": (lambda cf: cf.settings.domains.delete("", lane=CLAIMED), "id"),
    "an empty batch": (batch(), "batch"),
    "a batch without end": (batch(posts=[NEW] * 1001), "batch"),
    "a batch that deletes nothing by name": (batch(deletes=[""]), "id"),
    "an id twice": (batch(deletes=["one"], patches={"one": BlockSenderChange(is_regex=True)}), "once"),
    "a patch of nothing": (batch(patches={"one": BlockSenderChange()}), "at least one"),
    "an empty batch of deletes": (
        lambda cf: cf.settings.sending_domain_restrictions.batch(deletes=[], lane=CLAIMED),
        "batch",
    ),
    "every domain, unsaid": (
        lambda cf: cf.settings.domains.bulk_delete(confirm="yes", lane=CLAIMED),
        "every domain",
    ),
    "a job over everything": (searching(sender=None), "everything"),
    "a job over blanks": (searching(sender=" "), "everything"),
    "a job over a verdict": (searching(sender=None, final_disposition="SPAM"), "everything"),
    "a job without a start": (searching(start=None), "start"),
    "a job without an end": (searching(end=None), "end"),
    "a job backwards": (searching(end=START - timedelta(days=1)), "before"),
    "a job in no zone": (searching(start=START.replace(tzinfo=None), end=END.replace(tzinfo=None)), "start"),
    "a job that does not say what it hides": (searching(detections_only=None), "detections_only"),
    "a job without a destination": (
        lambda cf: cf.investigate.bulk.create(NewJob(action="MOVE", search_params=SEARCH), lane=CLAIMED),
        "destination",
    ),
    "a job into nowhere": (job(destination="Trash"), "destination"),
    "no message": (submit(), "1 to 1000"),
    "too many messages": (submit(*[replace(ONE, alert_id=str(n)) for n in range(1001)]), "1 to 1000"),
    "a message twice": (submit(ONE, ONE), "twice"),
    "both kinds": (submit(ONE, MISSED), "either"),
    "a verdict that nobody can ask for": (
        submit(replace(ONE, expected_disposition="UNKNOWN")),
        "disposition",
    ),
    "no recipient": (submit(replace(MISSED, recipient_emails=())), "recipient_emails"),
    "no alert": (submit(replace(ONE, alert_id="")), "alert_id"),
    "no preview": (lambda cf: cf.investigate.render("", lane=CLAIMED), "id"),
    "no destination": (lambda cf: cf.investigate.move_one("one", "", lane=CLAIMED), "destination"),
}


@pytest.mark.parametrize("call,why", REFUSED.values(), ids=REFUSED)
async def test_what_is_not_sent(
    vendor: Vendor, cloudflare: Cloudflare, call: Callable[[Cloudflare], Awaitable[object]], why: str
) -> None:
    """The error names what is wrong, and nothing was connected to."""
    with pytest.raises(ValueError, match=why):
        await call(cloudflare)
    assert vendor.connections == 0


@pytest.mark.parametrize("call", [create(), job(), submit(ONE), submit(MISSED), batch(posts=[NEW])])
async def test_the_same_put_right_is_sent(vendor: Vendor, cloudflare: Cloudflare, call: Any) -> None:
    """What the refusals above vary would have gone out."""
    with pytest.raises(AnswerLost):
        await call(cloudflare)
    assert len(vendor.requests) == 1
