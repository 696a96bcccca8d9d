"""Actions that were let through long before they can be sent: they go out as the caps have room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.builders import decided, detection, junk, vote
from tests.desk import Desk, messages
from worker.model.actions import Mode, Release, State
from worker.model.calls import Outcome
from worker.model.caps import HOUR
from worker.model.ledger import Limits, TimeMark
from worker.model.plans import Ceilings
from worker.store.plans import caps

ENFORCE = Ceilings(Mode.ENFORCE)
LONG = HOUR + 100


async def look(desk: Desk, ceilings: Ceilings = ENFORCE) -> list[str]:
    """Looks at everything that is due; the messages that were looked at."""
    items = [
        item
        for lane in await desk.ledger.lanes(Mode.ENFORCE)
        for item in await desk.ledger.unverified(lane, ceilings, 1000)
    ]
    for item in items:
        await desk.edit(item.action_id, verified_at=desk.clock.now())
    return sorted(item.message_id for item in items)


async def go(desk: Desk, ceilings: Ceilings = ENFORCE) -> list[str]:
    """Looks at everything that is due, then sends and settles it; the messages that went out."""
    gone: list[str] = []
    await look(desk, ceilings)
    for lane in await desk.ledger.lanes(Mode.ENFORCE):
        claimed = await desk.ledger.claim(lane, Limits(ceilings, 600, 120.0), most=1000, calls=1)
        for call in claimed.calls:
            gone += messages(call)
            await desk.settle(call, State.SUCCEEDED)
    return sorted(gone)


async def pile_up(desk: Desk, *names: Sequence[str], **allowed: Any) -> None:
    """Some mail in each hour, of which nothing can be sent."""
    for some in names:
        await desk.take_in(*(junk(name, vote(**allowed)) for name in some))
        desk.clock.pass_time(LONG)


async def test_a_backlog_goes_out_as_the_hourly_cap_has_room(desk: Desk) -> None:
    """In order of age, and nothing is asked of the vendor about what has to wait; the rest says what it waits for."""
    await pile_up(desk, ["m1", "m2"], ["m3", "m4"], ["m5"], per_hour=2)
    assert await look(desk) == ["m1", "m2"]
    assert await go(desk) == ["m1", "m2"]
    waiting = await desk.rows(state=State.READY)
    assert {row["error"] for row in waiting} == {"waits for the cap of 2 actions of junk an hour"}
    heard = [(aside.kind, dict(aside.waiting)) for aside in desk.heard if aside.waiting]
    assert heard == [("move", {"2 actions of junk an hour": 3})]
    assert await desk.ledger.lanes(Mode.ENFORCE) == []
    desk.clock.pass_time(HOUR - 100)
    assert await go(desk) == []
    desk.clock.pass_time(caps.WAIT_SECONDS)
    assert await go(desk) == ["m3", "m4"]
    desk.clock.pass_time(LONG)
    assert await go(desk) == ["m5"]
    assert {row["error"] for row in await desk.rows()} == {None}


async def test_what_goes_out_late_counts_for_new_plans(desk: Desk) -> None:
    """The hour in which it is sent is the hour that it uses up."""
    await pile_up(desk, ["m1", "m2"], per_hour=2)
    assert await go(desk) == ["m1", "m2"]
    desk.clock.pass_time(HOUR - 100)
    closed = await desk.take_in(junk("m3", vote(per_hour=2)))
    assert closed.plans[0].held_because == "cap per hour: 2 + 1 actions, 2 allowed"


@pytest.mark.parametrize("seconds, counts_from", [(29, 0), (31, 31)])
async def test_what_is_sent_at_once_counts_from_its_plan(
    desk: Desk, seconds: float, counts_from: float
) -> None:
    """Only what waited for some time is dated anew: the others cost no write."""
    await desk.take_in(junk())
    planned = (await desk.row())["admitted_at"]
    desk.clock.pass_time(seconds)
    await desk.claim()
    assert (await desk.row())["admitted_at"] == planned + counts_from


async def test_the_operators_ceiling_bounds_a_backlog_too(desk: Desk) -> None:
    """Of all playbooks together, over both kinds of calls."""
    quarantined = detection("m3", is_quarantined=True, delivery_status=("quarantined",))
    await desk.take_in(junk("m1"), junk("m2"), decided(quarantined, Release(quarantined)))
    desk.clock.pass_time(LONG)
    low = Ceilings(Mode.ENFORCE, per_hour=2)
    assert len(await go(desk, low)) == 2
    (left,) = await desk.rows(state=State.READY)
    assert left["error"] == "waits for the cap of 2 actions an hour"


async def test_one_playbooks_backlog_does_not_hold_up_anothers(desk: Desk) -> None:
    """They share a lane, whose head has no room; what both want waits."""
    full, other = vote(per_hour=1), vote("other")
    await desk.take_in(junk("m1", full))
    desk.clock.pass_time(LONG)
    await desk.take_in(junk("m2", full), read_at=None)
    await desk.take_in(junk("m3", other), junk("m4", full, other))
    desk.clock.pass_time(LONG)
    assert await go(desk) == ["m1", "m3"]


async def test_what_a_person_approved_is_exempt(desk: Desk) -> None:
    """An approval lifts the caps for exactly these, however long they have to wait then."""
    await desk.take_in(*(junk(name, vote(per_hour=1)) for name in ("m1", "m2", "m3")))
    await desk.approve("m1", "m2", "m3")
    desk.clock.pass_time(LONG)
    assert await go(desk) == ["m1", "m2", "m3"]


async def test_a_days_cap_counts_what_is_of_today_once(desk: Desk) -> None:
    """What the day counts already has its place; what is older needs one."""
    await pile_up(desk, ["m1", "m2"], per_day=2)
    assert await go(desk) == ["m1", "m2"]
    desk.clock.pass_time(25 * HOUR)
    await pile_up(desk, ["m3", "m4"], per_day=2)
    desk.clock.pass_time(22 * HOUR)
    assert (await desk.take_in(junk("m5", vote(per_day=2)))).plans[0].held_because
    desk.clock.pass_time(2 * HOUR)
    await desk.take_in(junk("m6", vote(per_day=2)))
    gone = await go(desk)
    assert (len(gone), gone[-1]) == (2, "m6")
    (left,) = await desk.rows(state=State.READY)
    assert left["error"] == "waits for the cap of 2 actions of junk a day"


async def test_two_lanes_draw_on_one_cap(desk: Desk) -> None:
    """Two folders are two calls, of the same hour."""
    for name, folder in (("m1", "JunkEmail"), ("m2", "DeletedItems")):
        await desk.take_in(junk(name, vote(per_hour=1), to=folder))
        desk.clock.pass_time(LONG)
    assert await go(desk) == ["m1"]


async def begin(desk: Desk, ceilings: Ceilings) -> Ceilings:
    """A worker begins under these caps."""
    await desk.ledger.introduce({"cap_per_hour": ceilings.per_hour, "cap_per_day": ceilings.per_day})
    return ceilings


def several(prefix: str, count: int, **allowed: Any) -> list[Any]:
    """So many messages that one playbook wants."""
    return [junk(f"{prefix}{number}", vote(**allowed)) for number in range(count)]


@pytest.mark.parametrize("day", [False, True])
async def test_a_lowered_cap_bounds_what_was_ready_before(desk: Desk, day: bool) -> None:
    """Somebody lowers it in an incident and starts anew: no more goes out than it allows, what has gone out included."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("sent", 1))
    assert len(await go(desk)) == 1
    await desk.take_in(*several("m", 8))
    lowered = await begin(
        desk, Ceilings(Mode.ENFORCE, per_day=3) if day else Ceilings(Mode.ENFORCE, per_hour=3)
    )
    assert len(await go(desk, lowered)) == 2
    assert await go(desk, lowered) == []
    waiting = {row["error"] for row in await desk.rows(state=State.READY)}
    assert waiting == {f"waits for the cap of 3 actions a{' day' if day else 'n hour'}"}
    desk.clock.pass_time(LONG)
    assert len(await go(desk, lowered)) == (0 if day else 3)


