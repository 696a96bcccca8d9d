from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from tests.simulator.api import START, Api, Simulate
from worker.simulator import Fault, parse_fault


async def arm(api: Api, *faults: dict[str, Any]) -> None:
    """Puts faults in force."""
    await api.admin("faults", list(faults))


@pytest.mark.parametrize("kind, error", [("500", (500, 10500)), ("401", (401, 10000)), ("429", (429, 10429))])
async def test_refusing_faults_prevent_the_effect(api: Api, kind: str, error: tuple[int, int]) -> None:
    """A status fault answers in the vendor's envelope and nothing happens."""
    name = await api.given()
    await arm(api, {"on": "move", "kind": kind})
    assert (await api.post(f"investigate/{name}/move", {"destination": "Inbox"})).error == error
    assert await api.admin("effects") == []


async def test_fault_after_the_effect(api: Api) -> None:
    """`after` spoils only the answer: the client sees a 500, the message was moved."""
    name = await api.given()
    await arm(api, {"on": "move", "kind": "500", "after": True})
    assert (await api.post(f"investigate/{name}/move", {"destination": "Inbox"})).status == 500
    assert len(await api.admin("effects")) == 1


@pytest.mark.parametrize("after", [True, False])
async def test_dropped_connection(api: Api, *, after: bool) -> None:
    """A dropped connection tells nothing: the effect is there or not, and the request has no status."""
    name = await api.given()
    await arm(api, {"on": "move", "kind": "drop", "after": after, "count": 1})
    with pytest.raises(ServerDisconnectedError):
        await api.post(f"investigate/{name}/move", {"destination": "Inbox"})
    assert len(await api.admin("effects")) == after
    assert (await api.admin("requests"))["counts"] == {"move": {"none": 1}}
    assert (await api.post(f"investigate/{name}/move", {"destination": "Inbox"})).status == 200


@pytest.mark.parametrize("after", [True, False])
async def test_slow_answer(api: Api, *, after: bool) -> None:
    """A client that gives up on a slow answer finds the effect at once, or later."""
    name = await api.given()
    await arm(api, {"on": "move", "kind": "slow", "seconds": 0.1, "after": after})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(api.post(f"investigate/{name}/move", {"destination": "Inbox"}), 0.05)
    assert len(await api.admin("effects")) == after
    await asyncio.sleep(0.1)
    assert len(await api.admin("effects")) == 1


@pytest.mark.parametrize(
    "options, header",
    [
        ({"seconds": 7}, "7"),
        ({"retry_after": "absurd"}, "99999999999999999999"),
        ({"retry_after": "missing"}, None),
    ],
)
async def test_retry_after_in_many_forms(api: Api, options: dict[str, Any], header: str | None) -> None:
    """A 429 says when to come back in seconds, absurdly, or not at all."""
    await arm(api, {"on": "any", "kind": "429", **options})
    assert (await api.get("investigate")).headers.get("Retry-After") == header


async def test_retry_after_as_a_date(api: Api) -> None:
    """The date form is that many seconds from the tenant's now."""
    await arm(api, {"on": "list", "kind": "429", "retry_after": "http-date", "seconds": 90})
    header = (await api.get("investigate")).headers["Retry-After"]
    assert parsedate_to_datetime(header).timestamp() == START + 90


@pytest.mark.parametrize(
    "kind, content_type, start",
    [
        ("html", "text/html", b"<!DOCTYPE html>"),
        ("empty", "application/json", b""),
        ("success_false", "application/json", b'{"success":false'),
    ],
)
async def test_bodies_that_are_no_answer(api: Api, kind: str, content_type: str, start: bytes) -> None:
    """Status 200 is no proof of success."""
    await arm(api, {"on": "reports", "kind": kind})
    answer = await api.get("phishguard/reports", valid=False)
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(content_type)
    assert answer.body.startswith(start)
    assert bool(answer.body) == bool(start)


async def test_slow_search_is_polled_at_its_location(api: Api) -> None:
    """A 202 has an empty result and a Location, which answers 202 so many times, and then the search."""
    expected = (await api.get("investigate", per_page=3)).result
    await arm(api, {"on": "list", "kind": "202", "polls": 2, "count": 1})
    pending = await api.get("investigate", per_page=3)
    assert (pending.status, pending.result) == (202, [])
    location = pending.headers["Location"]
    path = location.removeprefix(api.simulator.base_url)
    answers = [await api.send("GET", path, valid=False) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 200]
    assert answers[0].headers["Location"] == location
    assert answers[-1].result == expected


async def test_location_may_point_elsewhere(api: Api) -> None:
    """A Location on another host is there to see who follows it with the token."""
    await arm(api, {"on": "list", "kind": "202", "location": "https://evil.example/steal"})
    assert (await api.get("investigate")).headers["Location"] == "https://evil.example/steal"


async def test_cursor_loop(api: Api) -> None:
    """The second page's `next` is its own cursor."""
    await arm(api, {"on": "list", "kind": "cursor_loop"})
    first = await api.get("investigate", per_page=5)
    second = await api.get("investigate", per_page=5, cursor=first.info["next"])
    assert first.result != second.result
    assert second.info["next"] == first.info["next"]


