"""Whatever a caller passes, what reaches the vendor names its messages, each once, or nothing reaches it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cloudflare.vendor import ACCOUNT, TOKEN, OpenGate, Request, Vendor
from worker.cloudflare import Cloudflare
from worker.cloudflare.actions import MAX_IDS
from worker.cloudflare.operations import MAX_ID
from worker.errors import VendorError
from worker.model.actions import DESTINATIONS
from worker.model.events import DISPOSITIONS

WILD = [
    "",
    " ",
    "*",
    "%",
    ".",
    "..",
    "all",
    "null",
    "\x00",
    "\ud800",
    "a/b",
    "x" * (MAX_ID + 1),
    "\u200b",
    "\t\n",
]
ID = st.sampled_from(["4Njp-1", "4Njp-2", *WILD]) | st.text(max_size=6)
ANYTHING = ID | st.none() | st.integers() | st.binary(max_size=3) | st.floats() | st.lists(ID, max_size=2)
SELECTION: st.SearchStrategy[Any] = (
    st.lists(ANYTHING, max_size=4)
    | st.lists(ID, max_size=4).map(tuple)
    | st.frozensets(ID, max_size=3).map(sorted)
    | ANYTHING
    | st.dictionaries(ID, ID, max_size=2)
    | st.integers(0, MAX_IDS + 2).map(lambda count: [str(number) for number in range(count)])
)
TARGET: st.SearchStrategy[Any] = st.sampled_from([*DESTINATIONS, *DISPOSITIONS]) | ANYTHING

Write = Callable[[Cloudflare], Awaitable[object]]


def writes(ids: Any, target: Any) -> dict[str, Write]:
    """Every operation that changes something, with these arguments."""
    return {
        "move": lambda cloudflare: cloudflare.investigate.move(ids, target),
        "release": lambda cloudflare: cloudflare.investigate.release(ids),
        "reclassify": lambda cloudflare: cloudflare.investigate.reclassify(ids, target),
    }


def assert_explicit(request: Request, name: str, ids: Any, target: Any) -> None:
    """The request acts on exactly what was asked for, and on nothing beside it."""
    assert request.method == "POST"
    assert "?" not in request.target
    if name == "reclassify":
        assert isinstance(ids, str)
        assert 1 <= len(ids) <= MAX_ID
        segments = request.path.split("/")
        assert len(segments) == 3
        assert segments[1] not in {"", ".", ".."}
        assert request.json == {"expected_disposition": target}
        assert target in DISPOSITIONS
        return
    assert request.path == f"investigate/{name}"
    sent = request.json
    assert sent.keys() == ({"ids", "destination"} if name == "move" else {"ids"})
    assert sent["ids"] == list(ids)
    assert 1 <= len(sent["ids"]) == len(set(sent["ids"])) <= MAX_IDS
    assert all(isinstance(one, str) and one.strip() and len(one) <= MAX_ID for one in sent["ids"])
    if name == "move":
        assert sent["destination"] == target
        assert target in DESTINATIONS


async def sent_by(write: Write) -> list[Request]:
    """What reaches the vendor."""
    async with (
        Vendor() as vendor,
        Cloudflare(
            base_url=vendor.base_url, account_id=ACCOUNT, token=lambda: TOKEN, gate=OpenGate()
        ) as cloudflare,
    ):
        with contextlib.suppress(ValueError, VendorError):
            await write(cloudflare)
        return vendor.requests


@settings(deadline=None, max_examples=150)
@given(SELECTION, TARGET, st.sampled_from(["move", "release", "reclassify"]))
def test_what_reaches_the_vendor_is_explicit(ids: Any, target: Any, name: str) -> None:
    """Empty, unbounded, repeated and odd selections raise ValueError, and no byte of them leaves the worker."""
    for request in asyncio.run(sent_by(writes(ids, target)[name])):
        assert_explicit(request, name, ids, target)
