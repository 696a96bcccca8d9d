"""An undo is a plan of its own in the same ledger, for what was done and can be reversed, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import ACCOUNT, ENFORCE, NOW, decided, detection, junk, report, vote
from tests.desk import Desk
from worker.model.actions import PURGE, Action, Mode, Move, Reclassify, Release, State
from worker.model.ledger import Look
from worker.model.plans import Ceilings
from worker.model.sweeps import Sweep
from worker.store.people import reviews
from worker.store.people.undo import Order, Undone, Wanted
from worker.store.people.undo import undo as plan_undo
from worker.store.views import queries

NO_EFFECT = [State.SHADOWED, State.SKIPPED, State.REJECTED, State.EXPIRED, State.DEAD]
PARTLY = "moved for some recipients only; not for bob@corp.example: mailbox full"


async def undo(
    desk: Desk,
    *ids: str,
    to: str | None = None,
    ceilings: Ceilings = ENFORCE,
    dry: bool = False,
    **wanted: Any,
) -> Undone:
    """What ann's order comes to."""
    order = Order("ann", to, ceilings, 250)
    return await desk.run(plan_undo, ACCOUNT, Wanted(ids, **wanted), order, desk.clock.now(), dry=dry)


async def moved(desk: Desk, name: str = "m1", to: str = "JunkEmail", **changes: Any) -> str:
    """The id of a move that succeeded."""
    desk.clock.pass_time(1)
    await desk.bring(State.SUCCEEDED, junk(name, to=to, **changes))
    return str((await desk.rows(message_id=name, target=to, cause=""))[-1]["id"])


async def carry_out(desk: Desk, state: State = State.SUCCEEDED, **more: Any) -> None:
    """Everything that is ready is looked at, sent and comes to this state."""
    desk.clock.pass_time(1)
    for row in await desk.rows(state=State.READY):
        await desk.edit(row["id"], verified_at=desk.clock.now())
    for call in await desk.claim():
        await desk.settle(call, state, **more)


async def undone(desk: Desk, one: str) -> str:
    """The id of the undo of an action, carried out."""
    (planned,) = (await undo(desk, one)).planned
    await carry_out(desk)
    return planned.id


async def refusal(desk: Desk, *ids: str, **more: Any) -> str:
    """Why nothing was planned."""
    result = await undo(desk, *ids, **more)
    ((_, why),) = result.refused
    assert (result.planned, result.plan_id) == ([], None)
    return why


async def test_a_move_is_undone_by_a_move_back(desk: Desk) -> None:
    """A new action of a new plan, with its cause, looked at before it is sent, and the folder honestly assumed."""
    one = await moved(desk)
    result = await undo(desk, one)
    (planned,) = result.planned
    assert (planned.undoes, planned.came_from, planned.back.folder) == (one, "JunkEmail", "Inbox")
    assert not planned.back.known
    assert "assumed" in planned.back.why
    first, second = await desk.rows()
    assert (second["id"], second["cause"], second["state"]) == (planned.id, one, "ready")
    assert (second["target"], second["params"]) == ("Inbox", '{"destination":"Inbox"}')
    assert (second["plan_id"], second["playbook"], second["verified_at"]) == (result.plan_id, "undo", None)
    assert second["plan_id"] != first["plan_id"]
    assert second["message_id"] == first["message_id"]


async def test_the_log_has_the_undo_with_both_actions(desk: Desk) -> None:
    """Who wanted it, of what, and where to."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one)).planned
    (record,) = await desk.audit("undo")
    assert (record["action_id"], '"by":"ann"' in record["body"]) == (planned.id, True)
    assert f'"undoes":"{one}"' in record["body"]
    (other,) = await desk.audit("undo_planned")
    assert (other["action_id"], f'"undo":"{planned.id}"' in other["body"]) == (one, True)
    assert len(await desk.audit("plan")) == 2
    assert await desk.intact()


async def test_it_goes_back_to_where_the_worker_had_put_it(desk: Desk) -> None:
    """The ledger knows the folder of the move before."""
    one = await moved(desk, to="JunkEmail")
    two = await moved(desk, to="DeletedItems", final_disposition="SPAM")
    (planned,) = (await undo(desk, two)).planned
    assert (planned.back.folder, planned.back.known) == ("JunkEmail", True)
    assert one in planned.back.why


async def test_it_goes_back_to_where_the_look_had_seen_it(desk: Desk) -> None:
    """What the vendor's log told before acting was kept."""
    await desk.take_in(junk(), read_at=None)
    one = (await desk.row())["id"]
    look = Look(one, State.READY, origin="DeletedItems")
    await desk.ledger.apply_looks(86400.0, [look])
    await carry_out(desk)
    (planned,) = (await undo(desk, one)).planned
    assert (planned.back.folder, planned.back.known) == ("DeletedItems", True)


