from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from tests.builders import ACCOUNT, APPROVING, ENFORCE, decided, detection, vote, wish
from tests.desk import Desk
from worker.model.actions import Action, Mode, State
from worker.model.entries import AllowSender, BlockSender, UnblockSender
from worker.model.ledger import Look
from worker.model.plans import Ceilings, Decided
from worker.store.entries import LATE_SECONDS
from worker.store.views import queries


def wants(
    action: type[Action] = BlockSender, *, name: str = "m1", mode: Mode = Mode.ENFORCE, **more: object
) -> Decided:
    """A message whose sender is to be blocked, or the like."""
    message = detection(name)
    return decided(message, wish(action(message, **more), vote(mode=mode)))  # type: ignore[call-arg, arg-type]


async def done(desk: Desk) -> None:
    """Whatever is ready is looked at, sent and succeeds."""
    for row in await desk.rows(state=State.READY):
        await desk.ledger.apply_looks(60.0, [Look(row["id"], State.READY)])
    for call in await desk.claim():
        await desk.settle(call, State.SUCCEEDED, made=f"entry of {call.items[0].action_id}")
    desk.clock.pass_time(10.0)


async def test_equal_wishes_of_one_poll_and_of_later_ones_are_one_action(desk: Desk) -> None:
    """By the sender, whatever message gave rise to them; none is lost to the log."""
    await desk.take_in(*[wants(name=f"m{number}") for number in range(5)])
    await done(desk)
    await desk.take_in(wants(name="m9"))
    (row,) = await desk.rows()
    assert (row["state"], row["subject"]) == ("succeeded", "EMAIL mallory@evil.example")
    assert len(await desk.audit("joined")) == 5
    assert await desk.intact()


async def test_the_database_itself_bars_a_second_live_one(desk: Desk) -> None:
    """Also where two messages gave rise to them, and whatever the code before it thought."""
    await desk.take_in(wants())
    await desk.take_in(wants(name="m2", mode=Mode.SHADOW))
    shadowed = await desk.row("m2")
    with pytest.raises(IntegrityError):
        await desk.edit(shadowed["id"], state=State.READY)


async def test_a_new_verdict_drops_a_block_only_where_no_other_message_wants_it(desk: Desk) -> None:
    """The sender is still the one that the others are about."""
    for others in (0, 1):
        names = [f"{letter}{others}" for letter in "ab"[: others + 1]]
        sender = f"mallory@evil{others}.example"
        await desk.take_in(*[wants(name=name, sender=sender, mode=Mode.APPROVE) for name in names])
        first = (await desk.rows(target=sender))[0]["message_id"]
        await desk.take_in(decided(detection(first, final_disposition="NONE"), changed=True))
    assert {row["target"]: row["state"] for row in await desk.rows()} == {
        "mallory@evil0.example": "skipped",
        "mallory@evil1.example": "held",
    }


async def test_block_and_allowance_of_one_sender_contradict_each_other(desk: Desk) -> None:
    """Unsent ones hold each other; one that stands holds what would go against it, until a person decides."""
    await desk.take_in(wants(), wants(AllowSender, name="m2", days=3))
    rows = await desk.rows()
    assert {row["kind"]: row["state"] for row in rows} == {"block_sender": "held", "allow_sender": "held"}
    assert all("contradicts" in row["error"] for row in rows)
    await desk.approve("m2")
    assert (await desk.row("m1"))["state"] == "rejected"
    await desk.take_in(wants(AllowSender, name="m3", sender="8.8.8.8", days=3))
    await desk.approve("m3")
    await done(desk)
    await desk.take_in(wants(name="m4", sender="8.8.8.8"), wants(name="m5", sender="8.8.4.4"))
    assert "contradicts allow_sender" in (await desk.row("m4"))["error"]
    assert (await desk.row("m5"))["state"] == "ready"


async def test_what_an_opposite_has_reversed_may_be_wanted_again(desk: Desk) -> None:
    """Block, unblock, block: each is done, once."""
    for number, action in enumerate((BlockSender, UnblockSender, BlockSender, BlockSender)):
        await desk.take_in(wants(action, name=f"m{number}"))
        await done(desk)
    kinds = [row["kind"] for row in await desk.rows(state=State.SUCCEEDED)]
    assert sorted(kinds) == ["block_sender", "block_sender", "unblock_sender"]


async def test_an_expiry_is_planned_once_and_survives_what_keeps_it_from_being_sent(desk: Desk) -> None:
    """One removal at a time, under an approval in the approver's name; a new one where that ran out."""
    await desk.take_in(wants(AllowSender, days=1))
    await desk.approve("m1")
    await done(desk)
    assert (await desk.ledger.take_back(APPROVING)).planned == ()
    desk.clock.pass_time(86400.0)
    (first,) = (await desk.ledger.take_back(APPROVING)).planned
    assert (await desk.ledger.take_back(APPROVING)).planned == ()
    removal = (await desk.rows(id=first))[0]
    assert (removal["state"], removal["approved_by"], removal["admitted_at"]) == ("ready", "ann", None)
    desk.clock.pass_time(APPROVING.hold_seconds + 1)
    await desk.ledger.expire()
    (second,) = (await desk.ledger.take_back(APPROVING)).planned
    await desk.ledger.apply_looks(60.0, [Look(second, State.READY)])
    (call,) = await desk.claim(mode=Mode.APPROVE)
    await desk.settle(call, State.SUCCEEDED)
    (ended,) = (await desk.ledger.take_back(APPROVING)).ended
    assert ended.state == "succeeded"
    assert (await desk.ledger.take_back(APPROVING)) == ((), (), 0)
    await desk.take_in(wants(AllowSender, name="m2", days=1))
    assert (await desk.row("m2"))["state"] == "held"
    assert await desk.intact()


async def overdue(desk: Desk, mode: Mode = Mode.ENFORCE) -> list[str | None]:
    """The state of the removal of each entry that still stands long after its date, as status shows it."""
    count = (await desk.ledger.take_back(Ceilings(mode))).overdue
    told = await desk.run(queries.allowances, ACCOUNT, desk.clock.now())
    assert count == len(told["overdue"])
    return [one["removal_state"] for one in told["overdue"]]


@pytest.mark.parametrize("state", [State.FAILED, State.DEAD, State.UNKNOWN, State.HELD])
async def test_a_removal_that_comes_to_nothing_leaves_its_entry_overdue(desk: Desk, state: State) -> None:
    """From the moment when nothing is about to take it back, until it is gone."""
    await desk.take_in(wants(AllowSender, days=1))
    await desk.approve("m1")
    await done(desk)
    desk.clock.pass_time(86400.0 + LATE_SECONDS)
    (removal,) = (await desk.ledger.take_back(ENFORCE)).planned
    assert await overdue(desk) == [], "its removal has just been planned"
    await desk.edit(removal, state=state)
    assert await overdue(desk) == [state]
    await desk.edit(removal, state=State.SUCCEEDED)
    assert await overdue(desk) == []


async def test_an_entry_is_overdue_where_nothing_may_be_sent(desk: Desk) -> None:
    """In shadow mode no removal is planned; under a pause, it waits. A few minutes are nobody's business."""
    await desk.take_in(wants(AllowSender, days=1))
    await desk.approve("m1")
    await done(desk)
    desk.clock.pass_time(86400.0)
    assert await overdue(desk, Mode.SHADOW) == []
    desk.clock.pass_time(LATE_SECONDS)
    assert await overdue(desk, Mode.SHADOW) == [None]
    assert await overdue(desk) == []
    desk.clock.pass_time(LATE_SECONDS)
    assert await overdue(desk) == [State.READY]
