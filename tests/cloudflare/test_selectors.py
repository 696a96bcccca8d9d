from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.cloudflare.calls import END, START
from tests.cloudflare.conftest import Connect
from tests.cloudflare.vendor import Vendor, answer, envelope
from worker.cloudflare import Cloudflare, rows
from worker.cloudflare.actions import check_ids
from worker.cloudflare.investigate import GET, LIST
from worker.cloudflare.operations import MAX_ID, encode_query
from worker.cloudflare.transport import Answer
from worker.errors import BadAnswer, VendorError
from worker.ports import Lane

ACCOUNT = "a" * 32
SELECTIONS: list[Any] = [
    [],
    (),
    "",
    "one",
    [""],
    ["  "],
    ["one", ""],
    ["one", None],
    [7],
    ["one", "one"],
    ["x" * (MAX_ID + 1)],
    [str(number) for number in range(1001)],
]


@pytest.mark.parametrize("ids", SELECTIONS, ids=[repr(one)[:20] for one in SELECTIONS])
async def test_empty_and_unbounded_selections_are_not_sent(
    vendor: Vendor, cloudflare: Cloudflare, ids: Any
) -> None:
    """An action names 1 to 1,000 distinct messages, or nothing leaves the worker."""
    for call in (
        lambda: cloudflare.investigate.move(ids, "JunkEmail"),
        lambda: cloudflare.investigate.release(ids),
    ):
        with pytest.raises(ValueError, match="id"):
            await call()
    assert vendor.connections == 0


@settings(deadline=None)
@given(st.lists(st.none() | st.integers() | st.text(max_size=4), max_size=4))
def test_a_selection_that_passes_is_explicit(ids: list[Any]) -> None:
    """What goes through is what was asked for: the same ids, each a text, each once."""
    try:
        chosen = check_ids(ids)
    except ValueError:
        return
    assert list(chosen) == ids
    assert len(set(chosen)) == len(ids) > 0
    assert all(one.strip() for one in chosen)


@settings(deadline=None)
@given(st.text(max_size=4) | st.text(alphabet=" \t\n\u00a0\u2028.\ufffd", max_size=4))
@example(" ")
@example("..")
@example("a\ufffd")
def test_a_row_that_is_taken_in_can_be_acted_on(one: str) -> None:
    """One definition of an id: what ingest lets pass and the edge refuses could be neither moved nor read back."""
    try:
        rows.whole(page := _page(one), rows.read_detections(page))
    except BadAnswer:
        return
    assert check_ids([one]) == (one,)
    GET.path(ACCOUNT, {"id": one})


def _page(one: str) -> Answer:
    """The answer to a list that shows a message of this id."""
    return Answer(LIST, 200, envelope([{"id": one}]), URL("http://127.0.0.1/"), 0.1)


async def test_unknown_targets_are_not_sent(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """Folders and dispositions are the API's, in the API's spelling."""
    with pytest.raises(ValueError, match="destination"):
        await cloudflare.investigate.move(["one"], "junkemail")
    with pytest.raises(ValueError, match="disposition"):
        await cloudflare.investigate.reclassify("one", "MALICIOUS-BEC")
    assert vendor.connections == 0


@pytest.mark.parametrize("one", ["", ".", "..", "x" * (MAX_ID + 1), "\ud800"])
async def test_ids_that_cannot_stand_in_a_path_are_not_sent(
    vendor: Vendor, cloudflare: Cloudflare, one: str
) -> None:
    """A dot segment would name another resource, an empty id the list itself."""
    for call in (
        cloudflare.investigate.get(one, lane=Lane.POLL),
        cloudflare.investigate.action_log(one, lane=Lane.POLL),
        cloudflare.investigate.reclassify(one, "SPAM"),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - UnicodeEncodeError is one
            await call
    assert vendor.connections == 0


HOSTILE = st.text(min_size=1, max_size=30) | st.text(
    alphabet="./\\?#%\r\n\t\0 @:;&=+~2eEfF", min_size=1, max_size=30
)


@settings(deadline=None)
@given(HOSTILE)
def test_an_id_never_leaves_its_segment(one: str) -> None:
    """Whatever the id, the path has the same number of segments, and the server decodes the same id."""
    try:
        path = GET.path(ACCOUNT, {"id": one})
    except ValueError:
        return
    prefix, _, last = path.rpartition("/")
    assert prefix == f"accounts/{ACCOUNT}/email-security/investigate"
    assert last.isascii()
    assert not set(last) & set("/\\?#\r\n\t\0 ")
    url = URL(f"http://127.0.0.1/client/v4/{path}", encoded=True)
    assert url.raw_path == f"/client/v4/{path}"
    assert url.name == one
    assert not url.query_string


async def test_a_real_server_sees_the_same_id(connect: Connect) -> None:
    """An id full of separators arrives as one segment, and no other resource is reached."""
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.match_info["id"])
        return web.Response(body=envelope(None, success=False), status=404)

    application = web.Application()
    application.router.add_get(f"/accounts/{ACCOUNT}/email-security/investigate/{{id}}", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        cloudflare = await connect(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}", account_id=ACCOUNT)
        ids = ["a?b", "a#b", "a b", "4Njp-2024-01-05T10:00:00-1", "%2e%2e", "ünï", "...", "a;b", "a\nb"]
        for one in ids:
            with pytest.raises(VendorError):
                await cloudflare.investigate.get(one, lane=Lane.POLL)
    finally:
        await runner.cleanup()
    assert seen == ids


@settings(deadline=None)
@given(HOSTILE)
def test_a_value_never_leaves_its_parameter(text: str) -> None:
    """A cursor of the vendor's comes back to it byte for byte, and adds no parameter."""
    try:
        query = encode_query({"cursor": text, "per_page": 5})
    except UnicodeEncodeError:
        return
    parsed = URL(f"http://127.0.0.1/?{query}", encoded=True).query
    assert list(parsed.items()) == [("cursor", text), ("per_page", "5")]


@pytest.mark.parametrize("per_page", [0, -1, 1001])
async def test_pages_are_bounded(vendor: Vendor, cloudflare: Cloudflare, per_page: int) -> None:
    """A page has 1 to 1,000 rows."""
    window: dict[str, Any] = {"start": START, "end": END, "per_page": per_page, "lane": Lane.POLL}
    for call in (
        cloudflare.investigate.list(**window, detections_only=True),
        cloudflare.phishguard.reports(**window),
        cloudflare.submissions.list(**window),
    ):
        with pytest.raises(ValueError, match="per_page"):
            await call
    assert vendor.connections == 0


async def test_a_naive_time_is_not_sent(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The vendor would read it in a zone of its own choice."""
    naive = START.replace(tzinfo=None)
    with pytest.raises(ValueError, match="aware"):
        await cloudflare.investigate.list(start=naive, end=END, detections_only=True, lane=Lane.POLL)
    assert vendor.connections == 0


async def test_a_thousand_ids_are_one_request(vendor: Vendor, cloudflare: Cloudflare) -> None:
    """The largest selection is allowed."""
    vendor.will(answer(envelope([])))
    ids = [str(number) for number in range(1000)]
    await cloudflare.investigate.move(ids, "JunkEmail")
    assert vendor.requests[0].json == {"destination": "JunkEmail", "ids": ids}