async def test_a_folder_that_the_api_cannot_move_to_is_said(desk: Desk) -> None:
    """Somebody's own folder: the Inbox is the nearest, and not where it was."""
    one = await moved(desk)
    await desk.edit(one, origin="Projects/2026")
    (planned,) = (await undo(desk, one)).planned
    assert (planned.back.folder, planned.back.known) == ("Inbox", False)
    assert "Projects/2026" in planned.back.why


async def test_a_person_may_name_the_folder(desk: Desk) -> None:
    """They may know what the vendor does not tell."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one, to="DeletedItems")).planned
    assert (planned.back.folder, planned.back.known) == ("DeletedItems", True)


async def test_a_move_to_the_inbox_needs_to_be_told_where_back_is(desk: Desk) -> None:
    """Where it was before is not known, and a move to where it is undoes nothing."""
    one = await moved(desk, to="Inbox")
    assert "--to" in await refusal(desk, one)
    assert len((await undo(desk, one, to="JunkEmail")).planned) == 1


@pytest.mark.parametrize("state", [State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN, State.SUCCEEDED])
async def test_to_undo_twice_plans_nothing_new(desk: Desk, state: State) -> None:
    """The first undo stands, and is named; to another folder too."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one)).planned
    await desk.edit(planned.id, state=state, submitted_at=NOW + 9)
    for to in (None, "DeletedItems"):
        again = await undo(desk, one, to=to)
        assert again == Undone(None, [], [(one, planned.id, state)], [], 0, [])
    assert len(await desk.rows()) == 2


@pytest.mark.parametrize("state", [State.FAILED, State.DEAD, State.EXPIRED, State.SKIPPED, State.SHADOWED])
async def test_an_undo_that_came_to_nothing_can_be_wanted_again(desk: Desk, state: State) -> None:
    """It changed nothing, so it bars nothing."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one)).planned
    await desk.edit(planned.id, state=state, error="refused for every recipient")
    assert len((await undo(desk, one)).planned) == 1


async def test_an_undo_that_was_rejected_does_not_come_back(desk: Desk) -> None:
    """A person said no, like to any action."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one)).planned
    await desk.run(reviews.reject, ACCOUNT, [planned.id], "bob", NOW)
    assert "rejected by a person" in await refusal(desk, one)


async def test_what_was_rejected_in_doubt_may_have_changed_something(desk: Desk) -> None:
    """The worker has looked in vain, and a person told it to look no more: it cannot say that nothing was done."""
    one = await moved(desk)
    await desk.edit(one, state=State.UNKNOWN)
    await desk.run(reviews.reject, ACCOUNT, [one], "bob", NOW)
    assert (await desk.row())["error"] == "rejected by a person while its effect was unknown"
    assert "not known when it was rejected" in await refusal(desk, one)
    detail = await desk.run(queries.action_detail, ACCOUNT, one)
    assert "not known when it was rejected" in (detail or {})["undo"]["why"]


@pytest.mark.parametrize("state", NO_EFFECT)
async def test_what_changed_nothing_cannot_be_undone(desk: Desk, state: State) -> None:
    """Nothing was done, so nothing is to be undone."""
    one = await moved(desk)
    await desk.edit(one, state=state)
    assert (await refusal(desk, one)).startswith(("is ", "no such"))


@pytest.mark.parametrize(
    "state, remedy",
    [
        (State.HELD, "reject"),
        (State.READY, "reject"),
        (State.SUBMITTED, "once it is settled"),
        (State.UNKNOWN, "once it is settled"),
        (State.FAILED, "changed nothing"),
    ],
)
async def test_what_is_not_done_yet_says_what_to_do_instead(desk: Desk, state: State, remedy: str) -> None:
    """Drop it, or wait until it is known whether it took effect."""
    one = await moved(desk)
    await desk.edit(one, state=state, error="refused for every recipient")
    assert remedy in await refusal(desk, one)


