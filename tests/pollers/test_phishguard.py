from __future__ import annotations

from typing import Any

import pytest

from tests.builders import ENFORCE, NOW, at, decided, detection, poll, report, sighting
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from tests.taking_in import pages
from worker.errors import Transient
from worker.model.events import Detection, PhishReport, ReportFields
from worker.model.plans import PHISHGUARD, Sighting, sighting_of
from worker.pollers.joining import MARGIN_SECONDS, PATIENCE_SECONDS
from worker.pollers.phishguard import PhishGuardSource
from worker.retry import PAGE_TRIES

POLL = poll(source=PHISHGUARD)


@pytest.fixture
def source(tenant: FakeCloudflare, clock: ManualClock, desk: Desk) -> PhishGuardSource:
    """The reports of the fake tenant."""
    return PhishGuardSource(tenant.client, desk.ledger, clock)


async def join(
    source: PhishGuardSource, *reports: PhishReport, last_chance: bool = False
) -> list[Detection | None]:
    """The messages of the reports that are complete."""
    done = await source.complete([sighting(one) for one in reports], last_chance=last_chance)
    return [one.message for one in done]


async def test_every_page_of_reports_is_handed_over(source: PhishGuardSource, tenant: FakeCloudflare) -> None:
    """Numbered pages, until one says that it is the last."""
    tenant.per_page = 2
    tenant.told += [report(n) for n in range(5)]
    assert await pages(source, POLL) == [["0", "1"], ["2", "3"], ["4"]]
    assert [one["page"] for one in tenant.asked("reports")] == [1, 2, 3]


async def test_a_page_is_tried_five_times(source: PhishGuardSource, tenant: FakeCloudflare) -> None:
    """What may pass by itself is waited for."""
    tenant.told.append(report(1))
    tenant.will("reports", *[Transient("no connection")] * (PAGE_TRIES - 1))
    assert await pages(source, POLL) == [["1"]]
    assert {one["page"] for one in tenant.asked("reports")} == {1}


async def test_a_report_finds_its_message(source: PhishGuardSource, tenant: FakeCloudflare) -> None:
    """By its postfix id, benign mail included, in one list for all of them."""
    tenant.add(*(detection(f"m{n}", final_disposition="NONE") for n in range(9)))
    found = await join(source, *(report(n, f"postfix-m{n}") for n in range(9)))
    assert [one.id for one in found if one] == [f"m{n}" for n in range(9)]
    (asked,) = tenant.asked("list")
    assert asked["detections_only"] is False


