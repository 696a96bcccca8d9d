"""An approval is bound to exactly what was approved, is checked where actions are claimed, and ends."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from tests.builders import ACCOUNT, NOW, junk, vote
from tests.desk import Desk, messages
from worker.model.actions import PURGE, Mode, State
from worker.model.approvals import BOUND
from worker.model.ledger import BulkLane, Claimed, Limits, Look
from worker.model.plans import Ceilings
from worker.store import flags, schema
from worker.store.ledger import StoreLedger
from worker.store.people import approvals, reviews
from worker.store.views import queries

DAY = 86400.0
JUNK = BulkLane("move:JunkEmail", "move", "JunkEmail", 3, NOW)
ALTERED: dict[str, Any] = {
    "id": "another-id",
    "account_id": "f" * 32,
    "message_id": "another message",
    "kind": "release",
    "target": "DeletedItems",
    "params": '{"destination":"DeletedItems"}',
    "cause": "another cause",
}
assert ALTERED.keys() == set(BOUND)


async def approved(desk: Desk, *names: str) -> list[str]:
    """Actions that one person approved together and that have been looked at; their ids."""
    await desk.take_in(*(junk(name, vote("asks", Mode.APPROVE)) for name in names))
    return await desk.approve(*names)


async def claim(desk: Desk, lane: BulkLane = JUNK, mode: Mode = Mode.ENFORCE, most: int = 10) -> Claimed:
    """What one claim of a lane gives."""
    return await desk.ledger.claim(lane, Limits(Ceilings(mode), 600, 120.0), most=most, calls=1)


async def approval_ids(desk: Desk) -> list[str]:
    """Every approval on record, oldest first."""
    query = select(schema.approvals.c.id).order_by(schema.approvals.c.id)
    return list(await desk.run(lambda conn: conn.scalars(query).all()))


async def test_what_was_approved_goes_out(desk: Desk) -> None:
    """All of it, in as many calls as it takes: what has been sent does not spoil the rest."""
    await approved(desk, "m1", "m2", "m3")
    for _ in range(3):
        claimed = await claim(desk, mode=Mode.APPROVE, most=1)
        (call,) = claimed.calls
        assert claimed.put_back == []
        await desk.settle(call, State.SUCCEEDED)
    assert await desk.states() == {name: ["succeeded"] for name in ("m1", "m2", "m3")}


@pytest.mark.parametrize("mode", [Mode.APPROVE, Mode.ENFORCE])
@pytest.mark.parametrize("column", BOUND)
async def test_one_altered_action_voids_the_approval_of_all(desk: Desk, column: str, mode: Mode) -> None:
    """Whatever of it says what is sent: no call, every action held again with the reason, all of it in the log."""
    ids = await approved(desk, "m1", "m2", "m3")
    await desk.edit(ids[1], **{column: ALTERED[column]})
    claimed = await claim(desk, mode=mode)
    assert claimed.calls == []
    assert {row["state"] for row in claimed.put_back} == {State.HELD}
    for row in await desk.rows():
        why = f"the approval is void: its action {ids[1]} is gone"
        if column != "id":
            why = f"the approval is void: action {ids[1]} was altered after it"
        assert (row["state"], row["error"], row["held_until"]) == ("held", why, NOW + DAY)
        assert (row["approval_id"], row["approved_at"], row["admitted_at"]) == (None, None, None)
    (void,) = await desk.audit("void")
    assert ids[1] in void["body"]
    assert await desk.intact()
    for lane in await desk.ledger.lanes(mode):
        assert (await claim(desk, lane, mode)).calls == []


@pytest.mark.parametrize("column", ["target", "kind", "message_id"])
async def test_what_was_altered_is_put_back_before_the_vendor_is_asked(desk: Desk, column: str) -> None:
    """Nobody approved to look at another message, or at this one in another way."""
    ids = await approved(desk, "m1", "m2")
    await desk.edit(ids[0], **{column: ALTERED[column]})
    back = await desk.ledger.review(JUNK, ids, DAY)
    assert sorted(row["id"] for row in back) == sorted(ids)
    assert await desk.run(approvals.review, ACCOUNT, NOW, "move", "JunkEmail", ids, DAY) == []


async def test_a_deleted_action_voids_the_approval(desk: Desk) -> None:
    """The set is not the one that was approved."""
    ids = await approved(desk, "m1", "m2")
    await desk.run(lambda conn: conn.execute(delete(schema.actions).where(schema.actions.c.id == ids[0])))
    assert (await claim(desk)).calls == []
    assert await desk.states() == {"m2": ["held"]}


@pytest.mark.parametrize("table", [schema.approvals, schema.approved_actions])
async def test_an_altered_approval_is_void(desk: Desk, table: Any) -> None:
    """To alter the digest together with the action is not enough: the set has one too."""
    ids = await approved(desk, "m1", "m2")
    await desk.run(lambda conn: conn.execute(update(table).values(digest="0" * 64)))
    claimed = await claim(desk)
    assert (claimed.calls, sorted(row["id"] for row in claimed.put_back)) == ([], sorted(ids))


async def test_a_smaller_set_is_not_the_one_that_was_approved(desk: Desk) -> None:
    """One id taken out of the approval voids it for the others too."""
    ids = await approved(desk, "m1", "m2")
    m = schema.approved_actions
    await desk.run(lambda conn: conn.execute(delete(m).where(m.c.action_id == ids[0])))
    assert (await claim(desk)).calls == []
    assert await desk.states() == {"m1": ["held"], "m2": ["held"]}


async def test_an_action_cannot_borrow_an_approval(desk: Desk) -> None:
    """It is not among those that were approved; they go out without it."""
    await approved(desk, "m1")
    (approval,) = await approval_ids(desk)
    await desk.take_in(junk("m2"))
    await desk.edit((await desk.row("m2"))["id"], approval_id=approval, approved_at=NOW)
    claimed = await claim(desk)
    assert [messages(call) for call in claimed.calls] == [["m1"]]
    assert (await desk.row("m2"))["error"] == "its approval does not name it"


async def test_a_state_set_by_hand_is_no_approval(desk: Desk) -> None:
    """Nor is an approval that is not on record."""
    await desk.take_in(*(junk(name, vote("asks", Mode.APPROVE)) for name in ("m1", "m2")))
    one, two = [row["id"] for row in await desk.rows()]
    by_hand = {"state": State.READY, "approved_at": NOW, "due_at": NOW, "verified_at": NOW}
    await desk.edit(one, **by_hand)
    await desk.edit(two, **by_hand, approval_id="made-up")
    assert (await claim(desk, mode=Mode.APPROVE)).calls == []
    assert (await desk.row("m2"))["error"] == "its approval is not on record"


@pytest.mark.parametrize("mode", Mode)
async def test_a_purge_is_held_in_every_mode(desk: Desk, mode: Mode) -> None:
    """An enforcing playbook's too; in shadow it is only recorded."""
    from worker.model.plans import Ceilings  # noqa: PLC0415 - only here

    await desk.take_in(junk("m1", to=PURGE), ceilings=Ceilings(mode))
    assert (await desk.row())["state"] == ("shadowed" if mode is Mode.SHADOW else "held")
    assert await desk.claim(mode=mode) == []


