"""What was sent without effect and is ready again: what was decided while it was under way counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.builders import ACCOUNT, ENFORCE, NOW, decided, detection, junk, report, vote, wish
from tests.desk import Desk
from worker.model.actions import Mode, Move, State
from worker.model.calls import Answered, Call, Outcome
from worker.model.entries import AllowSender, BlockSender
from worker.model.plans import Decided
from worker.store.people import reviews

Return = Callable[[Desk, Call], Awaitable[None]]


async def refused(desk: Desk, call: Call) -> None:
    """A 429, or a call that was not sent, or a bulk that is split."""
    outcomes = tuple(Outcome(one.action_id, State.READY, "429", 1.0) for one in call.items)
    await desk.ledger.settle(call, Answered(outcomes, "call.refused", 429))


async def read_back(desk: Desk, call: Call) -> None:
    """The answer was lost, and a look shows that there was no effect."""
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    for one in call.items:
        outcome = Outcome(one.action_id, State.READY, "without effect", 0.0)
        assert await desk.ledger.settle_read_back(outcome, counted=True)


async def lost(desk: Desk, *events: Decided) -> Call:
    """What was wanted of these is under way."""
    await desk.take_in(*events)
    for row in await desk.rows():
        await desk.edit(row["id"], verified_at=desk.clock.now())
    (call,) = await desk.claim()
    return call


def benign(id: str = "m1") -> Decided:  # noqa: A002
    """A later row of the message, of which nobody wants anything."""
    return decided(detection(id, final_disposition="NONE"))


def reported(to: str, mode: Mode = Mode.ENFORCE) -> Decided:
    """A report of the message `m1`, of which another playbook wants something."""
    return decided(report(message=detection("m1")), wish(Move(detection("m1"), to=to), vote("reports", mode)))


@pytest.mark.parametrize("back", [refused, read_back])
@pytest.mark.parametrize("block", [False, True])
async def test_a_verdict_that_changed_meanwhile_is_not_forgotten(
    desk: Desk, back: Return, block: bool
) -> None:
    """No look is needed for it, and none would show it of what acts on no message: the ledger knows."""
    call = await lost(desk, decided(detection(), BlockSender(detection())) if block else junk())
    await desk.take_in(benign())
    assert (await desk.row())["state"] in (State.SUBMITTED, State.UNKNOWN)
    await back(desk, call)
    row = await desk.row()
    assert (row["state"], row["error"]) == ("skipped", "the verdict changed to NONE before it was sent again")
    assert (row["admitted_at"], row["due_at"]) == (None, None)
    (told,) = await desk.audit("superseded")
    assert told["action_id"] == row["id"]
    (heard,) = [one for aside in desk.heard for one in aside.superseded]
    assert (heard["id"], heard["state"], heard["reason"]) == (row["id"], State.SKIPPED, row["error"])


@pytest.mark.parametrize("back", [refused, read_back])
async def test_what_is_still_wanted_is_sent_again(desk: Desk, back: Return) -> None:
    """Neither another message's news nor another wish for the same stops it."""
    call = await lost(desk, junk("m1"), junk("m2"))
    await desk.take_in(benign("m2"), reported("JunkEmail"))
    await back(desk, call)
    assert await desk.states() == {"m1": ["ready"], "m2": ["skipped"]}


async def test_a_verdict_that_changed_back_is_no_change(desk: Desk) -> None:
    """The wish of the latest verdict has joined what is under way."""
    call = await lost(desk, junk())
    await desk.take_in(benign())
    await desk.take_in(junk())
    await refused(desk, call)
    assert await desk.states() == {"m1": ["ready"]}