async def test_an_unknown_id_is_refused_by_name(desk: Desk) -> None:
    """As is one of another account."""
    one = await moved(desk)
    assert "no such action" in await refusal(desk, "nonsense")
    result = await desk.run(
        plan_undo, "f" * 32, Wanted((one,)), Order("ann", None, ENFORCE, 250), NOW, dry=False
    )
    assert (len(result.refused), result.planned) == (1, [])


@pytest.mark.parametrize(
    "action, word",
    [
        (Release(detection()), "delivered"),
        (Reclassify(detection(), to="SPAM"), "verdict"),
        (Move(detection(), to=PURGE), "purged"),
    ],
)
async def test_what_cannot_be_undone_is_said_before_and_after(desk: Desk, action: Action, word: str) -> None:
    """By `actions show` while it is held, by the approval, by `undo`, and by `actions show` when it is done."""
    await desk.take_in(decided(detection(), action))
    one = (await desk.row())["id"]
    await desk.edit(one, state=State.HELD)

    async def shown() -> dict[str, Any]:
        detail = await desk.run(queries.action_detail, ACCOUNT, one)
        assert detail is not None
        return dict(detail["undo"])

    before = await shown()
    assert (before["possible"], word in before["why"]) == (False, True)
    review = await desk.run(reviews.approve, ACCOUNT, [one], "ann", NOW)
    assert "cannot be undone" in review.verdicts[0].message
    await carry_out(desk)
    assert (await desk.row())["state"] == State.SUCCEEDED
    assert await shown() == before
    assert word in await refusal(desk, one)


async def test_a_move_for_some_recipients_only_can_be_undone(desk: Desk) -> None:
    """It failed and yet had an effect; the move back goes to every mailbox, as moves do."""
    await desk.bring(State.FAILED, junk())
    one = (await desk.row())["id"]
    await desk.edit(one, error=PARTLY)
    (planned,) = (await undo(desk, one)).planned
    assert (planned.back.folder, planned.state) == ("Inbox", "ready")


async def test_an_undo_for_some_recipients_only_is_not_planned_beside_itself(desk: Desk) -> None:
    """It is named, with its state: a person tries it again, or not."""
    one = await moved(desk)
    (planned,) = (await undo(desk, one)).planned
    await carry_out(desk, State.FAILED, error=PARTLY)
    assert (await undo(desk, one)).already == [(one, planned.id, State.FAILED)]


async def test_only_the_last_move_of_a_message_can_be_undone(desk: Desk) -> None:
    """Then the one before it, and so on: the message goes back the way it came."""
    one = await moved(desk, to="JunkEmail")
    two = await moved(desk, to="DeletedItems", final_disposition="SPAM")
    assert f"{two} moved the message on to DeletedItems" in await refusal(desk, one)
    assert (await desk.row(cause="", target="DeletedItems"))["id"] == two
    await undone(desk, two)
    (planned,) = (await undo(desk, one)).planned
    assert planned.back.folder == "Inbox"


async def test_an_undo_can_be_undone(desk: Desk) -> None:
    """It is a move like any other: to where the message was before it."""
    one = await moved(desk)
    back = await undone(desk, one)
    (planned,) = (await undo(desk, back)).planned
    assert (planned.undoes, planned.back.folder, planned.back.known) == (back, "JunkEmail", True)
    await carry_out(desk)
    assert (await undo(desk, one)).already == [(one, back, State.SUCCEEDED)]


async def test_what_undid_it_and_what_it_undoes_is_shown(desk: Desk) -> None:
    """From either side."""
    one = await moved(desk)
    detail = await desk.run(queries.action_detail, ACCOUNT, one)
    assert detail is not None
    assert (detail["undo"]["possible"], detail["undo"]["to"], detail["undone_by"]) == (True, "Inbox", None)
    back = await undone(desk, one)
    detail = await desk.run(queries.action_detail, ACCOUNT, one)
    assert detail is not None
    assert detail["undone_by"] == {"id": back, "state": "succeeded"}
    assert not detail["undo"]["possible"]
    assert "undo_planned" in [step["kind"] for step in detail["history"]]
    detail = await desk.run(queries.action_detail, ACCOUNT, back)
    assert detail is not None
    assert (detail["undoes"], detail["evidence"]["subject"]) == (one, None)


