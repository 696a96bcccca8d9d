from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.cloudflare.calls import END, START
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import ACCOUNT, Request, Vendor, answer, envelope, refusal, row
from worker.cloudflare import Cloudflare, LogEntry, MoveRow, ReleaseRow, Submission, TokenStatus
from worker.errors import BadAnswer, Refused, Unauthorized
from worker.model.actions import DESTINATIONS
from worker.model.events import DISPOSITIONS, ReportFields, Tag
from worker.ports import Lane

WHEN = datetime(2024, 1, 5, 10, tzinfo=UTC)


def query(request: Request) -> dict[str, str]:
    """Every parameter, of which none may stand twice."""
    parsed = parse_qs(urlsplit(request.target).query, keep_blank_values=True, strict_parsing=True)
    assert all(len(values) == 1 for values in parsed.values())
    return {name: values[0] for name, values in parsed.items()}


async def test_list_sends_the_window_and_never_a_page(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """`page` is past its end of life and never sent; `detections_only` hides mail unless it is said."""
    tokyo = timezone(timedelta(hours=9))
    await cloudflare.investigate.list(
        start=datetime(2024, 1, 5, 9, 0, 0, 250, tzinfo=tokyo),
        end=END,
        cursor="a+b/c==&page=2",
        detections_only=False,
        lane=Lane.POLL,
    )
    request = vendor.requests[0]
    assert (request.method, request.path) == ("GET", "investigate")
    assert query(request) == {
        "start": "2024-01-05T00:00:00.000250Z",
        "end": "2024-01-06T00:00:00Z",
        "cursor": "a+b/c==&page=2",
        "per_page": "1000",
        "detections_only": "false",
    }


@pytest.mark.parametrize("submission,sent", [(False, {}), (True, {"submission": "true"})])
async def test_get_says_where_to_look(
    vendor: Vendor, cloudflare: Cloudflare, submission: bool, sent: dict[str, str]
) -> None:
    """Users' reports live in a store of their own, which is searched only when it is asked for."""
    listed = row(1, validation=None)
    vendor.will(answer(envelope(listed)))
    message = await cloudflare.investigate.get(listed["id"], submission=submission, lane=Lane.ENRICH)
    request = vendor.requests[0]
    assert request.path == f"investigate/{listed['id']}"
    assert (query(request) if "?" in request.target else {}) == sent
    assert (message.id, message.sender, message.scanned_at) == (listed["id"], "mallory@evil.example", WHEN)


async def test_get_is_refused_where_there_is_nothing(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """404 is an answer: the message is not there."""
    vendor.will(answer(refusal((1005, "not found")), 404))
    with pytest.raises(Refused) as caught:
        await cloudflare.investigate.get("one", lane=Lane.READ_BACK)
    assert caught.value.status == 404


@pytest.mark.parametrize("result", [row(2), {"subject": "x"}, [], None, "x"])
async def test_get_believes_only_the_message_it_asked_for(
    vendor: Vendor, cloudflare: Cloudflare, result: Any
) -> None:
    """Another message, or none that can be read, is no answer."""
    vendor.will(answer(envelope(result)))
    with pytest.raises(BadAnswer):
        await cloudflare.investigate.get(row(1)["id"], lane=Lane.READ_BACK)


async def test_action_log_reads_every_page(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Full pages go on, and so does a short one where the vendor counts more."""
    full = [{"operation": "PREVIEW"}] * 1000
    vendor.will(
        answer(envelope(full, count=1000, page=1, per_page=1000, total_count=1003)),
        answer(envelope([{"operation": "MOVE"}] * 2, total_count=1003)),
        answer(envelope([{"operation": "SUBMISSION"}], total_count=1003)),
    )
    entries = await cloudflare.investigate.action_log("one", lane=Lane.READ_BACK)
    assert [entry.operation for entry in entries[-3:]] == ["MOVE", "MOVE", "SUBMISSION"]
    assert [query(request)["page"] for request in vendor.requests] == ["1", "2", "3"]
    assert {request.path for request in vendor.requests} == {"investigate/one/action_log"}


@pytest.mark.parametrize("shown", [0, 1])
async def test_a_log_that_shows_less_than_it_counts_proves_nothing(
    vendor: Vendor, cloudflare: Cloudflare, shown: int
) -> None:
    """An empty page ends it, so that it cannot go on for ever; what it has not shown may be what was done."""
    pages = [[{"operation": "MOVE"}]] * shown + [[]]
    vendor.will(*(answer(envelope(rows, total_count=9)) for rows in pages))
    with pytest.raises(BadAnswer, match=f"the log shows {shown} of 9 entries"):
        await cloudflare.investigate.action_log("one", lane=Lane.READ_BACK)
    assert len(vendor.requests) == len(pages)


async def test_action_log_entries_are_flat(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Everything but the operation may be missing or null."""
    told = {"folder": "JunkEmail", "requested_by": "soc@corp.example", "service": "x"}
    asked = {"requested_disposition": "SPAM", "submission_id": "s-1", "folder": None}
    move = {"operation": "MOVE", "completed_at": "2024-01-05T10:00:00", "success": True, "properties": told}
    submission = {"operation": "SUBMISSION", "status": None, "properties": asked}
    bare = {"operation": "NEW", "started_at": None, "properties": None}
    vendor.will(answer(envelope([move, submission, bare])))
    assert await cloudflare.investigate.action_log("one", lane=Lane.READ_BACK) == (
        LogEntry(
            operation="MOVE",
            completed_at=WHEN,
            success=True,
            folder="JunkEmail",
            requested_by="soc@corp.example",
            service="x",
        ),
        LogEntry(operation="SUBMISSION", requested_disposition="SPAM", submission_id="s-1"),
        LogEntry(operation="NEW"),
    )


async def test_half_a_log_is_no_log(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """An entry that cannot be read may be the one that counts."""
    vendor.will(answer(envelope([{"operation": "MOVE"}, {"operation": 7}])))
    with pytest.raises(BadAnswer, match="entry"):
        await cloudflare.investigate.action_log("one", lane=Lane.READ_BACK)


@pytest.mark.parametrize("destination", DESTINATIONS)
async def test_move_sends_ids_and_destination_alone(
    vendor: Vendor, cloudflare: Cloudflare, destination: str
) -> None:
    """`expected_disposition` does nothing and `postfix_ids` is past its end: neither is sent."""
    listed = {"success": False, "message_id": "<1@x>", "recipient": "a@x", "status": "no", "item_count": 1}
    vendor.will(answer(envelope([listed, {"status": "no success"}, 7]), CF_Ray="8f1-AMS"))
    moved = await cloudflare.investigate.move(["one", "two"], destination)
    request = vendor.requests[0]
    assert (request.method, request.path) == ("POST", "investigate/move")
    assert request.headers["content-type"] == "application/json"
    assert request.json == {"destination": destination, "ids": ["one", "two"]}
    assert moved.rows == (MoveRow(success=False, message_id="<1@x>", recipient="a@x", status="no"),)
    assert (moved.bad, moved.ray) == (2, "8f1-AMS")


@pytest.mark.parametrize("form,body", [("object", {"ids": ["one"]}), ("array", ["one"])])
async def test_release_has_two_bodies(vendor: Vendor, connect: Connect, form: str, body: object) -> None:
    """Today's object, and behind a switch the array that the API took before."""
    cloudflare = await connect(release_body=form)
    vendor.will(answer(envelope([{"id": "one", "delivered": ["a@x"], "failed": []}, {"id": 7}, {"id": ""}])))
    released = await cloudflare.investigate.release(["one"])
    assert (vendor.requests[0].path, vendor.requests[0].json) == ("investigate/release", body)
    assert released.rows == (ReleaseRow(id="one", delivered=("a@x",), undelivered=None, failed=()),)
    assert released.bad == 2


@pytest.mark.parametrize("disposition", DISPOSITIONS)
async def test_reclassify_sends_the_disposition_alone(
    vendor: Vendor, cloudflare: Cloudflare, disposition: str
) -> None:
    """One request for one message."""
    vendor.will(answer(envelope({}), 202))
    await cloudflare.investigate.reclassify("a:b", disposition)
    assert vendor.requests[0].path == "investigate/a:b/reclassify"
    assert vendor.requests[0].json == {"expected_disposition": disposition}


async def test_reports_are_read_page_by_page(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Start and end are always sent, the dates of old never."""
    fields = {"to": ["a@x"], "from": "b@y", "postfix_id": "p", "occurred_at": "2024-01-05T10:00:00Z"}
    full = {"id": 1, "title": "t", "fields": fields, "tags": [{"category": "c", "value": "v"}], "ts": "x"}
    vendor.will(answer(envelope([full, {"id": "no number"}])))
    page = await cloudflare.phishguard.reports(start=START, end=END, page=3, per_page=2, lane=Lane.POLL)
    assert query(vendor.requests[0]) == {
        "start": "2024-01-05T00:00:00Z",
        "end": "2024-01-06T00:00:00Z",
        "page": "3",
        "per_page": "2",
    }
    (report,) = page.rows
    assert report.fields == ReportFields(to=("a@x",), sender="b@y", postfix_id="p", occurred_at=WHEN)
    assert report.tags == (Tag(category="c", value="v"),)
    assert (page.next, page.full, len(page.bad)) == (None, True, 1)


@pytest.mark.parametrize(
    "count,info,more",
    [
        (2, {}, True),
        (1, {}, False),
        (0, {}, False),
        (1, {"total_count": 9}, True),
        (0, {"total_count": 9}, False),
        (2, {"total_count": 2}, True),
        (1, {"total_count": 1, "per_page": 1}, True),
        (1, {"total_pages": 1}, False),
        (1, {"total_pages": 2}, True),
        (0, {"total_pages": 2, "per_page": -1}, False),
    ],
)
async def test_more_is_a_full_page_or_the_vendors_count(
    vendor: Vendor, cloudflare: Cloudflare, count: int, info: dict[str, Any], more: bool
) -> None:
    """Whatever says so is believed; but an empty page is the end."""
    vendor.will(answer(envelope([{"id": number} for number in range(count)], **info)))
    page = await cloudflare.phishguard.reports(start=START, end=END, page=1, per_page=2, lane=Lane.POLL)
    assert page.has_more(page.count) is more


async def test_submissions_are_listed_by_type(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The worker's own are of type TEAM."""
    listed = {"submission_id": "s", "requested_at": "2024-01-05T10:00:00Z", "type": "Team", "outcome": None}
    vendor.will(answer(envelope([listed, {"submission_id": None}])))
    page = await cloudflare.submissions.list(start=START, end=END, lane=Lane.READ_BACK)
    assert (vendor.requests[0].path, query(vendor.requests[0])["type"]) == ("submissions", "TEAM")
    assert page.rows == (Submission(submission_id="s", requested_at=WHEN, type="Team"),)
    assert len(page.bad) == 1


async def test_a_users_token_is_verified_by_the_users_endpoint(
    vendor: Vendor, cloudflare: Cloudflare
) -> None:
    """One request; an owner of the vendor's making does not matter."""
    vendor.will(answer(envelope({"id": "t", "status": "active", "owner": 7})))
    status = await cloudflare.tokens.verify(lane=Lane.ENRICH)
    assert status == TokenStatus(id="t", status="active", owner="user")
    assert vendor.requests[0].target == "/client/v4/user/tokens/verify"


async def test_an_accounts_token_is_verified_by_the_accounts_endpoint(
    vendor: Vendor, cloudflare: Cloudflare
) -> None:
    """The user's endpoint does not know it."""
    valid = envelope({"id": "t", "status": "active", "expires_on": "2024-01-05T10:00:00Z"})
    vendor.will(answer(refusal((1000, "Invalid API Token")), 401), answer(valid))
    status = await cloudflare.tokens.verify(lane=Lane.ENRICH)
    assert (status.owner, status.expires_on) == ("account", WHEN)
    assert vendor.requests[1].target == f"/client/v4/accounts/{ACCOUNT}/tokens/verify"


async def test_a_token_that_nobody_knows_is_unauthorized(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The first refusal is the one that is told."""
    vendor.will(answer(refusal((1000, "Invalid API Token")), 401), answer(refusal((1001, "other")), 403))
    with pytest.raises(Unauthorized, match="1000 Invalid API Token"):
        await cloudflare.tokens.verify(lane=Lane.ENRICH)
    assert len(vendor.requests) == 2