async def test_what_a_person_let_go_after_the_change_stays(desk: Desk) -> None:
    """Who says `retry` has seen what the message is by now."""
    await desk.bring(State.FAILED, junk())
    desk.clock.pass_time(10)
    await desk.take_in(benign())
    desk.clock.pass_time(10)
    row = await desk.row()
    await desk.run(reviews.retry, ACCOUNT, [row["id"]], "ann", desk.clock.now(), checked=True)
    await desk.edit(row["id"], verified_at=desk.clock.now())
    (call,) = await desk.claim()
    await refused(desk, call)
    assert (await desk.row())["state"] == "ready"


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.APPROVE])
@pytest.mark.parametrize("back", [refused, read_back])
async def test_a_contradiction_that_came_meanwhile_holds_both(desk: Desk, back: Return, mode: Mode) -> None:
    """While the first was under way nobody could hold it: the second was planned beside it."""
    call = await lost(desk, junk())
    await desk.take_in(reported("DeletedItems", mode))
    await back(desk, call)
    first, second = sorted(await desk.rows(), key=lambda row: str(row["id"]))
    assert [row["state"] for row in (first, second)] == ["held", "held"]
    assert first["error"] == f"contradicts move DeletedItems ({second['id']})"
    assert second["error"] == f"contradicts move JunkEmail ({first['id']})"
    assert first["held_until"] == second["held_until"] == NOW + ENFORCE.hold_seconds
    heard = [one for aside in desk.heard for one in aside.held]
    assert {one["id"]: one["why"] for one in heard} == {row["id"]: row["error"] for row in (first, second)}
    told = await desk.audit("held")
    assert {
        record["action_id"]: record["plan_id"] for record in told if record["action_id"] == first["id"]
    } == {first["id"]: first["plan_id"]}


async def test_a_refused_bulk_needs_no_new_look(desk: Desk) -> None:
    """What was seen a moment before the refusal is as true a moment after it: a 429 costs no further request."""
    call = await lost(desk, junk("m1"), junk("m2"))
    await refused(desk, call)
    desk.clock.pass_time(2)
    assert len(await desk.claim()) == 1


@pytest.mark.parametrize("back", [refused, read_back])
async def test_what_a_person_had_done_meanwhile_is_not_worked_against(desk: Desk, back: Return) -> None:
    """An allow policy that was approved while the block was under way stands: the block waits for a person too."""
    call = await lost(desk, decided(detection(), BlockSender(detection(), sender="x@y.example")))
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    desk.clock.pass_time(1.0)
    await desk.take_in(decided(detection("m2"), AllowSender(detection("m2"), sender="x@y.example", days=1)))
    await desk.approve("m2")
    allow = await desk.row("m2")
    await desk.edit(allow["id"], verified_at=desk.clock.now())
    (allowing,) = await desk.claim()
    await desk.settle(allowing, State.SUCCEEDED)
    await desk.edit(call.items[0].action_id, state=State.SUBMITTED)
    await back(desk, call)
    row = await desk.row("m1")
    assert (row["state"], row["error"]) == ("held", f"contradicts allow_sender x@y.example ({allow['id']})")


@pytest.mark.parametrize("back", [refused, read_back])
async def test_what_stood_before_was_weighed_before(desk: Desk, back: Return) -> None:
    """A person who has approved a block in spite of an allow policy is not asked again for every 429."""
    await desk.take_in(decided(detection("m2"), AllowSender(detection("m2"), sender="x@y.example", days=1)))
    await desk.approve("m2")
    await desk.edit((await desk.row("m2"))["id"], verified_at=desk.clock.now())
    (allowing,) = await desk.claim()
    await desk.settle(allowing, State.SUCCEEDED)
    desk.clock.pass_time(1.0)
    await desk.take_in(decided(detection(), BlockSender(detection(), sender="x@y.example")))
    assert (await desk.row("m1"))["state"] == "held"
    await desk.approve("m1")
    await desk.edit((await desk.row("m1"))["id"], verified_at=desk.clock.now())
    (call,) = await desk.claim()
    await back(desk, call)
    assert (await desk.row("m1"))["state"] == "ready"
