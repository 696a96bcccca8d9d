from __future__ import annotations

import pytest

from tests.builders import ACCOUNT, NOW, decided, detection, junk, report, vote
from tests.desk import Desk
from worker.model.actions import Mode, Move, Release, State
from worker.model.sweeps import Sweep
from worker.store.people import reviews
from worker.store.people.reviews import Verdict

APPROVE = Mode.APPROVE
ENDED = [State.SUBMITTED, State.SUCCEEDED, State.SKIPPED, State.EXPIRED, State.SHADOWED]


async def approve(desk: Desk, *ids: str) -> list[Verdict]:
    """A person says yes."""
    return (await desk.run(reviews.approve, ACCOUNT, list(ids), "ann", desk.clock.now())).verdicts


async def reject(desk: Desk, *ids: str) -> list[Verdict]:
    """A person says no."""
    return (await desk.run(reviews.reject, ACCOUNT, list(ids), "ann", desk.clock.now())).verdicts


async def retry(desk: Desk, *ids: str, checked: bool = False) -> list[Verdict]:
    """A person says again."""
    now = desk.clock.now()
    return (await desk.run(reviews.retry, ACCOUNT, list(ids), "ann", now, checked=checked)).verdicts


async def held(desk: Desk, name: str = "m1") -> str:
    """The id of an action that waits for approval."""
    await desk.take_in(junk(name, vote("asks", APPROVE)))
    return str((await desk.row(name))["id"])


async def test_an_approved_action_is_ready_and_looked_at_first(desk: Desk) -> None:
    """Who approved and when is on it and in the log; what was seen when it was held may be old."""
    one = await held(desk)
    desk.clock.pass_time(5)
    assert await approve(desk, one) == [Verdict(one, True, "approved")]
    row = await desk.row()
    assert (row["state"], row["approved_by"], row["approved_at"]) == ("ready", "ann", NOW + 5)
    assert (row["due_at"], row["verified_at"], row["error"], row["held_until"]) == (NOW + 5, None, None, None)
    (record,) = await desk.audit("approved")
    assert '"by":"ann"' in record["body"]


async def test_an_approval_lifts_the_caps_for_exactly_these(desk: Desk) -> None:
    """The rest of a held plan stays held; what was approved counts within the hour."""
    await desk.take_in(junk("m1", vote(per_poll=1, per_hour=1)), junk("m2", vote(per_poll=1, per_hour=1)))
    await approve(desk, (await desk.row("m1"))["id"])
    assert await desk.states() == {"m1": ["ready"], "m2": ["held"]}
    closed = await desk.take_in(junk("m3", vote(per_hour=1)))
    assert closed.plans[0].held_because == "cap per hour: 1 + 1 actions, 1 allowed"


async def test_only_held_actions_can_be_approved(desk: Desk) -> None:
    """Whatever else is named is refused with its state, and the others go on."""
    await desk.take_in(junk("m1"))
    ready = (await desk.row("m1"))["id"]
    one = await held(desk, "m2")
    refused, unknown, approved = await approve(desk, ready, "no-such-id", one)
    assert (refused.ok, refused.message) == (False, "is ready, only held actions can be approved")
    assert (unknown.ok, unknown.message) == (False, "no such action; see worker actions list")
    assert approved.ok


async def test_an_action_of_an_open_plan_cannot_be_reviewed(desk: Desk) -> None:
    """It is listed nowhere yet, and the caps have not seen it."""
    from tests.builders import poll  # noqa: PLC0415 - only here

    await desk.record(poll(), junk())
    one = (await desk.row())["id"]
    for review in (approve, reject, retry):
        (verdict,) = await review(desk, one)
        assert not verdict.ok


async def test_an_action_of_another_account_cannot_be_reviewed(desk: Desk) -> None:
    """An id alone opens nothing."""
    one = await held(desk)
    ((verdict,), _) = await desk.run(reviews.approve, "f" * 32, [one], "ann", NOW)
    assert not verdict.ok


