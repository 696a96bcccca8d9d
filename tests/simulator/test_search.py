from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.api import Api, Clock, Simulate


async def test_only_detections_are_listed_unless_asked(api: Api) -> None:
    """`detections_only` is true by default, so clean mail is invisible."""
    name = await api.given(final_disposition="NONE")
    assert name not in {row["id"] for row in await api.all_rows()}
    assert name in {row["id"] for row in await api.all_rows(detections_only=False)}


async def test_page_is_ignored_and_always_zero(api: Api) -> None:
    """The old paging by number is dead: any `page` gives the first one."""
    first, second = [await api.get("investigate", page=number) for number in (1, 2)]
    assert first.result == second.result
    assert (second.info["page"], second.info["total_count"]) == (0, 0)
    assert (second.info["count"], second.info["per_page"]) == (20, 20)


async def test_cursor_survives_arrivals(simulate: Simulate, clock: Clock) -> None:
    """Mail that arrives between two pages neither repeats nor hides a row."""
    api = await simulate(rate=1.0)
    page = await api.get("investigate", detections_only=False, per_page=60)
    clock.advance(30)
    rest = await api.get("investigate", detections_only=False, per_page=60, cursor=page.info["next"])
    assert len({row["id"] for row in page.result + rest.result}) == 100
    assert rest.info["next"] is None
    assert len(await api.all_rows(detections_only=False)) == 130


async def test_message_of_the_future_waits(api: Api, clock: Clock) -> None:
    """A message shows only once it has been scanned, also when the window ends later."""
    name = await api.given(scanned_at="2027-01-15T08:01:00Z", final_disposition="SPAM")
    search = {"start": "2027-01-15T08:00:00Z", "end": "2027-01-15T09:00:00Z"}
    assert await api.all_rows(**search) == []
    clock.advance(60)
    assert [row["id"] for row in await api.all_rows(**search)] == [name]


async def test_mail_arrives_when_it_is_due(simulate: Simulate, clock: Clock) -> None:
    """At one message in two seconds nothing exists after one second."""
    api = await simulate(messages=0, rate=0.5)
    seen = []
    for _ in range(4):
        clock.advance(1)
        seen.append(len(await api.all_rows(detections_only=False)))
        assert len(api.tenant.messages) == seen[-1]
    assert seen == [0, 1, 1, 2]


async def test_late_message_takes_its_place(api: Api) -> None:
    """A row that turns up late stands where its scan time puts it, for both ends of a window."""
    moment = "2027-01-15T03:00:00.500Z"
    name = await api.given(scanned_at=moment)
    assert [row["id"] for row in await api.all_rows(start=moment, end=moment, detections_only=False)] == [
        name
    ]
    rows = await api.all_rows(detections_only=False)
    assert [row["scanned_at"] for row in rows] == sorted((row["scanned_at"] for row in rows), reverse=True)


@pytest.mark.parametrize(
    "params",
    [
        {"sender": "EVE@evil.example"},
        {"sender": "evil.example"},
        {"sender": "bounces.example"},
        {"recipient": "victim@target.example"},
        {"recipient": "target.example"},
        {"domain": "evil.example"},
        {"domain": "target.example"},
        {"subject": "overdue wonderful"},
        {"query": "EVE victim wonder"},
        {"query": "<unique@evil.example>"},
        {"message_id": "<unique@evil.example>"},
        {"alert_id": "alert-1"},
        {"smtp_helo_ip": "192.0.2.255"},
        {"delivery_status": "queued"},
        {"message_action": "PREVIEW"},
        {"final_disposition": "SPOOF", "subject": "wonderful"},
    ],
)
async def test_filter_finds_the_message_alone(api: Api, params: dict[str, Any]) -> None:
    """Each filter of the contract picks the one message that it describes."""
    name = await api.given(
        **{
            "from": "eve@evil.example",
            "envelope_from": "x@bounces.example",
            "client_recipients": ["victim@target.example"],
            "subject": "Wonderful invoice overdue",
            "message_id": "<unique@evil.example>",
            "alert_id": "alert-1",
            "smtp_helo_server_ip": "192.0.2.255",
            "delivery_status": ["queued"],
            "post_delivery_operations": ["PREVIEW"],
            "final_disposition": "SPOOF",
        }
    )
    assert [row["id"] for row in await api.all_rows(**params)] == [name]


