"""What was fetched for decisions, and the events that wait for it, as the database keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from tests.builders import ACCOUNT, NOW, decided, detection, junk
from tests.desk import Desk
from worker.model.enrichment import Details, Raw
from worker.model.known import Known, Rested, decode
from worker.model.ledger import Cursor, Keep, Postponed, TimeMark
from worker.model.plans import DETECTIONS, Decided, Failure
from worker.store import enrichments, schema

DAY = 86400.0


def rested(text: str = "x", size: int = 1) -> Rested:
    """What a decision rested on."""
    return Known({"raw": Raw(text=text * size), "details": Details(action="x")}).rested({"raw"})


def resting(name: str, on: Rested) -> Decided:
    """A message that is to be moved, for what was fetched of it."""
    return replace(junk(name), rested=on)


def waiting(name: str, again_in: float = 60.0, **more: Any) -> Decided:
    """A message that a playbook waits for."""
    late = Failure("look", "v1", "waits for raw: 503", waits_for="raw", again_in=again_in, tries=1)
    return decided(detection(name, **more), failures=[late])


async def stored(desk: Desk) -> int:
    """How many there are."""

    def count(conn: Connection) -> int:
        return conn.execute(select(func.count()).select_from(schema.enrichments)).scalar_one()

    return await desk.run(count)


async def test_it_is_what_was_shown_and_small(desk: Desk) -> None:
    """Only the needs of those who decided, under its SHA-256, compressed; None under any other, or for others."""
    one = rested("mail ", 10_000)
    await desk.take_in(resting("m1", one))
    body = await desk.run(enrichments.read, ACCOUNT, one.sha256)
    assert body == one.body
    assert decode(body).found.keys() == {"raw"}
    assert await desk.run(enrichments.read, ACCOUNT, "0" * 64) is None
    assert await desk.run(enrichments.read, "f" * 32, one.sha256) is None
    size = await desk.run(lambda conn: conn.scalar(select(func.length(schema.enrichments.c.body))))
    assert size is not None
    assert size < 1000


async def test_equal_ones_are_stored_once_and_as_long_as_the_last_of_them(desk: Desk) -> None:
    """Messages of which the vendor has nothing share a row; it goes when nobody rests on it any more."""
    same, other = rested(), rested("y")
    await desk.take_in(resting("m1", same), resting("m2", same), resting("m3", other))
    assert await stored(desk) == 2
    desk.clock.pass_time(60 * DAY)
    await desk.take_in(resting("m4", same), advance=Cursor(desk.clock.now(), NOW, NOW))
    desk.clock.pass_time(60 * DAY)
    while not (await desk.ledger.prune(Keep(90 * DAY, DAY), 1000, desk.clock.now())).done:
        pass
    assert await stored(desk) == 1
    assert await desk.run(enrichments.read, ACCOUNT, same.sha256) == same.body


async def test_what_waits_falls_due_in_order(desk: Desk) -> None:
    """The longest due first, for these playbooks and this source alone; what was put off is due later."""
    await desk.take_in(waiting("m1", 60), waiting("m2", 30), waiting("m3", 90))
    assert await desk.ledger.due_events(DETECTIONS, ["look"], 10) == []
    desk.clock.pass_time(61)
    rows = await desk.ledger.due_events(DETECTIONS, ["look", "other"], 10)
    assert [(row.key, row.tries) for row in rows] == [("m2", 1), ("m1", 1)]
    assert await desk.ledger.due_events(DETECTIONS, ["other"], 10) == []
    assert await desk.ledger.due_events("phishguard", ["look"], 10) == []
    assert [row.key for row in await desk.ledger.due_events(DETECTIONS, ["look"], 1)] == ["m2"]
    await desk.ledger.postpone([Postponed(rows[0], "waits for raw: 500", 60.0, 2)])
    assert [row.key for row in await desk.ledger.due_events(DETECTIONS, ["look"], 10)] == ["m1"]
    desk.clock.pass_time(60)
    assert [(row.key, row.tries) for row in await desk.ledger.due_events(DETECTIONS, ["look"], 10)] == [
        ("m1", 1),
        ("m3", 1),
        ("m2", 2),
    ]


async def test_what_is_decided_meanwhile_cannot_be_put_off(desk: Desk) -> None:
    """A new verdict has ended the waiting: nothing of it comes back."""
    await desk.take_in(waiting("m1", 0))
    rows = await desk.ledger.due_events(DETECTIONS, ["look"], 10)
    await desk.take_in(decided(detection("m1", final_disposition="NONE"), changed=True))
    await desk.ledger.postpone([Postponed(rows[0], "late", 0.0, 2)])
    assert await desk.ledger.due_events(DETECTIONS, ["look"], 10) == []


@pytest.mark.parametrize("seconds", [-DAY, DAY])
async def test_a_clock_that_was_set_changes_no_wait(desk: Desk, seconds: float) -> None:
    """It is fetched no sooner and no later."""
    await desk.take_in(waiting("m1", 60))
    desk.clock.jump(seconds)
    await desk.ledger.follow_clock(seconds, TimeMark("boot", 0.0, desk.clock.now()))
    desk.clock.pass_time(59)
    assert await desk.ledger.due_events(DETECTIONS, ["look"], 10) == []
    desk.clock.pass_time(2)
    assert len(await desk.ledger.due_events(DETECTIONS, ["look"], 10)) == 1