async def test_to_approve_one_of_a_contradiction_rejects_the_other(desk: Desk) -> None:
    """A person decides between the two, so both are decided."""
    await desk.take_in(junk())
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="DeletedItems")))
    one, other = await desk.rows()
    await approve(desk, other["id"])
    one, other = await desk.rows()
    assert (one["state"], one["error"]) == ("rejected", f"{other['id']} was approved instead")
    assert other["state"] == State.READY


async def test_to_reject_one_of_a_contradiction_leaves_the_other_held(desk: Desk) -> None:
    """No to one is not yes to the other."""
    await desk.take_in(junk())
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="DeletedItems")))
    await reject(desk, (await desk.rows())[0]["id"])
    assert await desk.states() == {"m1": ["rejected", "held"]}


async def test_an_approval_that_comes_too_late_is_refused(desk: Desk) -> None:
    """Also before the expiry itself has been written."""
    one = await held(desk)
    desk.clock.pass_time(86400)
    assert await approve(desk, one) == [Verdict(one, False, "its time for approval is over")]


async def test_a_held_action_expires_after_a_day(desk: Desk) -> None:
    """It is never done in silence, and it gives way to a new decision."""
    await held(desk)
    desk.clock.pass_time(86399)
    assert await desk.ledger.expire() == []
    desk.clock.pass_time(1)
    (row,) = await desk.ledger.expire()
    assert row["message_id"] == "m1"
    assert await desk.ledger.expire() == []
    after = await desk.row()
    assert (after["state"], after["error"]) == ("expired", "nobody approved it in time")
    assert len(await desk.audit("expired")) == 1
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="JunkEmail")))
    assert await desk.states() == {"m1": ["expired", "ready"]}


@pytest.mark.parametrize("state", [State.HELD, State.READY, State.UNKNOWN])
async def test_what_is_open_can_be_rejected(desk: Desk, state: State) -> None:
    """For good: the same wish does not come back."""
    await desk.take_in(junk())
    one = (await desk.row())["id"]
    await desk.edit(one, state=state)
    assert await reject(desk, one) == [Verdict(one, True, "rejected")]
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="JunkEmail")))
    assert await desk.states() == {"m1": ["rejected"]}
    assert await desk.claim() == []


@pytest.mark.parametrize("state", [*ENDED, State.FAILED, State.DEAD])
async def test_what_has_ended_cannot_be_rejected(desk: Desk, state: State) -> None:
    """Nor what is on its way."""
    await desk.take_in(junk())
    one = (await desk.row())["id"]
    await desk.edit(one, state=state)
    (verdict,) = await reject(desk, one)
    assert (verdict.ok, (await desk.row())["state"]) == (False, state)


@pytest.mark.parametrize("state", [State.FAILED, State.DEAD])
async def test_what_failed_can_be_tried_again(desk: Desk, state: State) -> None:
    """From the beginning: with a look first and all its attempts."""
    (row,) = await desk.bring(state, junk())
    desk.clock.pass_time(5)
    assert await retry(desk, row["id"]) == [Verdict(row["id"], True, "will be tried again")]
    after = await desk.row()
    assert (after["state"], after["attempts"], after["read_backs"]) == ("ready", 0, 0)
    assert (after["verified_at"], after["due_at"]) == (None, NOW + 5)


async def test_a_move_that_worked_for_some_is_not_tried_again(desk: Desk) -> None:
    """The look before it would skip it, and with the error went what there is to undo."""
    (row,) = await desk.bring(State.FAILED, junk())
    await desk.edit(row["id"], error="moved for some recipients only; not for bob@corp.example: mailbox full")
    (verdict,) = await retry(desk, row["id"], checked=True)
    assert not verdict.ok
    assert f"`worker undo {row['id']}`" in verdict.message
    assert [one.action_id for one in await desk.ledger.our_moves("m1")] == [row["id"]]


async def test_a_release_that_reached_some_is_not_tried_again(desk: Desk) -> None:
    """They would get it twice; and it goes on barring another one."""
    mail = detection(is_quarantined=True)
    (row,) = await desk.bring(State.FAILED, decided(mail, Release(mail)))
    await desk.edit(row["id"], error="delivered to some recipients only; not to bob@corp.example")
    (verdict,) = await retry(desk, row["id"], checked=True)
    assert (verdict.ok, (await desk.row())["state"]) == (False, "failed")
    assert "by hand in the dashboard" in verdict.message