async def test_reported_mail_lives_in_the_other_datastore(api: Api) -> None:
    """A phish submission is found with `submission=true` only, other mail without it only."""
    reported, normal = await api.given(is_phish_submission=True), await api.given()
    assert (await api.get(f"investigate/{reported}")).status == 404
    assert (await api.get(f"investigate/{reported}", submission=True)).result["id"] == reported
    assert (await api.get(f"investigate/{normal}", submission=True)).status == 404


async def test_numbered_pages_cover_all_reports(simulate: Simulate) -> None:
    """Reports are paged by number, with a true total."""
    api = await simulate(reports=25)
    pages = [await api.get("phishguard/reports", page=number, per_page=10) for number in (1, 2, 3, 4)]
    assert [page.info["count"] for page in pages] == [10, 10, 5, 0]
    assert {page.info["total_count"] for page in pages} == {25}
    reports = [report for page in pages for report in page.result]
    assert len({report["id"] for report in reports}) == 25
    known = {message.row.postfix_id for message in api.tenant.messages.values()}
    assert {report["fields"]["postfix_id"] for report in reports} <= known


async def test_reports_are_found_by_whole_days(api: Api) -> None:
    """The deprecated days still bound the list, unless times are given, which go first."""
    name = await api.given()
    await api.admin(f"messages/{name}/report", {"title": "Old", "created_at": "2027-01-10T23:59:59Z"})
    day: dict[str, Any] = {"from_date": "2027-01-10", "to_date": "2027-01-10"}
    assert [row["title"] for row in (await api.get("phishguard/reports", **day)).result] == ["Old"]
    assert (await api.get("phishguard/reports", **day, end="2027-01-10T12:00:00Z")).result == []
    assert (await api.get("phishguard/reports", to_date="today")).error == (400, 1004)


async def test_reports_arrive_with_the_mail(simulate: Simulate, clock: Clock) -> None:
    """Every hundredth arriving message is reported soon after."""
    api = await simulate(messages=0, rate=10.0)
    clock.advance(33)
    assert len((await api.get("phishguard/reports")).result) == 3


@pytest.mark.parametrize(
    "params",
    [
        {"type": "TEAM"},
        {"requested_disposition": "NONE"},
        {"original_disposition": "MALICIOUS"},
        {"status": "unreviewed", "type": "TEAM"},
        {"escalated_from_user": True},
        {"query": "bank details"},
    ],
)
async def test_submission_filter_finds_it_alone(simulate: Simulate, params: dict[str, Any]) -> None:
    """Each filter picks the one submission that it describes."""
    api = await simulate(messages=0)
    for fields, verdict in (
        ({"final_disposition": "SPAM"}, "SPOOF"),
        ({"final_disposition": "BULK"}, "SPAM"),
    ):
        name = await api.given(is_phish_submission=True, **fields)
        await api.post(f"investigate/{name}/reclassify", {"expected_disposition": verdict})
    for _, entry in api.tenant.submissions:
        entry.type, entry.customer_status = "User", "reviewed"
    name = await api.given(final_disposition="MALICIOUS-BEC", subject="Bank details")
    body = {"expected_disposition": "NONE", "escalated_submission_id": "user-1"}
    await api.post(f"investigate/{name}/reclassify", body)
    (row,) = (await api.get("submissions", **params)).result
    assert row["original_postfix_id"] == api.tenant.messages[name].row.postfix_id


async def test_submissions_are_ordered_as_asked(simulate: Simulate, clock: Clock) -> None:
    """The default is newest first; `order` and `direction` change it."""
    api = await simulate(messages=0)
    for subject in ("b", "c", "a"):
        clock.advance(1)
        name = await api.given(subject=subject)
        await api.post(f"investigate/{name}/reclassify", {"expected_disposition": "SPAM"})
    newest = (await api.get("submissions")).result
    by_subject = (await api.get("submissions", order="subject", direction="asc")).result
    assert [row["subject"] for row in newest] == ["a", "c", "b"]
    assert [row["subject"] for row in by_subject] == ["a", "b", "c"]