async def test_the_list_spans_the_reports_with_a_margin_and_not_the_future(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """From a quarter of an hour before the first of them, to now at the latest."""
    old = ReportFields(postfix_id="postfix-m2", occurred_at=at(NOW - 7200))
    await join(source, report(1), report(2, fields=old, created_at=at(NOW - 7000)))
    (asked,) = tenant.asked("list")
    assert (asked["start"], asked["end"]) == (at(NOW - 7200 - MARGIN_SECONDS), at(NOW))


async def test_a_report_of_old_mail_asks_for_no_more_than_the_vendor_keeps(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """It may be refused: one report must not keep the others from being decided."""
    old = report(1, message=None, fields=ReportFields(postfix_id="x", occurred_at=at(NOW - 400 * 86400)))
    await source.complete([sighting(old)], last_chance=False)
    (asked,) = tenant.asked("list")
    assert asked["start"] == at(NOW - 30 * 86400)


async def test_the_message_of_the_reported_recipient_is_preferred(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """Several messages may share a postfix id."""
    same = {"postfix_id": "postfix-m1"}
    tenant.add(
        detection("m2", client_recipients=("bob@corp.example",), **same),
        detection("m1", client_recipients=("Ann@Corp.Example",), **same),
    )
    (found,) = await join(source, report())
    assert found is not None
    assert found.id == "m1"


async def test_the_message_of_the_reported_recipient_is_preferred_on_a_later_page_too(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """The first match is not the end of the search."""
    same = {"postfix_id": "postfix-m1"}
    tenant.per_page = 1
    tenant.add(
        detection("m2", client_recipients=("bob@corp.example",), **same),
        detection("m1", client_recipients=("ann@corp.example",), **same),
    )
    (found,) = await join(source, report())
    assert found is not None
    assert found.id == "m1"


async def test_the_original_is_preferred_to_the_submission(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """What a user forwarded to the team is not the mail that harms."""
    same = {"postfix_id": "postfix-m1"}
    tenant.add(detection("m2", is_phish_submission=True, **same), detection("m1", **same))
    (found,) = await join(source, report())
    assert found is not None
    assert found.id == "m1"


async def test_a_report_whose_message_is_not_there_waits(
    source: PhishGuardSource, tenant: FakeCloudflare, desk: Desk
) -> None:
    """It comes back with the next poll, before that poll's own reports."""
    assert await join(source, report(1)) == []
    assert [sighting_of(one).key for one, _ in await desk.ledger.waiting(PHISHGUARD)] == ["1"]
    tenant.told.append(report(2))
    assert await pages(source, POLL) == [["1"], ["2"]]
    tenant.add(detection())
    assert len(await join(source, report(1))) == 1


@pytest.mark.parametrize("seconds, waits", [(PATIENCE_SECONDS - 1, True), (PATIENCE_SECONDS, False)])
async def test_after_an_hour_a_report_is_decided_without_its_message(
    source: PhishGuardSource, clock: ManualClock, seconds: float, waits: bool
) -> None:
    """Since it was first seen, however often it was looked for."""
    for _ in range(3):
        assert await join(source, report()) == []
        clock.pass_time(seconds / 3)
    assert await join(source, report()) == ([] if waits else [None])


async def test_a_report_that_keeps_changing_is_decided_after_an_hour_too(
    source: PhishGuardSource, clock: ManualClock
) -> None:
    """Since it was first seen, whatever its revision."""
    for change in range(3):
        assert await join(source, report(updated_at=at(NOW + change))) == []
        clock.pass_time(PATIENCE_SECONDS / 3)
    assert await join(source, report(updated_at=at(NOW + 3))) == [None]


async def test_a_single_run_does_not_wait(source: PhishGuardSource, desk: Desk) -> None:
    """There is no next poll."""
    assert await join(source, report(), last_chance=True) == [None]
    assert await desk.ledger.waiting(PHISHGUARD) == []


@pytest.mark.parametrize("postfix_id", [None, ""])
async def test_a_report_that_names_no_message_does_not_wait(
    source: PhishGuardSource, tenant: FakeCloudflare, postfix_id: str | None
) -> None:
    """Nothing can be found, and nothing is asked."""
    assert await join(source, report(1, postfix_id)) == [None]
    assert tenant.asked("list") == []


async def test_one_unmatched_report_holds_up_no_other(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """Those that are complete go on."""
    tenant.add(detection("m2"))
    found = await join(source, report(1), report(2, "postfix-m2"))
    assert [one and one.id for one in found] == ["m2"]


async def test_a_report_that_was_decided_is_looked_for_no_more(source: PhishGuardSource, desk: Desk) -> None:
    """It leaves the waiting room with its decision."""
    await join(source, report())
    await desk.take_in(decided(report()), ceilings=ENFORCE)
    assert await pages(source, POLL) == [[]]


REVISIONS: list[dict[str, Any]] = [{"disposition": "NONE"}, {"priority": "high"}, {"updated_at": at(NOW)}]


@pytest.mark.parametrize("change", REVISIONS)
def test_a_report_that_the_team_changed_is_a_new_event(change: dict[str, Any]) -> None:
    """Verdict, priority and the time of the change make its revision."""
    before: Sighting = sighting(report())
    after = sighting(report(**change))
    assert (before.key, before.revision == after.revision) == (after.key, False)
