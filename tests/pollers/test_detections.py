from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.builders import NOW, at, detection, poll, sighting
from tests.fakes import FakeCloudflare, ManualClock
from worker.clock import VendorTime
from worker.cloudflare import BadRow
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer, Refused, Transient, VendorError
from worker.model.events import Detection
from worker.pollers.detections import EMPTY_PAGES, DetectionSource
from worker.pollers.loops import LOOPS_BELIEVED
from worker.pollers.source import Page
from worker.pollers.windows import SLICES
from worker.retry import PAGE_TRIES, PAGE_WAIT

LONG = poll(start=NOW - 86400)


class Taken:
    """What a source handed over."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    async def __call__(self, page: Page) -> None:
        self.pages.append(page)

    @property
    def ids(self) -> list[str]:
        return [one.key for page in self.pages for one in page.sightings]


@pytest.fixture
def source(tenant: FakeCloudflare, clock: ManualClock) -> DetectionSource:
    """The list of the fake tenant."""
    return DetectionSource(tenant.client, clock, VendorTime(clock))


@pytest.fixture
def taken() -> Taken:
    """An empty hand."""
    return Taken()


def page(*names: str, next: str | None = None) -> Any:  # noqa: A002 - the API's name
    """One scripted page."""
    return lambda **_: WirePage(tuple(detection(name) for name in names), next=next)


async def test_every_page_of_a_window_is_handed_over(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """By cursor, benign mail included, with the moment at which it was read."""
    tenant.per_page = 2
    tenant.add(*(detection(f"m{n}", final_disposition="NONE") for n in range(5)))
    await source.read(poll(), taken)
    assert taken.ids == [f"m{n}" for n in range(5)]
    assert [one.rows for one in taken.pages] == [2, 2, 1]
    assert {one.read_at for one in taken.pages} == {NOW}
    assert [one["cursor"] for one in tenant.asked("list")] == [None, "2", "4"]
    assert {one["detections_only"] for one in tenant.asked("list")} == {False}
    assert {(one["start"], one["end"]) for one in tenant.asked("list")} == {(at(NOW - 900), at(NOW))}


async def test_an_empty_page_with_a_next_is_not_the_end(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """The vendor may filter a page to nothing."""
    tenant.will("list", page(next="a"), page("m1", next="b"), page(next="c"), page("m2"))
    await source.read(poll(), taken)
    assert taken.ids == ["m1", "m2"]


@pytest.mark.parametrize("cursors", [["a", "a"], ["a", "b", "a"], ["a", "b", "b"]])
async def test_a_repeated_cursor_ends_the_window(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken, cursors: list[str]
) -> None:
    """What was read is kept; round in circles nothing new would come."""
    tenant.will("list", *(page(f"m{n}", next=cursor) for n, cursor in enumerate(cursors)))
    await asyncio.wait_for(source.read(poll(), taken), 5)
    assert taken.ids == [f"m{n}" for n in range(len(cursors))]


@pytest.mark.parametrize("names, pages", [(("m1", "m2"), 2), ((), EMPTY_PAGES)])
async def test_cursors_that_never_come_again_end_too(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken, names: tuple[str, ...], pages: int
) -> None:
    """A new one each time, behind the same rows or behind none at all."""
    tenant.will("list", *(page(*names, next=f"a{n}") for n in range(2 * EMPTY_PAGES)))
    await source.read(poll(), taken)
    assert len(tenant.requests) == len(taken.pages) == pages


async def test_bad_rows_travel_beside_the_good_ones(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """And count among the rows that were read."""
    tenant.bad = (BadRow("x", "Expected str", "d" * 64, "{}"),)
    tenant.add(detection())
    await source.read(poll(), taken)
    assert (taken.pages[0].bad, taken.pages[0].rows) == (tenant.bad, 2)


@pytest.mark.parametrize("error", [Transient("no connection"), BadAnswer("not JSON")])
async def test_a_page_is_tried_five_times_from_its_cursor(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken, clock: ManualClock, error: VendorError
) -> None:
    """At most two seconds apart; no page before it is read again."""
    tenant.will("list", page("m1", next="a"), *[error] * (PAGE_TRIES - 1), page("m2"))
    await source.read(poll(), taken)
    assert taken.ids == ["m1", "m2"]
    assert [one["cursor"] for one in tenant.asked("list")] == [None, *["a"] * PAGE_TRIES]
    assert len(clock.slept) == PAGE_TRIES - 1
    assert all(0 <= seconds <= PAGE_WAIT for seconds in clock.slept)


async def test_a_page_that_cannot_be_had_ends_the_poll(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """After five tries; the poll stays open for the next time."""
    tenant.will("list", *[Transient("no connection")] * PAGE_TRIES)
    with pytest.raises(ExceptionGroup) as caught:
        await source.read(poll(), taken)
    assert caught.group_contains(Transient)
    assert len(tenant.requests) == PAGE_TRIES


async def test_a_refusal_is_not_tried_again(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """The same request would be refused again."""
    tenant.will("list", Refused("bad window", status=400))
    with pytest.raises(ExceptionGroup):
        await source.read(poll(), taken)
    assert len(tenant.requests) == 1


async def test_a_long_window_is_read_in_slices_side_by_side(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """Each with a cursor of its own; rows on a seam come twice and are seen once later."""
    tenant.add(*(detection(f"m{n}", scanned_at=at(NOW - 1800 * n)) for n in range(48)))
    await source.read(LONG, taken)
    assert set(taken.ids) == {f"m{n}" for n in range(48)}
    assert len(tenant.requests) == SLICES


async def test_one_failing_slice_ends_the_others_too(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """The window is one poll: all of it or none."""
    tenant.will("list", Refused("bad window", status=400))
    with pytest.raises(ExceptionGroup) as caught:
        await source.read(LONG, taken)
    assert caught.group_contains(Refused)


async def test_rows_of_the_list_are_complete(source: DetectionSource) -> None:
    """Nothing is fetched for a detection beside its row."""
    seen = [sighting(detection())]
    assert await source.complete(seen, last_chance=False) == seen


def test_a_row_without_verdict_or_time_is_still_an_event() -> None:
    """The vendor may leave out anything but the id."""
    seen = sighting(Detection(id="m1"))
    assert (seen.key, seen.revision, seen.occurred_at) == ("m1", "", None)


async def test_a_cursor_that_comes_again_where_no_sweep_reaches_is_not_the_end(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """After days without a poll nothing would read the rest: the window is read again, though not for ever."""
    old = poll(start=NOW - 3 * 86400, end=NOW - 3 * 86400 + 900)
    for _ in range(LOOPS_BELIEVED - 1):
        tenant.will("list", page("m1", next="a"), page("m2", next="a"))
        with pytest.RaisesGroup(BadAnswer):
            await source.read(old, taken)
    tenant.will("list", page("m1", next="a"), page("m2", next="a"))
    await source.read(old, taken)
    assert set(taken.ids) == {"m1", "m2"}


async def test_a_page_is_as_old_as_its_last_asking(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken, clock: ManualClock
) -> None:
    """What the vendor took its time to answer shows the world of when it was asked."""

    def slow(**_: Any) -> WirePage[Detection]:
        clock.pass_time(90)
        return WirePage((detection(),))

    def down(**_: Any) -> WirePage[Detection]:
        clock.pass_time(10)
        raise Transient("no connection")

    tenant.will("list", down, slow)
    await source.read(poll(), taken)
    (one,) = taken.pages
    assert NOW + 10 <= one.read_at <= NOW + 10 + PAGE_WAIT
    assert one.read_at == clock.now() - 90


async def test_a_slice_that_goes_in_a_circle_is_known_by_its_window(
    source: DetectionSource, tenant: FakeCloudflare, taken: Taken
) -> None:
    """After days without a poll its own start moves on with the time, try by try."""
    for tried in range(LOOPS_BELIEVED):
        moved = poll(start=NOW - 9 * 86400, end=NOW - 3 * 86400 + 60 * tried)
        tenant.will("list", page(), page("m1", next="a"), page("m2", next="a"))
        if tried < LOOPS_BELIEVED - 1:
            with pytest.RaisesGroup(BadAnswer):
                await source.read(moved, taken)
        else:
            await source.read(moved, taken)
