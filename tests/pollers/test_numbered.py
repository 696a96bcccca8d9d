from __future__ import annotations

from typing import Any

import pytest

from tests.builders import NOW, poll, report
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from tests.taking_in import pages
from worker.cloudflare import BadRow
from worker.cloudflare import Page as WirePage
from worker.cloudflare import Submission as Row
from worker.errors import BadAnswer
from worker.model.plans import PHISHGUARD, SUBMISSIONS
from worker.pollers.loops import LOOPS_BELIEVED
from worker.pollers.phishguard import PhishGuardSource
from worker.pollers.source import Page
from worker.pollers.submissions import SWEEP_SECONDS, SubmissionSource

DAY = 86400.0
POLL = poll(source=PHISHGUARD)
DOWNTIME = poll(source=PHISHGUARD, start=NOW - 3 * DAY)
POISON = BadRow(None, "Expected int, got str", "digest", "{}")


@pytest.fixture
def source(tenant: FakeCloudflare, clock: ManualClock, desk: Desk) -> PhishGuardSource:
    """The reports of the fake tenant."""
    return PhishGuardSource(tenant.client, desk.ledger, clock)


def page(*numbers: int, **more: Any) -> Any:
    """A page of these reports."""
    return lambda **_: WirePage(tuple(report(number) for number in numbers), **more)


async def test_short_pages_are_read_to_the_vendors_count(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """It may give fewer rows than it is asked for: what was seen counts, rows that cannot be read among it."""
    told = page(1, bad=(POISON,), total=7), page(2, 3, total=7), page(4, 5, total=7), page(6, total=7)
    tenant.will("reports", *told)
    assert await pages(source, POLL) == [["1"], ["2", "3"], ["4", "5"], ["6"]]
    assert [one["page"] for one in tenant.asked("reports")] == [1, 2, 3, 4]


async def test_an_empty_page_is_the_end_whatever_is_counted(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """A count that never comes true does not keep it going."""
    tenant.will("reports", page(1, total=9), page(total=9, full=True))
    assert await pages(source, POLL) == [["1"], []]
    assert len(tenant.asked("reports")) == 2


@pytest.mark.parametrize("told", [page(1, full=True), page(bad=(POISON,), full=True)])
async def test_a_page_that_comes_again_ends_the_window(
    source: PhishGuardSource, tenant: FakeCloudflare, told: Any
) -> None:
    """A vendor that ignores the page number would be asked for ever, also where it shows nothing that can be read."""
    tenant.will("reports", *[told] * 9)
    assert len(await pages(source, POLL)) == 1
    assert len(tenant.asked("reports")) == 2


async def test_a_loop_in_a_window_that_no_sweep_reads_again_is_not_believed_at_once(
    source: PhishGuardSource, tenant: FakeCloudflare
) -> None:
    """After days without a poll the rest would be lost: the window is read anew, though not for ever."""
    for _ in range(LOOPS_BELIEVED - 1):
        tenant.will("reports", *[page(1, full=True)] * 2)
        with pytest.raises(BadAnswer):
            await pages(source, DOWNTIME)
    tenant.will("reports", page(1, full=True), page(2))
    assert await pages(source, DOWNTIME) == [["1"], ["2"]]
    tenant.will("reports", *[page(1, full=True)] * 2 * LOOPS_BELIEVED)
    for _ in range(LOOPS_BELIEVED - 1):
        with pytest.raises(BadAnswer):
            await pages(source, DOWNTIME)
    assert await pages(source, DOWNTIME) == [["1"]]


async def test_a_list_whose_sweeps_reach_a_week_back_is_believed_over_a_week(
    tenant: FakeCloudflare, clock: ManualClock, desk: Desk
) -> None:
    """The next sweep reads the rest."""
    week = poll(source=SUBMISSIONS, start=NOW - SWEEP_SECONDS - 60)
    tenant.will("submissions", *[lambda **_: WirePage((Row(submission_id="s"),), full=True)] * 4)
    assert await pages(SubmissionSource(tenant.client, desk.ledger, clock), week) == [["s"], ["s"]]


async def test_a_page_is_as_old_as_its_asking(
    source: PhishGuardSource, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """Not as its answer, which the vendor may have taken its time for."""

    def slow(**_: Any) -> WirePage[Any]:
        clock.pass_time(90)
        return WirePage((report(1),))

    tenant.will("reports", slow)
    found: list[Page] = []

    async def take(one: Page) -> None:
        found.append(one)

    await source.read(POLL, take)
    assert [one.read_at for one in found] == [NOW]
