from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.api import Api, Clock, Simulate

JUNK: dict[str, Any] = {
    "action": "MOVE",
    "destination": "JunkEmail",
    "search_params": {"sender": "foe.example"},
}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
COUNTERS = ("pending", "successful", "failed", "skipped", "cancelled")


async def campaign(api: Api, count: int, **fields: Any) -> list[str]:
    """Messages of one sender, the oldest first, each to two people."""
    given: dict[str, Any] = {
        "final_disposition": "SPAM",
        "is_quarantined": False,
        "from": "x@foe.example",
        "client_recipients": ["a@c.example", "b@c.example"],
    }
    return [
        await api.given(**given | {"scanned_at": f"2027-01-15T07:00:{number:02}Z"} | fields)
        for number in range(count)
    ]  # fmt: skip


async def job_of(api: Api, body: dict[str, Any] = JUNK) -> str:
    """Creates a job; its path."""
    created = await api.post("investigate/bulk", body)
    assert created.status == 201
    return f"investigate/bulk/{created.result['job_id']}"


def counters(job: dict[str, Any]) -> tuple[int, ...]:
    """Pending, successful, failed, skipped, cancelled; they add up to what was discovered."""
    counts = tuple(job[f"messages_{name}"] for name in COUNTERS)
    assert sum(counts) == job["total_messages_discovered"]
    return counts


async def test_a_job_goes_through_its_life(simulate: Simulate, clock: Clock) -> None:
    """It waits, searches, moves at its rate, and ends; its counters and rows tell how far it is."""
    api = await simulate(messages=50, job_delay=10.0, job_rate=1.0)
    names = await campaign(api, 3)
    path = await job_of(api, JUNK | {"comment": "our key"})
    seen = []
    job: dict[str, Any] = {}
    for seconds in (0, 10, 10, 1, 1, 1):
        clock.advance(seconds)
        job = (await api.get(path)).result
        seen.append((job["status"], *counters(job)[:2], len(await api.admin("effects"))))
    assert seen == [
        ("PENDING", 0, 0, 0),
        ("DISCOVERING", 0, 0, 0),
        ("PROCESSING", 6, 0, 0),
        ("PROCESSING", 4, 2, 1),
        ("PROCESSING", 2, 4, 2),
        ("COMPLETED", 0, 6, 3),
    ]
    assert (job["comment"], job["action_params"]) == ("our key", {"type": "MOVE", "destination": "JunkEmail"})
    assert job["created_at"] < job["started_at"] < job["completed_at"]
    effects = await api.admin("effects")
    assert {(effect["kind"], effect["target"], effect["request"]) for effect in effects} == {
        ("move", "JunkEmail", 1)
    }
    assert [effect["id"] for effect in effects] == names[::-1]
    assert (await api.row(names[0]))["delivery_status"] == ["moved"]


async def test_rows_are_of_a_message_and_a_recipient(api: Api, clock: Clock) -> None:
    """A row's `message_id` is its own; the mail's stands beside it, and the whole message in it."""
    (name,) = await campaign(api, 1)
    path = await job_of(api)
    clock.advance(10)
    rows = (await api.get(f"{path}/messages", status="COMPLETED")).result
    assert [row["action_params"]["client_recipient"] for row in rows] == ["a@c.example", "b@c.example"]
    assert len({row["message_id"] for row in rows}) == 2
    mail = await api.row(name)
    assert [row["email_message_id"] for row in rows] == [mail["message_id"]] * 2
    assert rows[0]["message"] == mail


async def test_membership_is_decided_by_the_search(api: Api, clock: Clock) -> None:
    """Mail that arrives after the job's creation is found too, if it is there when the job searches."""
    path = await job_of(api)
    await campaign(api, 1)
    clock.advance(10)
    assert counters((await api.get(path)).result) == (0, 2, 0, 0, 0)


async def test_cancelling_stops_what_is_pending(simulate: Simulate, clock: Clock) -> None:
    """What was moved stays moved, the rest is never moved, and the job stays to be read."""
    api = await simulate(messages=0, job_rate=1.0)
    await campaign(api, 3)
    path = await job_of(api)
    for _ in range(2):
        clock.advance(1)
        await api.get(path)
    clock.advance(1)
    job = (await api.post(f"{path}/cancel", {})).result
    assert (job["status"], counters(job)) == ("CANCELLED", (0, 2, 0, 0, 4))
    clock.advance(100)
    assert (await api.get(path)).result == job
    assert len((await api.get(f"{path}/messages", status="CANCELLED")).result) == 4
    assert len(await api.admin("effects")) == 1


async def test_only_what_is_over_can_be_deleted_and_only_what_is_not_cancelled(
    api: Api, clock: Clock
) -> None:
    """A running job refuses to be deleted, a finished one to be cancelled; a deleted one is gone."""
    path = await job_of(api)
    assert (await api.delete(path)).error == (409, 1006)
    clock.advance(10)
    assert (await api.post(f"{path}/cancel", {})).error == (409, 1006)
    assert (await api.delete(path)).result == {"id": path.rpartition("/")[2]}
    for again in (await api.get(path), await api.get(f"{path}/messages"), await api.delete(path)):
        assert again.error == (404, 1005)
    assert (await api.get("investigate/bulk")).result == []
    assert (await api.post(f"investigate/bulk/{UNKNOWN}/cancel", {})).error == (404, 1005)