@pytest.mark.parametrize("mode, sent", [(Mode.SHADOW, 0), (Mode.APPROVE, 1), (Mode.ENFORCE, 1)])
async def test_a_purge_goes_out_only_under_an_approval(desk: Desk, mode: Mode, sent: int) -> None:
    """One that was made ready by any other way is held where it is claimed; no approval lifts the mode."""
    await desk.take_in(junk("m1", to=PURGE), junk("m2", to=PURGE))
    await desk.approve("m2")
    await desk.edit((await desk.row("m1"))["id"], state=State.READY, due_at=NOW, verified_at=NOW)
    claimed = await claim(desk, BulkLane(f"move:{PURGE}", "move", PURGE, 2, NOW), mode)
    assert [messages(call) for call in claimed.calls] == [["m2"]] * sent
    if mode is Mode.ENFORCE:
        row = await desk.row("m1")
        assert (row["state"], row["error"]) == ("held", "nobody approved it")


async def test_no_approval_lifts_a_pause(desk: Desk) -> None:
    """It says what may be done, the pause that nothing is."""
    await approved(desk, "m1")
    await desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
    assert (await claim(desk)).calls == []
    await desk.run(flags.resume, ACCOUNT, "ann", NOW)
    assert len((await claim(desk)).calls) == 1


@pytest.mark.parametrize("seconds, sent", [(DAY - 1, 1), (DAY, 0)])
async def test_an_approval_that_is_over_lets_nothing_go(desk: Desk, seconds: float, sent: int) -> None:
    """Where the claim meets it before the housekeeping does."""
    (one,) = await approved(desk, "m1")
    desk.clock.pass_time(seconds)
    await desk.edit(one, verified_at=desk.clock.now())
    claimed = await claim(desk)
    assert len(claimed.calls) == sent
    if not sent:
        row = await desk.row()
        assert (row["state"], row["error"]) == ("expired", "it was approved, but not sent in time")


async def test_what_was_approved_and_not_sent_in_time_expires(desk: Desk) -> None:
    """After a long pause, say: the person who said yes did not mean two days later. What was sent is left alone."""
    await approved(desk, "m1", "m2")
    (call,) = (await claim(desk, most=1)).calls
    (sent,) = messages(call)
    await desk.settle(call, State.SUCCEEDED)
    desk.clock.pass_time(DAY)
    (row,) = await desk.ledger.expire()
    assert (row["message_id"] != sent, row["state"]) == (True, State.EXPIRED)
    assert await desk.ledger.expire() == []
    assert await desk.states() == {sent: ["succeeded"], row["message_id"]: ["expired"]}
    assert len(await desk.audit("expired")) == 1