@pytest.mark.parametrize("poison", ["types", "missing"])
async def test_poison_row_is_added(api: Api, poison: str) -> None:
    """A row that is no message stands before the true ones, which are all there."""
    clean = (await api.get("investigate", per_page=5)).result
    await arm(api, {"on": "list", "kind": "poison", "poison": poison})
    rows = (await api.get("investigate", per_page=5, valid=False)).result
    assert rows[1:] == clean
    assert "subject" not in rows[0] or "id" not in rows[0]


@pytest.mark.parametrize(
    "poison, trace", [("surrogate", rb"\ud800"), ("enum", b'"NOVEL"'), ("nan", b'"score": NaN')]
)
async def test_poison_in_a_true_row(api: Api, poison: str, trace: bytes) -> None:
    """The first row keeps its id and carries something that strict readers refuse."""
    clean = (await api.get("investigate", per_page=5)).result
    await arm(api, {"on": "list", "kind": "poison", "poison": poison})
    answer = await api.get("investigate", per_page=5, valid=False)
    assert trace in answer.body
    assert [row["id"] for row in answer.result] == [row["id"] for row in clean]


async def test_partial_move(api: Api) -> None:
    """The named recipient's row fails, the others are moved, and the message shows both."""
    name = await api.given(client_recipients=["a@corp.example", "b@corp.example"])
    await arm(api, {"on": "move", "kind": "partial", "recipients": ["b@corp.example"]})
    rows = (await api.post("investigate/move", {"destination": "Inbox", "ids": [name]})).result
    assert [(row["recipient"], row["success"]) for row in rows] == [
        ("a@corp.example", True),
        ("b@corp.example", False),
    ]
    assert {"moved", "move_failed"} <= set((await api.row(name))["delivery_status"])
    assert [effect["recipients"] for effect in await api.admin("effects")] == [["a@corp.example"]]


async def test_partial_release_and_full_failure(api: Api) -> None:
    """A release names whom it failed; a rate of 1 fails everybody and has no effect."""
    name = await api.given(is_quarantined=True, client_recipients=["a@corp.example", "b@corp.example"])
    await arm(api, {"on": "any", "kind": "partial", "rate": 1})
    (row,) = (await api.post("investigate/release", {"ids": [name]})).result
    assert (row["delivered"], row["failed"]) == ([], ["a@corp.example", "b@corp.example"])
    moved = (await api.post(f"investigate/{name}/move", {"destination": "Inbox"})).result
    assert [row["success"] for row in moved] == [False, False]
    assert (await api.row(name))["is_quarantined"] is True
    assert await api.admin("effects") == []
    await arm(api, {"on": "release", "kind": "partial", "recipients": ["b@corp.example"]})
    (row,) = (await api.post("investigate/release", {"ids": [name]})).result
    assert (row["delivered"], row["failed"]) == (["a@corp.example"], ["b@corp.example"])


async def test_skip_and_count(api: Api) -> None:
    """A fault may spare the first requests and end after some strikes; other classes are never struck."""
    await arm(api, {"on": "submissions", "kind": "500", "skip": 1, "count": 2})
    statuses = [(await api.get("submissions")).status for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    assert (await api.get("phishguard/reports")).status == 200


async def test_probability_is_drawn_from_the_seed(simulate: Simulate) -> None:
    """The same seed fails the same requests; about as many as the probability says."""
    fault = parse_fault("submissions:500:probability=0.5")
    series = []
    for seed in (5, 5, 6):
        api = await simulate(messages=0, seed=seed, faults=(fault,))
        series.append([(await api.get("submissions")).status for _ in range(40)])
    assert series[0] == series[1] != series[2]
    assert 10 < series[0].count(500) < 30


def test_fault_is_read_from_text() -> None:
    """The command line's form covers every field."""
    assert parse_fault("list:html") == Fault(on="list", kind="html")
    assert parse_fault("move:partial:recipients=a@x.example+b@x.example,rate=1,count=3") == Fault(
        on="move", kind="partial", recipients=("a@x.example", "b@x.example"), rate=1.0, count=3
    )
    assert parse_fault("any:drop:after=true") == Fault(on="any", kind="drop", after=True)


@pytest.mark.parametrize(
    "text", ["", "list", "list:boom", "inbox:500", "list:500:often=1", "list:500:count=0", "move:poison"]
)
def test_wrong_fault_is_refused(text: str) -> None:
    """A fault that cannot strike is a mistake of the test's author, and says so."""
    with pytest.raises(ValueError, match="fault"):
        parse_fault(text)


async def test_wrong_fault_is_refused_over_http(api: Api) -> None:
    """The admin path refuses it too."""
    with pytest.raises(AssertionError, match="strikes"):
        await arm(api, {"on": "move", "kind": "poison"})


async def test_latency_is_added_to_every_answer(simulate: Simulate) -> None:
    """Every answer takes at least the latency."""
    api = await simulate(messages=0, latency=0.05)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await api.get("submissions")
    assert loop.time() - before >= 0.05


async def test_compressed_answer(simulate: Simulate) -> None:
    """With `gzip` a client that accepts it gets less over the wire, and the same rows."""
    plain, compressed = await simulate(), await simulate(gzip=True)
    one, other = await plain.get("investigate"), await compressed.get("investigate")
    assert other.headers["Content-Encoding"] == "gzip"
    assert json.loads(one.body) == json.loads(other.body)
