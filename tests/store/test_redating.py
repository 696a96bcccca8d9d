from __future__ import annotations

import pytest

from tests.builders import ACCOUNT, ENFORCE, NOW, detection, junk, report, sighting, vote
from tests.desk import Desk
from worker.model.actions import Mode, State
from worker.model.ledger import Cursor, Look, TimeMark
from worker.model.plans import PHISHGUARD
from worker.store import budget, flags
from worker.store.people import reviews

DAY = 86400.0


async def step(desk: Desk, seconds: float) -> None:
    """Somebody sets the clock, and the ledger follows."""
    desk.clock.jump(seconds)
    await desk.ledger.follow_clock(seconds, TimeMark("boot", 0.0, desk.clock.now()))


@pytest.mark.parametrize("seconds", [-DAY, DAY])
async def test_a_clock_that_was_set_does_not_stop_what_is_ready(desk: Desk, seconds: float) -> None:
    """Work goes on by the new time, not when the clock has caught up with the old one."""
    await desk.take_in(junk())
    await step(desk, seconds)
    assert await desk.ledger.lanes(Mode.ENFORCE)


@pytest.mark.parametrize("seconds", [-3600, 3600])
async def test_a_look_from_before_a_clock_was_set_is_not_fresh(desk: Desk, seconds: float) -> None:
    """How old it is nobody can tell any more: the message is looked at again."""
    await desk.take_in(junk())
    await step(desk, seconds)
    assert await desk.claim() == []
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    assert len(await desk.ledger.unverified(lane, ENFORCE, 10)) == 1


@pytest.mark.parametrize("seconds", [-DAY, DAY])
async def test_a_lost_answer_is_read_back_no_sooner_and_no_later(desk: Desk, seconds: float) -> None:
    """The log needs its time to show an effect, however far the clock jumps."""
    await desk.bring(State.UNKNOWN, junk(), due_in=30.0)
    await step(desk, seconds)
    desk.clock.pass_time(29)
    assert await desk.ledger.due_read_backs(10) == []
    desk.clock.pass_time(2)
    (item,) = await desk.ledger.due_read_backs(10)
    assert item.submitted_at == pytest.approx(desk.clock.now() - 31)


@pytest.mark.parametrize("seconds", [-DAY, DAY])
async def test_an_orphan_is_read_back_after_its_delay(desk: Desk, seconds: float) -> None:
    """Also where the clock was set between the submission and the next start."""
    await desk.take_in(junk())
    await desk.claim()
    await step(desk, seconds)
    await desk.ledger.recover(30.0)
    desk.clock.pass_time(29)
    assert await desk.ledger.due_read_backs(10) == []
    desk.clock.pass_time(2)
    assert len(await desk.ledger.due_read_backs(10)) == 1


async def test_what_is_held_keeps_its_time_for_approval(desk: Desk) -> None:
    """A clock set forward by a day expires nothing."""
    (row,) = await desk.bring(State.FAILED, junk())
    await desk.edit(row["id"], state=State.HELD, held_until=NOW + 3600)
    await step(desk, DAY)
    assert await desk.ledger.expire() == []
    review = await desk.run(reviews.approve, ACCOUNT, [row["id"]], "ann", desk.clock.now())
    assert [one.ok for one in review.verdicts] == [True]


@pytest.mark.parametrize("seconds", [-DAY, DAY])
async def test_an_approval_keeps_its_time(desk: Desk, seconds: float) -> None:
    """It ends neither sooner nor later for a jump."""
    await desk.take_in(junk("m1", vote("asks", Mode.APPROVE)))
    ids = [(await desk.row())["id"]]
    await desk.run(reviews.approve, ACCOUNT, ids, "ann", desk.clock.now(), 3600.0)
    await step(desk, seconds)
    desk.clock.pass_time(3500)
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    assert len(await desk.ledger.unverified(lane, ENFORCE, 10)) == 1
    desk.clock.pass_time(200)
    await desk.ledger.expire()
    assert (await desk.row())["state"] == State.EXPIRED


@pytest.mark.parametrize("seconds", [-7200, 7200, 0.4])
async def test_the_request_budget_counts_on(desk: Desk, seconds: float) -> None:
    """What was sent before counts for its 300 seconds and their slack; a jump neither frees nor blocks anything."""
    for _ in range(3):
        await desk.ledger.take_budget(3)
        desk.clock.pass_time(1)
    await step(desk, seconds)
    desk.clock.pass_time(296 + budget.SLACK)
    assert not (await desk.ledger.take_budget(3)).granted
    desk.clock.pass_time(4)
    assert (await desk.ledger.take_budget(3)).granted
    assert await desk.run(budget.used, ACCOUNT, desk.clock.now()) <= 3