async def test_a_release_job_releases(api: Api, clock: Clock) -> None:
    """What is in quarantine is delivered, other mail is skipped, and so is what a user reported."""
    caught: dict[str, Any] = {"is_quarantined": True, "delivery_status": ["quarantined"]}
    await campaign(api, 1, **caught)
    await campaign(api, 1)
    path = await job_of(api, {"action": "RELEASE", "search_params": {"sender": "foe.example"}})
    await campaign(api, 1, **caught, is_phish_submission=True)
    reported = await job_of(
        api, {"action": "RELEASE", "search_params": {"submissions": True, "sender": "foe.example"}}
    )
    clock.advance(10)
    assert counters((await api.get(path)).result) == (0, 2, 0, 2, 0)
    assert counters((await api.get(reported)).result) == (0, 0, 0, 2, 0)
    assert [effect["kind"] for effect in await api.admin("effects")] == ["release"]


@pytest.mark.parametrize(
    "search, found",
    [
        ({"exact_subject": "Offer 7"}, 1),
        ({"subject": "offer"}, 2),
        ({"final_disposition": "MALICIOUS-BEC"}, 1),
        ({"query": "foe", "detections_only": False}, 3),
        ({"recipient": "elsewhere.example"}, 0),
        ({"start": "2027-01-15T07:00:00Z", "end": "2027-01-15T07:00:00"}, 2),
    ],
)
async def test_searches(simulate: Simulate, clock: Clock, search: dict[str, Any], found: int) -> None:
    """A job finds by the filters of the list, by the whole subject, and by every verdict."""
    api = await simulate(messages=0)
    given: dict[str, Any] = {"from": "x@foe.example", "client_recipients": ["a@c.example"]}
    await api.given(**given, subject="Offer 7", final_disposition="SPAM", scanned_at="2027-01-15T07:00:00Z")
    await api.given(
        **given, subject="An offer 7", final_disposition="MALICIOUS-BEC", scanned_at="2027-01-15T07:00:00Z"
    )
    await api.given(**given, subject="Hello", final_disposition="NONE")
    path = await job_of(api, JUNK | {"search_params": search})
    clock.advance(10)
    job = (await api.get(path)).result
    assert job["total_messages_discovered"] == found
    assert job["search_params"].keys() == {"detections_only", "submissions", *search}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "MOVE", "search_params": {}},
        {"action": "PURGE", "search_params": {}},
        {"action": "RELEASE"},
        {"action": "RELEASE", "search_params": {"final_disposition": "BAD"}},
        {"action": "RELEASE", "search_params": {"start": "2027-01-16T00:00:00Z"}},
        JUNK | {"destination": "Trash"},
    ],
)
async def test_wrong_jobs_are_refused(api: Api, body: dict[str, Any]) -> None:
    """Nothing is queued for a body that breaks the contract."""
    assert (await api.post("investigate/bulk", body)).error == (400, 1004)
    assert (await api.get("investigate/bulk")).result == []


async def test_jobs_are_listed_newest_first_in_the_shape_of_cursors(api: Api, clock: Clock) -> None:
    """Pages are asked by number, yet totals are always 0: the end is a page that is not full."""
    paths = [await job_of(api) for _ in range(2)]
    release = await job_of(api, {"action": "RELEASE", "search_params": {}})
    await api.post(f"{paths[0]}/cancel", {})
    pages = [await api.get("investigate/bulk", per_page=2, page=number) for number in (1, 2, 3)]
    assert [len(page.result) for page in pages] == [2, 1, 0]
    assert pages[0].info == {
        "count": 2, "per_page": 2, "next": None, "previous": None, "page": 0, "total_count": 0,
    }  # fmt: skip
    assert pages[0].result[0]["job_id"] in release
    assert len((await api.get("investigate/bulk", action_type="MOVE")).result) == 2
    assert len((await api.get("investigate/bulk", status="CANCELLED")).result) == 1


async def test_faults_strike_jobs(api: Api, clock: Clock) -> None:
    """A job can fail for some recipients, or as a whole; the message that vanished fails too."""
    names = await campaign(api, 2)
    faults = [
        {"on": "job_create", "kind": "partial", "recipients": ["b@c.example"], "count": 1},
        {"on": "job_create", "kind": "job_failed", "count": 1},
    ]
    await api.admin("faults", faults)
    some, none = await job_of(api), await job_of(api)
    clock.advance(2)
    await api.get(some)
    api.tenant.remove(api.tenant.messages[names[0]])
    clock.advance(2)
    assert counters((await api.get(some)).result) == (0, 1, 3, 0, 0)
    rows = (await api.get(f"{some}/messages", status="FAILED")).result
    assert {row["status_message"] for row in rows} == {"the mail provider refused", "the message is gone"}
    failed = (await api.get(none)).result
    assert (failed["status"], failed["status_message"]) == ("FAILED", "the search failed")
