from __future__ import annotations

from typing import Any, assert_type

import pytest

from tests.cloudflare.calls import END, START
from tests.cloudflare.test_contract import query
from tests.cloudflare.vendor import OpenGate, Vendor, answer, envelope, row
from worker.cloudflare import Cloudflare, Listing
from worker.cloudflare.settings.block_senders import BlockSender
from worker.errors import BadAnswer, Transient
from worker.model.events import Detection
from worker.ports import Lane

WINDOW: dict[str, Any] = {"start": START, "end": END, "detections_only": False, "lane": Lane.ENRICH}


def search(cloudflare: Cloudflare, **more: Any) -> Listing[Detection]:
    """The list whose pages have cursors."""
    return cloudflare.investigate.list(**WINDOW, **more)


def senders(*numbers: int) -> Any:
    """A page of a list whose pages have numbers."""
    rows = [{"id": f"sender-{number}", "pattern": "x.example"} for number in numbers]
    return answer(envelope(rows, count=len(rows), page=1, per_page=2, total_count=0))


async def test_cursors_are_followed_to_the_end(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """An empty page that has a cursor is not the end; filters go with every page, numbers with none."""
    vendor.will(
        answer(envelope([row(1)], next="a", total_count=0)),
        answer(envelope([], next="b")),
        answer(envelope([row(2)], next=None)),
    )
    found = [one async for one in search(cloudflare, sender="evil.example", subject=None)]
    assert_type(found, list[Detection])
    assert [one.id for one in found] == [row(1)["id"], row(2)["id"]]
    assert [query(request).get("cursor") for request in vendor.requests] == [None, ["a"], ["b"]]
    assert all(query(request)["sender"] == ["evil.example"] for request in vendor.requests)
    assert not any({"page", "subject"} & query(request).keys() for request in vendor.requests)


async def test_numbers_are_counted_to_a_short_page(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The lists of jobs say `total_count` 0 always: only a page that is not full is their end."""
    vendor.will(senders(1, 2), senders(3, 4), senders(5))
    listing = cloudflare.settings.block_senders.list(per_page=2, search="x", lane=Lane.ENRICH)
    found = [one async for one in listing]
    assert_type(found, list[BlockSender])
    assert [one.id[-1] for one in found] == list("12345")
    asked = [query(request) for request in vendor.requests]
    assert [one["page"] for one in asked] == [["1"], ["2"], ["3"]]
    assert all((one["per_page"], one["search"]) == (["2"], ["x"]) for one in asked)


@pytest.mark.parametrize(
    "info",
    [
        {"total_count": 5},
        {"total_count": 5, "per_page": 1000},
        {"total_count": 0, "per_page": 2},
        {"total_count": 2, "per_page": 2},
        {"total_pages": 3},
    ],
)
async def test_a_vendor_that_gives_less_than_it_is_asked_for(
    vendor: Vendor, cloudflare: Cloudflare, info: dict[str, Any]
) -> None:
    """What was seen is counted, not what was asked for: any sign of more is followed, whatever the others say."""
    pages = [[{"id": str(number), "pattern": "x"} for number in some] for some in ([1, 2], [3, 4], [5])]
    vendor.will(*[answer(envelope(some, **info)) for some in pages], answer(envelope([], **info)))
    found = [one.id async for one in cloudflare.settings.block_senders.list(lane=Lane.ENRICH)]
    assert found == ["1", "2", "3", "4", "5"]
    assert len(vendor.requests) <= 4


async def test_rows_that_cannot_be_read_are_counted(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """They are rows of the list too: nobody asks for a page beyond its end because of them."""
    some = [[{"id": "a"}, {"id": 7}], [{"id": 8}]]
    vendor.will(*[answer(envelope(rows, total_count=3)) for rows in some])
    pages = [page async for page in cloudflare.settings.trusted_domains.list(lane=Lane.ENRICH).pages()]
    assert ([page.count for page in pages], len(vendor.requests)) == ([2, 1], 2)


async def test_a_listing_sends_nothing_by_itself(
    vendor: Vendor, cloudflare: Cloudflare, gate: OpenGate
) -> None:
    """Each await is one request of its own; so a page can be asked for again."""
    listing = cloudflare.settings.block_senders.list(page=3, lane=Lane.READ_BACK)
    assert (vendor.connections, gate.admitted) == (0, [])
    vendor.will(senders(1))
    assert (await listing).rows == (await listing).rows
    assert [query(request)["page"] for request in vendor.requests] == [["3"], ["3"]]
    assert gate.admitted == [Lane.READ_BACK] * 2


async def test_cursors_that_go_in_a_circle_end(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """What was read is handed out; that it is all of it is not claimed."""
    pages = [answer(envelope([row(number)], next=cursor)) for number, cursor in enumerate("abca")]
    vendor.will(*pages)
    found = aiter(search(cloudflare))
    assert [(await anext(found)).id for _ in pages] == [row(number)["id"] for number in range(4)]
    with pytest.raises(BadAnswer, match="circle"):
        await anext(found)
    assert len(vendor.requests) == 4


async def test_a_vendor_that_does_not_turn_the_page(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The same full page for every number would otherwise go on for ever."""
    vendor.will(senders(1, 2))
    with pytest.raises(BadAnswer, match="twice"):
        [one async for one in cloudflare.settings.block_senders.list(per_page=2, lane=Lane.ENRICH)]
    assert len(vendor.requests) == 2


async def test_a_vendor_that_does_not_turn_the_page_of_poison(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Neither would one go on in which nothing can be read."""
    vendor.will(answer(envelope([{"id": 7}], total_count=9)))
    with pytest.raises(BadAnswer, match="twice"):
        [page async for page in cloudflare.settings.trusted_domains.list(lane=Lane.ENRICH).pages()]
    assert len(vendor.requests) == 2


async def test_pages_have_an_end(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """However many cursors the vendor invents."""
    vendor.will(*[answer(envelope([row(number)], next=f"c{number}")) for number in range(9)])
    with pytest.raises(BadAnswer, match="more than 3 pages"):
        [page async for page in search(cloudflare).pages(limit=3)]
    assert len(vendor.requests) == 3


async def test_half_a_list_is_no_list(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Rows refuse to go past one that cannot be read; pages hand it out, for whoever can live with it."""
    vendor.will(answer(envelope([{"id": "a"}, {"id": 7, "pattern": "secret.example"}])))
    listing = cloudflare.settings.trusted_domains.list(lane=Lane.ENRICH)
    with pytest.raises(BadAnswer, match=r"GET settings/trusted_domains: a row cannot be read") as caught:
        [one async for one in listing]
    assert "secret" not in str(caught.value)
    (page,) = [page async for page in listing.pages()]
    assert ([one.id for one in page.rows], len(page.bad)) == (["a"], 1)


async def test_a_page_that_fails_is_not_asked_for_again(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Neither does the iteration retry."""
    vendor.will(senders(1, 2), answer(b"", 502))
    with pytest.raises(Transient):
        [one async for one in cloudflare.settings.block_senders.list(per_page=2, lane=Lane.ENRICH)]
    assert len(vendor.requests) == 2


@pytest.mark.parametrize("numbers", [{"page": 0}, {"page": -1}, {"per_page": 0}, {"per_page": 1001}])
async def test_numbers_are_bounded(vendor: Vendor, cloudflare: Cloudflare, numbers: dict[str, Any]) -> None:
    """Pages count from 1 and have 1 to 1,000 rows."""
    with pytest.raises(ValueError, match="page"):
        await cloudflare.investigate.bulk.list(**numbers, lane=Lane.ENRICH)
    assert vendor.connections == 0