async def test_a_dry_run_tells_the_same_and_leaves_nothing(desk: Desk) -> None:
    """Not a row, not a record, not a number of the caps."""
    ids = [await moved(desk, name) for name in ("m1", "m2")]
    records = await desk.audit()
    tight = Ceilings(Mode.ENFORCE, 1)
    dry = await undo(desk, *ids, dry=True, ceilings=tight)
    assert [one.state for one in dry.planned] == ["held", "held"]
    assert (await desk.audit(), len(await desk.rows())) == (records, 2)
    real = await undo(desk, *ids, ceilings=tight)
    assert [one._replace(id="") for one in real.planned] == [one._replace(id="") for one in dry.planned]


async def test_a_plan_over_a_cap_is_held_whole(desk: Desk) -> None:
    """The operator's caps count for a person too; an approval lifts them."""
    ids = [await moved(desk, f"m{n}") for n in range(3)]
    result = await undo(desk, *ids, ceilings=Ceilings(Mode.ENFORCE, 2))
    assert {(one.state, one.why) for one in result.planned} == {
        ("held", "cap per poll: 3 actions, 2 allowed")
    }
    held = await desk.run(reviews.held_of_plan, ACCOUNT, str(result.plan_id))
    await desk.run(reviews.approve, ACCOUNT, held, "ann", NOW)
    assert {row["state"] for row in await desk.rows(playbook="undo")} == {"ready"}


async def test_the_hourly_cap_of_all_counts_undos(desk: Desk) -> None:
    """A mistake of thousands is not undone at a stroke either, unless a person says so."""
    ids = [await moved(desk, f"m{n}") for n in range(2)]
    result = await undo(desk, *ids, ceilings=Ceilings(Mode.ENFORCE, 1000, 3))
    assert {one.state for one in result.planned} == {"held"}
    assert {one.why for one in result.planned} == {"cap per hour of all playbooks: 2 + 2 actions, 3 allowed"}


async def test_a_playbooks_used_up_cap_does_not_hold_its_undo(desk: Desk) -> None:
    """It bounds what the playbook does, not the person who corrects it; nor does the undo use it up."""
    votes = vote(per_hour=2)
    await desk.bring(State.SUCCEEDED, junk("m1", votes), junk("m2", votes))
    result = await undo(desk, *[row["id"] for row in await desk.rows()])
    assert [one.state for one in result.planned] == ["ready", "ready"]
    desk.clock.pass_time(3661)
    await undo(desk, *[row["id"] for row in await desk.rows(playbook="undo")])
    assert (await desk.take_in(junk("m3", votes), junk("m4", votes))).plans[0].held_because is None


@pytest.mark.parametrize(
    "mode, state", [(Mode.ENFORCE, "ready"), (Mode.APPROVE, "held"), (Mode.SHADOW, "shadowed")]
)
async def test_an_undo_goes_as_far_as_the_mode(desk: Desk, mode: Mode, state: str) -> None:
    """Under approve a person confirms it, under shadow it is recorded and can be wanted again."""
    one = await moved(desk)
    assert [planned.state for planned in (await undo(desk, one, ceilings=Ceilings(mode))).planned] == [state]
    assert len((await undo(desk, one)).planned) == (1 if mode is Mode.SHADOW else 0)


async def test_a_plan_is_undone_as_far_as_it_was_done(desk: Desk) -> None:
    """What had no effect is passed over; what is not sent yet is counted, for a person to drop."""
    closed = await desk.take_in(*(junk(f"m{n}") for n in range(4)))
    await moved(desk, "other", to="DeletedItems")
    ids = [(await desk.row(f"m{n}"))["id"] for n in range(4)]
    for one, state in zip(ids, (State.SUCCEEDED, State.SKIPPED, State.READY, State.UNKNOWN), strict=True):
        await desk.edit(one, state=state, submitted_at=NOW)
    result = await undo(desk, plan_id=closed.plans[0].plan_id)
    assert [one.undoes for one in result.planned] == [ids[0]]
    assert [one for one, _ in result.refused] == [ids[3]]
    assert result.unsent == 1