async def test_the_hourly_caps_count_on(desk: Desk) -> None:
    """What was admitted half an hour ago still counts, and an hour later no more."""
    await desk.take_in(junk())
    desk.clock.pass_time(1800)
    await step(desk, DAY)
    row = await desk.row()
    assert row["admitted_at"] == pytest.approx(desk.clock.now() - 1800)


async def test_a_429_stays_in_force_over_a_restart(desk: Desk) -> None:
    """For as long as it had to go."""
    await desk.ledger.block_until(NOW + 100)
    await step(desk, DAY)
    assert await desk.ledger.blocked_until() == NOW + DAY + 100


async def test_a_report_waits_its_hour_for_the_message(desk: Desk) -> None:
    """A clock set forward does not give it up."""
    await desk.ledger.wait_for_message([sighting(report())])
    await step(desk, DAY)
    ((_, since),) = await desk.ledger.waiting(PHISHGUARD)
    assert since == NOW + DAY


async def test_a_changed_verdict_is_seen_after_the_clock_was_set_back(desk: Desk) -> None:
    """What was recorded in a time that has not come yet bars no later reading."""
    await desk.take_in(junk("m1", final_disposition="SPAM"))
    await step(desk, -DAY)
    changed = [sighting(detection("m1", final_disposition="NONE"))]
    assert len(await desk.ledger.unseen(changed, desk.clock.now())) == 1


@pytest.mark.parametrize("seconds, back", [(-DAY, -DAY), (DAY, 0.0)])
async def test_the_next_poll_sweeps_and_a_watermark_only_goes_back(
    desk: Desk, seconds: float, back: float
) -> None:
    """What a wrong clock has read, or passed over, is read again."""
    await desk.take_in(junk(), advance=Cursor(NOW, NOW - 3600, NOW))
    await step(desk, seconds)
    assert await desk.ledger.cursor("detections") == Cursor(NOW + back, NOW - 3600 + back, 0.0)


async def test_a_floor_comes_back_with_the_clock_and_no_further(desk: Desk) -> None:
    """Behind for a while: what lay before the floor then does so again, and never more than at first."""

    async def floor() -> float:
        cursor = await desk.ledger.cursor("detections")
        assert cursor is not None
        return cursor.floor

    await desk.ledger.begin("detections", Cursor(NOW, NOW - 100, NOW))
    await step(desk, -86400.0)
    assert await floor() == NOW - 100 - 86400.0
    await step(desk, 86000.0)
    assert await floor() == NOW - 500
    await step(desk, 7200.0)
    assert await floor() == NOW - 100


async def test_a_step_is_in_the_audit_log(desk: Desk) -> None:
    """Its records' times would not make sense without it."""
    await step(desk, -DAY)
    (record,) = await desk.audit("clock")
    assert record["body"] == '{"step":-86400.0}'


async def test_the_mark_knows_the_latest_time_that_was_read(desk: Desk) -> None:
    """Also where it was written long ago."""
    assert await desk.ledger.time_mark() is None
    mark = TimeMark("boot", 5.0, NOW)
    await desk.ledger.follow_clock(0.0, mark)
    assert await desk.ledger.time_mark() == mark
    await desk.take_in(junk(), advance=Cursor(NOW + 60, NOW, NOW))
    assert await desk.ledger.time_mark() == mark._replace(seen=NOW + 60)
    assert await desk.audit("clock") == []
    assert await desk.run(flags.blocked_until, ACCOUNT) == 0.0


async def test_what_a_command_wrote_by_the_new_time_is_not_dated_anew(desk: Desk) -> None:
    """Somebody approved between the step and the moment at which the daemon noticed it: that goes out now."""
    await desk.take_in(junk(to="RecoverableItemsPurges"))
    (row,) = await desk.rows()
    desk.clock.pass_time(60)
    approved_at = desk.clock.now() + 3601
    verdicts, _ = await desk.run(reviews.approve, ACCOUNT, [row["id"]], "ann", approved_at)
    assert verdicts[0].ok
    desk.clock.pass_time(2)
    await step(desk, 3600)
    (row,) = await desk.rows()
    assert (row["state"], row["due_at"], row["approved_at"]) == ("ready", approved_at, approved_at)
    assert await desk.ledger.lanes(Mode.ENFORCE)


async def test_what_was_read_before_the_clock_was_set_back_is_of_unknown_age(desk: Desk) -> None:
    """Whether it was a page or a look: its date lies in the future, and would keep it fresh until then."""
    asked = desk.clock.now()
    desk.clock.jump(-3600)
    await desk.ledger.follow_clock(-3600, TimeMark("boot", 0.0, desk.clock.now()))
    await desk.take_in(junk(), read_at=asked)
    assert (await desk.row())["verified_at"] is None
    await desk.ledger.apply_looks(60.0, [Look((await desk.row())["id"], State.READY, read_at=asked)])
    assert (await desk.row())["verified_at"] is None