async def test_what_waits_for_a_lowered_cap_is_counted_all_the_same(desk: Desk) -> None:
    """New plans are held whole, as they would have been."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("m", 8))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=3))
    closed = await desk.take_in(junk("new"), ceilings=lowered)
    assert closed.plans[0].held_because == "cap per hour: 8 + 1 actions, 3 allowed"


async def test_what_a_person_approved_is_bounded_by_no_lowered_cap(desk: Desk) -> None:
    """As by no other; and it uses up what there is."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("m", 3))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=2))
    await desk.take_in(*several("a", 2), ceilings=lowered)
    await desk.approve("a0", "a1")
    assert await go(desk, lowered) == ["a0", "a1"]


async def test_what_was_let_through_under_the_lower_cap_has_its_place(desk: Desk) -> None:
    """It goes with those from before that find one; and where the cap is raised again, all do."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("old", 2))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=3))
    desk.clock.pass_time(10)
    await desk.take_in(junk("new"), ceilings=lowered)
    assert len(await go(desk, lowered)) == 3
    desk.clock.pass_time(LONG)
    await desk.take_in(*several("more", 5))
    assert len(await go(desk, await begin(desk, ENFORCE))) == 5


async def test_the_hours_after_a_lowered_cap_hold_no_more_than_it_either(desk: Desk) -> None:
    """What waits from before and what is let through now share them."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("m", 8))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=3))
    desk.clock.pass_time(LONG)
    gone = []
    for hour in range(4):
        await desk.take_in(*several(f"h{hour}", 2), ceilings=lowered)
        gone.append(len(await go(desk, lowered)))
        desk.clock.pass_time(LONG)
    assert gone == [3, 3, 3, 3]