@pytest.mark.parametrize("dry", [False, True])
async def test_a_campaign_is_over_also_where_nothing_has_moved_yet(desk: Desk, dry: bool) -> None:
    """What is only searched for has nothing to take back; its late siblings would go on being moved for days."""
    seed = detection(edf_hash="4a1f" * 16)
    await desk.want(Sweep(seed, then=Move(seed, to="JunkEmail")))
    (searching,) = (await desk.ledger.campaigns(86400.0)).open
    assert await undo(desk, searching.id, dry=dry) == Undone(None, [], [], [], 0, [searching.id])
    still = (await desk.ledger.campaigns(86400.0)).open
    assert [one.id for one in still] == ([searching.id] if dry else [])
    assert (await desk.row())["state"] == (State.READY if dry else State.SKIPPED)
    assert (await undo(desk, searching.id)).stopped == ([searching.id] if dry else [])


@pytest.mark.parametrize(
    "since, until, found",
    [(0, None, {"m1", "m2", "m3"}), (10, None, {"m2", "m3"}), (10, 20, {"m2"}), (20, 20, set())],
)
async def test_a_playbook_is_undone_over_a_stretch_of_time(
    desk: Desk, since: float, until: float | None, found: set[str]
) -> None:
    """By when it acted: from the first moment on, up to but without the last; of agreeing playbooks too."""
    for name in ("m1", "m2", "m3"):
        await desk.bring(State.SUCCEEDED, junk(name, vote("also"), vote("junk")))
        desk.clock.pass_time(10)
    await desk.bring(State.SUCCEEDED, junk("m4", vote("innocent"), to="DeletedItems"))
    times: dict[str, Any] = {"since": NOW + since, "until": None if until is None else NOW + until}
    result = await undo(desk, playbook="junk", **times)
    assert {one.message_id for one in result.planned} == found


async def test_what_was_undone_is_not_done_again(desk: Desk) -> None:
    """Not by the next poll, which has seen it, and not under another verdict: the same action still stands."""
    one = await moved(desk)
    await undone(desk, one)
    await desk.take_in(junk())
    await desk.take_in(junk(final_disposition="SPAM"))
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="JunkEmail")))
    assert await desk.states() == {"m1": ["succeeded", "succeeded"]}
    assert len(await desk.audit("joined")) == 2


@pytest.mark.parametrize("carried_out", [False, True])
async def test_a_playbook_does_not_work_against_an_undo(desk: Desk, carried_out: bool) -> None:
    """A person has decided about this message: another wish for it is held, and the undo is not."""
    one = await moved(desk)
    if carried_out:
        await undone(desk, one)
    else:
        await undo(desk, one)
    await desk.take_in(junk(to="DeletedItems", final_disposition="SPAM"))
    undo_row, wish = (await desk.rows())[-2:]
    assert (undo_row["cause"], undo_row["state"]) == (one, "succeeded" if carried_out else "ready")
    assert (wish["state"], wish["error"]) == ("held", f"a person has it put back to Inbox ({undo_row['id']})")


async def test_a_trial_taken_up_does_not_work_against_an_undo(desk: Desk) -> None:
    """Another playbook, promoted after a person put the message back, has to ask."""
    one = await moved(desk)
    await undone(desk, one)
    await desk.take_in(decided(report(message=detection()), Move(detection(), to="DeletedItems")))
    assert (await desk.rows())[-1]["state"] == "held"


async def test_an_undo_holds_what_contradicts_it(desk: Desk) -> None:
    """A playbook's wish that has not been sent yet waits for a person; the undo goes."""
    one = await moved(desk)
    await desk.take_in(junk(to="DeletedItems", final_disposition="SPAM"))
    (planned,) = (await undo(desk, one)).planned
    states = {row["target"]: (row["state"], row["error"]) for row in await desk.rows()}
    assert states["Inbox"] == ("ready", None)
    assert states["DeletedItems"] == ("held", f"a person has it put back to Inbox ({planned.id})")


async def test_a_changed_verdict_does_not_replace_an_undo(desk: Desk) -> None:
    """It was not wanted because of the verdict."""
    one = await moved(desk)
    await undo(desk, one)
    await desk.take_in(decided(detection(final_disposition="NONE")))
    assert [row["state"] for row in await desk.rows(playbook="undo")] == ["ready"]
