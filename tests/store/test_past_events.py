from __future__ import annotations

from msgspec.structs import replace

from tests.builders import ACCOUNT, NOW, decided, detection, junk, report
from tests.desk import Desk
from worker.backtest.recorded import saved_from_store, seen_in_store
from worker.model.actions import Move
from worker.model.enrichment import Details
from worker.model.known import Known
from worker.store.prepared import IN_LIST
from worker.store.views.past_events import count, own_deeds, past_event, past_events


async def test_events_come_in_the_order_in_which_they_were_seen(desk: Desk) -> None:
    """Over several parts, and of a span of time its first second but not its last; nothing of another account."""
    many = IN_LIST + 50
    await desk.take_in(*[junk(f"late{n}") for n in range(many)])
    desk.clock.pass_time(60)
    await desk.take_in(junk("after"))
    found = await desk.run(lambda conn: list(past_events(conn, ACCOUNT, NOW, NOW + 61, decisions=False)))
    assert [one.key for one in found][-1] == "after"
    assert ({one.stored_at for one in found[:-1]}, len({one.key for one in found})) == ({NOW}, many + 1)
    assert [one.sighting.key for one in seen_in_store(found)] == [one.key for one in found]
    assert await desk.run(count, ACCOUNT, NOW, NOW + 60) == many
    assert await desk.run(lambda conn: list(past_events(conn, "0" * 32, 0, 4e9, decisions=False))) == []


async def test_an_event_comes_with_what_it_was_decided_on(desk: Desk) -> None:
    """What was fetched for it, and the context that the decision saw; by the message's id, or the event's own."""
    known = Known()
    known.add("details", Details(action="x"))
    message = detection()
    wanted = decided(message, Move(message, to="JunkEmail"))
    context = {"now": "2027-01-15T08:00:00+00:00", "history": []}
    one = replace(wanted, context=context, rested=known.rested({"details"}))
    told = report(message=message)
    await desk.take_in(one)
    await desk.take_in(decided(told, Move(message, to="DeletedItems")))
    rows = await desk.run(lambda conn: list(past_events(conn, ACCOUNT, 0, 4e9, decisions=True)))
    (row,) = [row for row in rows if row.key == "m1"]
    saved = saved_from_store(row)
    assert saved.known is not None
    assert saved.known.found["details"] == Details(action="x")
    assert saved.now is not None
    assert [found.key for found in await desk.run(past_event, ACCOUNT, "m1")] == ["m1", "1"]
    assert [found.key for found in await desk.run(past_event, ACCOUNT, "1")] == ["1"]


async def test_what_the_worker_did_is_what_it_sent(desk: Desk) -> None:
    """What was only wanted, or is still waiting, is none of its deeds."""
    await desk.take_in(junk("m1"), junk("m2"))
    rows = {row["message_id"]: row["id"] for row in await desk.rows()}
    await desk.edit(rows["m1"], state="succeeded", submitted_at=NOW)
    assert await desk.run(own_deeds, ACCOUNT, ["m1", "m2", "m3"]) == {"m1": [("move", "JunkEmail")]}