async def test_a_clock_that_is_set_does_not_forget_that_a_cap_was_lowered(desk: Desk) -> None:
    """What was let through before still was."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("m", 8))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=3))
    desk.clock.jump(2 * HOUR)
    await desk.ledger.follow_clock(2 * HOUR, TimeMark("boot", 0.0, desk.clock.now()))
    assert len(await go(desk, lowered)) == 3


async def test_what_was_sent_under_a_lowered_cap_keeps_its_place_when_it_comes_back(desk: Desk) -> None:
    """Its answer was lost, and it had no effect: the request was one of the hour all the same."""
    await begin(desk, ENFORCE)
    await desk.take_in(*several("m", 3))
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=1))
    desk.clock.pass_time(5)
    await look(desk, lowered)
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    (call,) = (await desk.ledger.claim(lane, Limits(lowered, 600, 120.0), most=1000, calls=1)).calls
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    (sent,) = call.items
    await desk.ledger.settle_read_back(
        Outcome(sent.action_id, State.READY, "without effect", due_in=600.0), counted=True
    )
    desk.clock.pass_time(caps.WAIT_SECONDS + 1)
    assert await go(desk, lowered) == []
    desk.clock.pass_time(300)
    assert await go(desk, lowered) == [sent.message_id]


async def test_a_clock_that_was_behind_at_the_start_does_not_hide_who_was_first(desk: Desk) -> None:
    """After a reboot it can only be told by the last mark: what came after that is dated a little after the start."""
    await begin(desk, ENFORCE)
    known = TimeMark("boot1", 0.0, desk.clock.now())
    desk.clock.pass_time(20)
    await desk.take_in(*several("m", 8))
    desk.clock.jump(-2 * HOUR)
    here = TimeMark("boot2", 0.0, desk.clock.now())
    await desk.ledger.follow_clock(known.step_to(here), here)
    lowered = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=3))
    desk.clock.pass_time(60)
    assert len(await go(desk, lowered)) == 3


async def test_a_start_under_the_same_caps_changes_nothing(desk: Desk) -> None:
    """What was within the cap still is, with what has gone out before, and what a person has let go beside it."""
    caps_in_force = await begin(desk, Ceilings(Mode.ENFORCE, per_hour=4))
    await desk.take_in(*several("sent", 2), ceilings=caps_in_force)
    assert len(await go(desk, caps_in_force)) == 2
    await desk.take_in(*several("m", 2), ceilings=caps_in_force)
    await desk.take_in(*several("a", 2), ceilings=caps_in_force)
    await desk.approve("a0", "a1")
    await begin(desk, caps_in_force)
    await desk.ledger.lower_ceiling(caps_in_force)
    assert len(await go(desk, caps_in_force)) == 4