async def test_what_was_found_without_effect_after_its_approval_ended_is_not_sent_again(desk: Desk) -> None:
    """The approval covers every try, and none of them later."""
    (one,) = await approved(desk, "m1")
    (call,) = (await claim(desk)).calls
    await desk.settle(call, State.UNKNOWN, due_in=1.0)
    desk.clock.pass_time(DAY)
    assert await desk.ledger.expire() == []
    now = desk.clock.now()
    await desk.edit(one, state=State.READY, due_at=now, verified_at=now, updated_at=now)
    assert (await claim(desk)).calls == []
    row = await desk.row()
    assert row["state"] == "expired"
    assert row["error"] == (
        "it was approved and sent, without effect, and its approval ended before it could be sent again"
    )


async def test_what_was_sent_without_effect_long_ago_is_looked_at_before_it_expires(desk: Desk) -> None:
    """Its effect may have come since: an allowance that nobody knows of would never end."""
    (one,) = await approved(desk, "m1")
    (call,) = (await claim(desk)).calls
    await desk.settle(call, State.UNKNOWN, due_in=1.0)
    await desk.edit(one, state=State.READY, due_at=desk.clock.now(), updated_at=desk.clock.now())
    desk.clock.pass_time(DAY)
    (told,) = await desk.ledger.expire()
    row = await desk.row()
    assert (told["state"], row["state"], row["due_at"]) == ("unknown", "unknown", desk.clock.now())
    assert [record["action_id"] for record in await desk.audit("expired")] == [one]
    assert [item.action_id for item in await desk.ledger.due_read_backs(8)] == [one]


async def test_the_time_of_an_approval_can_be_chosen(desk: Desk) -> None:
    """WORKER_APPROVAL_TIMEOUT: from the approval on, not from when it was held."""
    await desk.take_in(junk("m1", vote("asks", Mode.APPROVE)))
    desk.clock.pass_time(3600)
    one = (await desk.row())["id"]
    review = await desk.run(reviews.approve, ACCOUNT, [one], "ann", desk.clock.now(), 60.0)
    assert review.approval is not None
    assert review.approval.expires_at == NOW + 3660
    desk.clock.pass_time(60)
    assert len(await desk.ledger.expire()) == 1


async def test_approvals_survive_a_restart(desk: Desk) -> None:
    """They are in the database, with all that they are bound to."""
    ids = await approved(desk, "m1", "m2")
    again = Desk(desk.store, desk.clock)
    again.ledger = StoreLedger(desk.store, ACCOUNT, desk.clock, batch=1000)
    await again.edit(ids[0], message_id="another")
    assert (await claim(again)).calls == []


async def test_what_a_look_holds_again_needs_another_approval(desk: Desk) -> None:
    """Which voids nothing of the first: its other actions go out as approved."""
    ids = await approved(desk, "m1", "m2")
    await desk.ledger.apply_looks(DAY, [Look(ids[0], State.HELD, "moved to Inbox by bob")])
    assert [messages(call) for call in (await claim(desk)).calls] == [["m2"]]
    await desk.approve("m1")
    first, second = await approval_ids(desk)
    assert first != second
    assert [messages(call) for call in (await claim(desk)).calls] == [["m1"]]


async def test_to_try_again_is_to_approve(desk: Desk) -> None:
    """A person said so: bound to what it was, like any approval, so that approve mode lets it go."""
    (row,) = await desk.bring(State.FAILED, junk("m1"))
    await desk.run(reviews.retry, ACCOUNT, [row["id"]], "ann", NOW, checked=False)
    await desk.edit(row["id"], verified_at=NOW)
    assert len((await claim(desk, mode=Mode.APPROVE)).calls) == 1


async def test_a_plan_is_approved_as_it_is_held(desk: Desk) -> None:
    """One approval of every action of it that is held, and its digest is in the log."""
    votes = vote(per_poll=1)
    closed = await desk.take_in(junk("m1", votes), junk("m2", votes))
    await desk.take_in(junk("m3", vote("asks", Mode.APPROVE)))
    (plan,) = closed.plans
    ids = await desk.run(reviews.held_of_plan, ACCOUNT, plan.plan_id)
    review = await desk.run(reviews.approve, ACCOUNT, ids, "ann", NOW)
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"], "m3": ["held"]}
    assert review.approval is not None
    assert all(review.approval.digest in record["body"] for record in await desk.audit("approved"))
    detail = await desk.run(queries.action_detail, ACCOUNT, ids[0])
    assert detail is not None
    assert (detail["approval"]["actions"], detail["approval"]["sha256"]) == (2, review.approval.digest)


async def test_most_actions_cost_no_look_at_approvals(desk: Desk) -> None:
    """The claim of what needed none reads none."""
    await desk.take_in(junk("m1"))
    rows = await desk.run(lambda conn: conn.execute(select(schema.actions)).mappings().all())

    def sift(_: Any) -> Any:
        return approvals.sift(None, ACCOUNT, NOW, "move", "JunkEmail", rows, DAY)  # type: ignore[arg-type]

    assert await desk.run(sift) == (list(rows), [])