@pytest.mark.parametrize("state", [*ENDED, State.HELD, State.READY, State.REJECTED])
async def test_nothing_else_can_be_tried_again(desk: Desk, state: State) -> None:
    """Least of all what succeeded."""
    await desk.take_in(junk())
    one = (await desk.row())["id"]
    await desk.edit(one, state=state)
    (verdict,) = await retry(desk, one, checked=True)
    assert (verdict.ok, (await desk.row())["state"]) == (False, state)


async def test_an_unknown_action_is_tried_again_only_where_somebody_checked(desk: Desk) -> None:
    """It may have taken effect: a person has to say that it has not."""
    (row,) = await desk.bring(State.UNKNOWN, junk())
    (verdict,) = await retry(desk, row["id"])
    assert not verdict.ok
    assert "--i-checked" in verdict.message
    (verdict,) = await retry(desk, row["id"], checked=True)
    assert verdict.ok


async def test_what_failed_is_not_tried_again_beside_its_twin(desk: Desk) -> None:
    """A later decision already stands for the same action."""
    await desk.bring(State.FAILED, junk())
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="JunkEmail")))
    failed, twin = await desk.rows()
    (verdict,) = await retry(desk, failed["id"])
    assert (verdict.ok, verdict.message) == (False, f"{twin['id']} already stands for the same action")


async def test_to_try_again_rejects_what_contradicts_it(desk: Desk) -> None:
    """Whatever was planned since: a person decides between the two."""
    await desk.bring(State.FAILED, junk())
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="DeletedItems")))
    failed, other = await desk.rows()
    (verdict,) = await retry(desk, failed["id"])
    assert verdict.message == f"will be tried again; rejects {other['id']}, which contradicts it"
    failed, other = await desk.rows()
    assert failed["state"] == State.READY
    assert (other["state"], other["error"]) == ("rejected", f"{failed['id']} was tried again instead")


async def test_of_a_contradiction_only_the_first_is_tried_again(desk: Desk) -> None:
    """Both cannot be meant."""
    await desk.bring(State.FAILED, junk())
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="DeletedItems")))
    one, other = await desk.rows()
    await desk.edit(other["id"], state=State.FAILED)
    both = [one["id"], other["id"]]
    verdicts, _ = await desk.run(reviews.retry, ACCOUNT, both, "ann", NOW, checked=False)
    assert [verdict.ok for verdict in verdicts] == [True, False]
    assert verdicts[1].message == f"contradicts {one['id']}, which is named before it"
    assert await desk.states() == {"m1": ["ready", "failed"]}


async def test_the_log_says_who_decided_what(desk: Desk) -> None:
    """Each review is one record, and refused ones leave none."""
    one, two = await held(desk, "m1"), await held(desk, "m2")
    await approve(desk, one)
    await approve(desk, one)
    await reject(desk, two)
    assert [entry["kind"] for entry in await desk.audit("approved", "rejected")] == ["approved", "rejected"]
    assert await desk.intact()


async def test_a_sweep_that_was_given_up_is_not_said_to_be_tried_again(desk: Desk) -> None:
    """Nothing would begin its search anew: the way on is told, also where the same was given up before."""
    for n in range(3):
        seed = detection(f"m{n}", edf_hash="4a1f" * 16)
        await desk.want(Sweep(seed, then=Move(seed, to="JunkEmail")))
        (campaign,) = (await desk.ledger.campaigns(86400.0)).open
        await desk.ledger.fail_campaign(campaign.id, "too wide")
    one = (await desk.row("m2"))["id"]
    (verdict,) = await retry(desk, one)
    told = "its search was given up and does not begin again (too wide)"
    assert (verdict.ok, verdict.message.partition(":")[0]) == (False, told)
    assert (await desk.row("m2"))["state"] == State.FAILED
