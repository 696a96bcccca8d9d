from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.builders import ENFORCE, NOW, at, decided, detection, poll, report, sighting
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from tests.taking_in import pages
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer, RateLimited, Refused, SlowSearch, Transient, Unauthorized, VendorError
from worker.model.events import Detection, PhishReport, ReportFields
from worker.model.plans import PHISHGUARD, Sighting, sighting_of
from worker.pollers.joining import AGAIN_SECONDS, MARGIN_SECONDS, MOST_AGAIN_SECONDS, PATIENCE_SECONDS
from worker.pollers.phishguard import PAGES, PhishGuardSource
from worker.pollers.source import Page
from worker.retry import PAGE_TRIES

POLL = poll(source=PHISHGUARD)
DAY = 86400.0


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


def dated(number: int, occurred: float, postfix_id: str = "x", **changes: Any) -> PhishReport:
    """A report about mail of that time; it says no other, unless it is told to."""
    moment = datetime.fromtimestamp(occurred, UTC)
    fields = ReportFields(postfix_id=postfix_id, occurred_at=moment)
    return report(number, **{"fields": fields, "created_at": None} | changes)


def spans(tenant: FakeCloudflare) -> list[tuple[float, float]]:
    """What the list of messages was asked for."""
    return [(one["start"].timestamp(), one["end"].timestamp()) for one in tenant.asked("list")]


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


