"""Of several actions that change where a message is, one at a time goes out."""

from __future__ import annotations

from tests.builders import ENFORCE, detection, junk
from tests.desk import Desk
from worker.model.actions import Move, Reclassify, Release, State
from worker.model.calls import Call
from worker.model.ledger import TimeMark
from worker.store.calls.turns import SOON_SECONDS

READ_BACK = 30.0
DAY = 86400.0


async def _first(desk: Desk) -> Call:
    """A move of m1 to Junk that has been sent; then the verdict changes, and a playbook wants it elsewhere."""
    await desk.take_in(junk("m1"))
    (call,) = await desk.claim()
    desk.clock.pass_time(1)
    await desk.take_in(junk("m1", to="DeletedItems", final_disposition="SUSPICIOUS"))
    return call


async def test_a_move_waits_for_one_that_is_under_way(desk: Desk) -> None:
    """It says for which, and has to be looked at again: the message is about to be somewhere else."""
    call = await _first(desk)
    assert await desk.claim() == []
    second = await desk.row(target="DeletedItems")
    assert (second["state"], second["due_at"]) == (State.READY, desk.clock.now() + SOON_SECONDS)
    assert second["verified_at"] is None
    assert second["error"] == f"waits for {call.items[0].action_id}, which may have moved the message"
    assert await desk.ledger.lanes(ENFORCE.mode) == []


async def test_a_move_waits_for_the_read_back_of_one_whose_answer_was_lost(desk: Desk) -> None:
    """Not looked at, let alone sent, before it is known what became of the other; then it goes."""
    call = await _first(desk)
    await desk.settle(call, State.UNKNOWN, due_in=READ_BACK)
    (lane,) = await desk.ledger.lanes(ENFORCE.mode)
    await desk.edit((await desk.row(target="DeletedItems"))["id"], verified_at=None)
    assert await desk.ledger.unverified(lane, ENFORCE, 10) == []
    due = (await desk.row(target="DeletedItems"))["due_at"]
    assert due == desk.clock.now() + READ_BACK + SOON_SECONDS
    await desk.edit(call.items[0].action_id, state=State.SUCCEEDED)
    desk.clock.pass_time(READ_BACK + SOON_SECONDS)
    assert [one.target for one in await desk.ledger.unverified(lane, ENFORCE, 10)] == ["DeletedItems"]
    await desk.edit((await desk.row(target="DeletedItems"))["id"], verified_at=desk.clock.now())
    (second,) = await desk.claim()
    assert second.target == "DeletedItems"
    assert (await desk.row(target="DeletedItems"))["error"] is None


async def test_what_nobody_reads_back_any_more_bars_nothing(desk: Desk) -> None:
    """A person may take days to decide about it; what the vendor shows by then counts."""
    call = await _first(desk)
    await desk.settle(call, State.UNKNOWN, due_in=None)
    assert [one.target for one in await desk.claim()] == ["DeletedItems"]


async def test_what_was_looked_at_before_the_other_went_out_is_looked_at_again(desk: Desk) -> None:
    """The other is done, but the look shows the message where it was before."""
    await desk.take_in(junk("m1"))
    (call,) = await desk.claim()
    await desk.settle(call, State.SUCCEEDED)
    desk.clock.pass_time(1)
    await desk.take_in(
        junk("m1", to="DeletedItems", final_disposition="SUSPICIOUS"), read_at=desk.clock.now() - 1
    )
    assert await desk.claim() == []
    second = await desk.row(target="DeletedItems")
    assert (second["state"], second["due_at"], second["verified_at"]) == (
        State.READY,
        desk.clock.now(),
        None,
    )
    await desk.edit(second["id"], verified_at=desk.clock.now())
    assert [one.target for one in await desk.claim()] == ["DeletedItems"]


async def test_a_clock_that_was_set_back_does_not_hold_up_the_next(desk: Desk) -> None:
    """By the old time the other was sent tomorrow: what was looked at since the step is looked at after it."""
    call = await _first(desk)
    await desk.settle(call, State.SUCCEEDED)
    desk.clock.jump(-DAY)
    await desk.ledger.follow_clock(-DAY, TimeMark("boot", 0.0, desk.clock.now()))
    second = await desk.row(target="DeletedItems")
    assert second["verified_at"] is None
    await desk.edit(second["id"], verified_at=desk.clock.now())
    assert [one.target for one in await desk.claim()] == ["DeletedItems"]


async def test_a_look_by_a_clock_that_was_set_back_does_not_count(desk: Desk) -> None:
    """Before the step is noticed, too: what seems to have been looked at tomorrow is looked at again."""
    call = await _first(desk)
    await desk.settle(call, State.SUCCEEDED)
    await desk.edit((await desk.row(target="DeletedItems"))["id"], verified_at=desk.clock.now() - 2)
    desk.clock.jump(-DAY)
    await desk.edit((await desk.row(target="DeletedItems"))["id"], due_at=desk.clock.now())
    assert await desk.claim() == []
    assert (await desk.row(target="DeletedItems"))["verified_at"] is None


async def test_other_messages_go_on(desk: Desk) -> None:
    """Only the message that may be on its way waits."""
    await _first(desk)
    await desk.take_in(junk("m2", to="DeletedItems"))
    assert [[item.message_id for item in call.items] for call in await desk.claim()] == [["m2"]]


async def test_what_moves_nothing_does_not_wait(desk: Desk) -> None:
    """A request for another verdict leaves the message where it is."""
    call = await _first(desk)
    await desk.settle(call, State.UNKNOWN, due_in=READ_BACK)
    await desk.want(Reclassify(detection("m1", final_disposition="SPAM"), to="NONE"))
    assert [one.kind for one in await desk.claim()] == ["reclassify"]


async def test_a_move_waits_for_a_release_too(desk: Desk) -> None:
    """A release takes the message out of quarantine: what follows acts on mail that has been delivered."""
    await desk.want(Release(detection("m1", is_quarantined=True)))
    (release,) = await desk.claim()
    await desk.settle(release, State.UNKNOWN, due_in=READ_BACK)
    await desk.want(Move(detection("m1", final_disposition="SPAM"), to="JunkEmail"))
    moves = await desk.rows(message_id="m1", kind="move")
    for move in moves:
        await desk.edit(move["id"], state=State.READY, due_at=desk.clock.now(), verified_at=desk.clock.now())
    assert moves
    assert await desk.claim() == []