async def test_the_list_spans_a_report_with_a_margin_and_not_the_future(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """From a quarter of an hour before the mail to one after the report, or now: it may be anywhere between."""
    await join(source, dated(1, NOW - 7200, created_at=at(NOW - 60)))
    assert spans(tenant) == [(NOW - 7200 - MARGIN_SECONDS, NOW)]


async def test_reports_of_other_times_are_looked_for_apart(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """What lies between them would be read for nothing; those of one time share a list."""
    long_ago = NOW - 20 * DAY
    await join(source, report(1), report(2), dated(3, long_ago), dated(4, long_ago + 1800))
    assert sorted(spans(tenant)) == [
        (long_ago - MARGIN_SECONDS, long_ago + 1800 + MARGIN_SECONDS),
        (NOW - 60 - MARGIN_SECONDS, NOW),
    ]


@pytest.mark.parametrize("moment", [-900_000_000.0, NOW - 30 * DAY, NOW - 30 * DAY + 600, NOW + 400 * DAY])
async def test_a_time_that_the_vendor_does_not_reach_says_nothing(
    source: PhishGuardSource, tenant: FakeCloudflare, moment: float
) -> None:
    """It refuses what begins 30 days ago or in the future, and a month of mail is no place to look for one message."""
    await join(source, report(1), dated(2, moment, created_at=at(NOW - 30)))
    assert spans(tenant) == [(NOW - 60 - MARGIN_SECONDS, NOW)]
    await join(source, dated(3, moment))
    assert spans(tenant)[1:] == [(NOW - MARGIN_SECONDS, NOW)]


FAILURES = [
    SlowSearch("took too long"),
    Refused("start is too old", status=400),
    BadAnswer("not an envelope"),
]


@pytest.mark.parametrize("error", FAILURES)
async def test_a_search_that_fails_costs_the_others_nothing_and_its_own_an_hour(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock, desk: Desk, error: VendorError
) -> None:
    """Poison in one span of time, for ever: the report waits as if its message were not there, and is decided."""
    fetch, poisoned = tenant.investigate.list, NOW - 20 * DAY

    async def poison(**asked: Any) -> Any:
        if asked["start"] <= at(poisoned) <= asked["end"]:
            tenant.will("list", error)
        return await fetch(**asked)

    tenant.investigate.list = poison  # type: ignore[method-assign]
    tenant.add(*(detection(f"m{n}") for n in (1, 2, 3)))
    old = dated(9, poisoned)
    reports = [old, *(report(n, f"postfix-m{n}") for n in (1, 2, 3))]
    found = await join(source, *reports)
    assert len(await desk.ledger.waiting(PHISHGUARD)) == 4 - len(found)
    found += await join(source, *reports)
    assert {one.id for one in found if one} == {"m1", "m2", "m3"}
    clock.pass_time(PATIENCE_SECONDS)
    assert await join(source, old) == [None]


async def test_an_outage_of_the_list_uses_up_nobodys_hour(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """The reports can be read, the messages cannot: when they can, the report finds its message."""
    tenant.add(detection())
    tenant.will("list", *[Transient("502", status=502)] * (5 * PAGE_TRIES))
    for _ in range(5):
        assert await join(source, report()) == []
        clock.pass_time(PATIENCE_SECONDS)
    (found,) = await join(source, report())
    assert found is not None


async def test_the_last_search_goes_deep(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Before a report is decided without its message, more of a busy day is read than before."""
    tenant.per_page = 1
    tenant.add(*(detection(f"x{n}") for n in range(PAGES + 9)), detection("m1", scanned_at=at(NOW - 600)))
    assert await join(source, report()) == []
    clock.pass_time(PATIENCE_SECONDS - MOST_AGAIN_SECONDS)
    (found,) = await join(source, report())
    assert found is not None
    assert found.id == "m1"


async def test_one_search_that_fails_is_enough_for_one_page(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Each takes five tries of half a minute: the others have their turn in the next poll, before it."""
    tenant.will("list", *[Transient("time-out")] * PAGE_TRIES)
    old = [dated(number, NOW - number * DAY) for number in (3, 2)]
    assert await join(source, *old) == []
    assert len(tenant.asked("list")) == PAGE_TRIES
    clock.pass_time(MOST_AGAIN_SECONDS)
    assert await join(source, *old) == []
    failed, *_ = spans(tenant)
    other, again = spans(tenant)[PAGE_TRIES:]
    assert other != failed == again


@pytest.mark.parametrize("error", [Unauthorized("403", status=403), RateLimited("429", retry_after=None)])
async def test_what_ails_every_request_fails_the_poll(
    source: PhishGuardSource, tenant: FakeCloudflare, desk: Desk, error: VendorError
) -> None:
    """The window is kept, and read again once the token is mended: nobody's hour has begun."""
    tenant.will("list", *[error] * PAGE_TRIES)
    with pytest.raises(type(error)):
        await join(source, report())
    assert await desk.ledger.waiting(PHISHGUARD) == []


async def test_a_vendor_that_is_down_lets_nobodys_hour_run_out(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """The list of reports fails first: who waits is not decided over a search that could not be made."""
    await join(source, report())
    clock.pass_time(PATIENCE_SECONDS)
    tenant.will("reports", *[Transient("502")] * PAGE_TRIES)

    async def take(_: Page) -> None:
        pytest.fail("somebody's hour is over")

    with pytest.raises(Transient):
        await source.read(POLL, take)


async def test_a_single_run_decides_nothing_over_a_search_that_failed(
    source: PhishGuardSource, tenant: FakeCloudflare, desk: Desk
) -> None:
    """The next run goes on with it: the message may be there all the same."""
    tenant.will("list", *[Transient("502")] * PAGE_TRIES)
    tenant.add(detection())
    assert await join(source, report(), last_chance=True) == []
    assert len(await desk.ledger.waiting(PHISHGUARD)) == 1
    assert len(await join(source, report(), last_chance=True)) == 1


async def test_pages_that_were_read_before_a_failure_count(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """One page that is poison does not hide what the others have shown."""
    tenant.per_page = 1
    tenant.add(detection("m1"), detection("m2"))
    tenant.will("list", None, *[BadAnswer("too deep")] * PAGE_TRIES)
    found = await join(source, report(1), report(2, "postfix-m2"))
    assert [one and one.id for one in found] == ["m1"]


async def test_a_search_has_a_bound_and_a_pause(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """A message that never comes in a busy hour: a few pages, ever more rarely, and the new ones before it."""
    tenant.per_page = 1
    tenant.add(*(detection(f"x{n}") for n in range(PAGES + 9)))
    requests = []
    for _ in range(int(PATIENCE_SECONDS / 30) - 1):
        assert await join(source, report(1, "postfix-m")) == []
        assert await join(source, report(1, "postfix-m")) == [], "it waits, and is in the overlap"
        requests.append(len(tenant.asked("list")))
        clock.pass_time(30)
    assert requests[0] == PAGES
    assert requests[-1] <= 20 * PAGES


async def test_who_had_no_turn_has_the_first_one_next_time(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """A span that takes all the pages there are does not starve the others."""
    tenant.per_page = 1
    tenant.add(*(detection(f"x{n}") for n in range(PAGES)), detection("m2", scanned_at=at(NOW - 10 * DAY)))
    reports = [report(1, "postfix-m"), dated(2, NOW - 10 * DAY, "postfix-m2")]
    assert await join(source, *reports) == []
    clock.pass_time(MOST_AGAIN_SECONDS)
    (found,) = await join(source, *reports)
    assert found is not None
    assert found.id == "m2"


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
    source: PhishGuardSource, tenant: FakeCloudflare, desk: Desk, clock: ManualClock
) -> None:
    """It comes back with the next poll, after that poll's own reports."""
    assert await join(source, report(1)) == []
    assert [sighting_of(one).key for one, _ in await desk.ledger.waiting(PHISHGUARD)] == ["1"]
    tenant.told.append(report(2))
    assert await pages(source, POLL) == [["2"], ["1"]]
    tenant.add(detection())
    clock.pass_time(AGAIN_SECONDS)
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


@pytest.mark.parametrize("broken_off", [True, False])
async def test_anothers_copy_is_taken_only_where_no_better_one_can_come(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock, *, broken_off: bool
) -> None:
    """The right one may be on the pages that could not be read: the report waits, an hour at most."""
    alice, bob = (
        detection(name, postfix_id="px", client_recipients=(f"{name}@corp.example",))
        for name in ("alice", "bob")
    )
    fields = ReportFields(postfix_id="px", to=("bob@corp.example",))
    asked = report(1, fields=fields)

    def first(next: str | None = "more") -> Any:  # noqa: A002 - the API's name
        return lambda **_: WirePage((alice,), next=next)

    rest = (
        [Transient("503", status=503)] * PAGE_TRIES if broken_off else [first(f"{n}") for n in range(PAGES)]
    )
    tenant.will("list", first(), *rest)
    assert await join(source, asked) == []
    tenant.forget("list")
    clock.pass_time(MOST_AGAIN_SECONDS)
    tenant.will("list", first(), lambda **_: WirePage((bob,)))
    assert await join(source, asked) == [bob]
    tenant.forget("list")
    tenant.will("list", first(None))
    assert await join(source, report(2, fields=fields)) == [alice]


async def test_in_the_end_anothers_copy_is_better_than_none(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Where the vendor never tells the rest."""
    copy = detection("copy", postfix_id="px", is_phish_submission=True)
    for _ in range(2):
        tenant.will("list", lambda **_: WirePage((copy,), next="more"), *[Refused("no", status=422)])
    assert await join(source, report(1, "px")) == []
    clock.pass_time(PATIENCE_SECONDS + 1)
    assert await join(source, report(1, "px")) == [copy]
