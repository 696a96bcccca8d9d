from __future__ import annotations

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection

from tests.builders import ACCOUNT, APPROVING, ENFORCE, NOW, decided, detection, junk, vote
from tests.desk import Desk, messages
from worker.errors import StoreError
from worker.model.actions import Mode, Move, Reclassify, Release, State, Submit
from worker.model.calls import Answered, Outcome
from worker.model.ledger import BulkLane, Claimed, Limits, Look, Pause
from worker.model.plans import Ceilings
from worker.model.sweeps import Sweep
from worker.model.telling import Notify
from worker.store import budget, flags
from worker.store.calls import claims
from worker.store.plans import caps
from worker.store.tools import from_json
from worker.store.views import queries

LIMITS = Limits(ENFORCE, 600, 120.0)


async def test_a_claim_is_intent_before_anything_is_sent(desk: Desk) -> None:
    """State, call id, lease and the log's intent are written before the caller sees the call."""
    await desk.take_in(junk("m1"), junk("m2"))
    (call,) = await desk.claim()
    assert (call.kind, call.target, sorted(messages(call))) == ("move", "JunkEmail", ["m1", "m2"])
    assert (call.submitted_at, call.lease_until) == (NOW, NOW + 120)
    rows = await desk.rows()
    assert {(row["state"], row["call_id"], row["attempts"]) for row in rows} == {("submitted", call.id, 1)}
    (intent,) = await desk.audit("intent")
    assert intent["call_id"] == call.id
    assert all(f'"{name}"' in intent["body"] for name in ("m1", "m2", "JunkEmail"))


async def test_nothing_is_claimed_twice(desk: Desk) -> None:
    """What is submitted is nobody else's any more."""
    await desk.take_in(junk())
    assert len(await desk.claim()) == 1
    assert await desk.claim() == []


async def test_claims_at_the_same_moment_share_nothing(desk: Desk) -> None:
    """However many ask at once, each action is in one call."""
    await desk.take_in(*(junk(f"m{n}") for n in range(20)))
    claimed = await asyncio.gather(*(desk.claim(most=3, calls=1) for _ in range(9)))
    named = [name for calls in claimed for call in calls for name in messages(call)]
    assert sorted(named) == sorted({f"m{n}" for n in range(20)})


async def test_a_call_has_one_kind_and_one_target(desk: Desk) -> None:
    """What differs in kind or target has a lane of its own."""
    await desk.want(
        Move(detection("m1"), to="JunkEmail"),
        Move(detection("m2"), to="DeletedItems"),
        Release(detection("m3", is_quarantined=True)),
        Reclassify(detection("m4"), to="SPAM"),
    )
    assert {(call.kind, call.target): messages(call) for call in await desk.claim()} == {
        ("move", "JunkEmail"): ["m1"],
        ("move", "DeletedItems"): ["m2"],
        ("release", ""): ["m3"],
        ("reclassify", "SPAM"): ["m4"],
    }


async def test_a_call_holds_no_more_than_the_kind_allows(desk: Desk) -> None:
    """The rest goes with the next call."""
    await desk.take_in(*(junk(f"m{n}") for n in range(5)))
    assert [len(call.items) for call in await desk.claim(most=2, calls=10)] == [2, 2, 1]


async def test_only_so_many_calls_are_claimed_at_once(desk: Desk) -> None:
    """Each claimed call must be sent at once, so no more than can be in flight."""
    await desk.take_in(*(junk(f"m{n}") for n in range(5)))
    assert len(await desk.claim(most=1, calls=2)) == 2


async def test_no_two_messages_of_one_message_id_share_a_call(desk: Desk) -> None:
    """The answer names a message by its Message-ID: two of the same could not be told apart."""
    same = "<same@mail.example>"
    await desk.take_in(*(junk(f"m{n}", message_id=same) for n in range(3)), junk("other"))
    for call in await desk.claim():
        names = [item.rfc_message_id for item in call.items]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("other", ["same@mail.example", " <same@mail.example> "])
async def test_spellings_of_one_message_id_count_as_the_same(desk: Desk, other: str) -> None:
    """Brackets and spaces are not told apart when the answer is read, so they must not be here."""
    await desk.take_in(junk("m1", message_id="<same@mail.example>"), junk("m2", message_id=other))
    assert all(len(call.items) == 1 for call in await desk.claim())


@pytest.mark.parametrize("unknown", [None, "", " ", "<>"])
async def test_a_message_without_message_id_goes_alone(desk: Desk, unknown: str | None) -> None:
    """Only then is an answer without names about it."""
    await desk.take_in(junk("m1"), junk("m2", message_id=unknown), junk("m3"), junk("m4", message_id=unknown))
    alone = {"m2", "m4"}
    for call in await desk.claim():
        assert len(call.items) == 1 or not alone & set(messages(call))


async def test_everything_that_is_due_is_claimed_in_the_end(desk: Desk) -> None:
    """Whatever cannot share a call goes with a later one."""
    names = [None, "<a@x>", "<a@x>", "<b@x>", None, "<a@x>", "<b@x>", ""]
    await desk.take_in(*(junk(f"m{n}", message_id=name) for n, name in enumerate(names)))
    claimed: list[str] = []
    while calls := await desk.claim(most=2, calls=1):
        claimed += [name for call in calls for name in messages(call)]
    assert sorted(claimed) == [f"m{n}" for n in range(len(names))]


async def test_a_split_action_takes_no_more_beside_it_than_its_batch(desk: Desk) -> None:
    """After a refusal the halves go in calls of their own size."""
    await desk.take_in(*(junk(f"m{n}") for n in range(5)))
    (call,) = await desk.claim()
    await desk.settle(call, State.READY, due_in=0.0, batch=2)
    assert [len(one.items) for one in await desk.claim()] == [2, 2, 1]


async def test_the_budget_is_taken_in_the_transaction_of_the_claim(desk: Desk) -> None:
    """One request for each call; a claim that fails has taken nothing."""
    await desk.take_in(junk("m1"), junk("m2"))
    lane = (await desk.ledger.lanes(Mode.ENFORCE))[0]

    def claim_then_fail(conn: Connection) -> None:
        claims.claim(conn, ACCOUNT, lane, NOW, LIMITS, most=1, calls=2)
        assert budget.used(conn, ACCOUNT, NOW) == 2
        raise StoreError("the power went")

    with pytest.raises(StoreError):
        await desk.run(claim_then_fail)
    assert await desk.run(budget.used, ACCOUNT, NOW) == 0
    assert {row["state"] for row in await desk.rows()} == {"ready"}
    assert len(await desk.claim(most=1)) == 2
    assert await desk.run(budget.used, ACCOUNT, NOW) == 2


async def test_a_notification_uses_no_request(desk: Desk) -> None:
    """It is not the vendor who is asked: an empty budget does not hold it up."""
    await desk.want(Notify(detection(), text="hello"))
    assert len(await desk.claim(budget=0)) == 1
    assert await desk.run(budget.used, ACCOUNT, NOW) == 0
    assert await desk.run(caps.usage, ACCOUNT, NOW) == ({}, 0)
    assert await desk.run(partial(caps.usage, apart=True), ACCOUNT, NOW) == ({"junk": 1}, 1)


async def test_submissions_of_one_way_share_a_call(desk: Desk) -> None:
    """Whatever verdict is asked for: the log says of each what was asked; another way is another call."""
    caught = [detection(f"a{n}", alert_id=f"alert-a{n}") for n in range(3)]
    await desk.want(
        *(Submit(one, to="SPAM") for one in caught[:2]),
        Submit(caught[2], to="NONE"),
        Submit(detection("b"), to="MALICIOUS"),
    )
    calls = await desk.claim()
    assert sorted(sorted(messages(call)) for call in calls) == [["a0", "a1", "a2"], ["b"]]
    assert sorted(call.target for call in calls) == ["", "MALICIOUS"]
    bodies = [from_json(record["body"]) for record in await desk.audit("intent")]
    told = {one["params"]["expected_disposition"] for body in bodies for one in body["each"].values()}
    assert told == {"SPAM", "NONE", "MALICIOUS"}
    shown = await desk.run(queries.action_detail, ACCOUNT, (await desk.row("a2"))["id"])
    (intent,) = [one["body"] for one in (shown or {})["history"] if one["kind"] == "intent"]
    assert (intent["params"]["alert_id"], intent["target"], "each" in intent) == ("alert-a2", "NONE", False)


async def test_no_more_calls_than_the_budget_grants(desk: Desk) -> None:
    """What is not granted stays ready, and the caller learns how long."""
    await desk.take_in(*(junk(f"m{n}") for n in range(3)))
    assert len(await desk.claim(most=1, budget=2)) == 2
    lane = (await desk.ledger.lanes(Mode.ENFORCE))[0]
    claimed = await desk.ledger.claim(lane, Limits(ENFORCE, 2, 120.0), most=1, calls=1)
    assert (claimed.calls, claimed.wait) == ([], 306.0)
    desk.clock.pass_time(claimed.wait)
    await desk.ledger.apply_looks(
        1.0, [Look(row["id"], State.READY) for row in await desk.rows(state="ready")]
    )
    assert len(await desk.claim(most=1, budget=2)) == 1


async def test_a_pause_stops_every_claim(desk: Desk) -> None:
    """It is read in the claim's own transaction; what was claimed before goes on."""
    await desk.take_in(junk())
    lane = (await desk.ledger.lanes(Mode.ENFORCE))[0]
    await desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
    assert await desk.ledger.lanes(Mode.ENFORCE) == []
    assert await desk.ledger.unverified(lane, ENFORCE, 10) == []
    assert await desk.ledger.claim(lane, LIMITS, most=10, calls=1) == Claimed([], 0.0)
    assert await desk.run(flags.resume, ACCOUNT, "ann", NOW)
    assert len(await desk.claim()) == 1


@pytest.mark.parametrize("mode, claimed", [(Mode.SHADOW, 0), (Mode.APPROVE, 1), (Mode.ENFORCE, 2)])
async def test_the_ceiling_bounds_what_is_claimed(desk: Desk, mode: Mode, claimed: int) -> None:
    """Under approve only what a person approved goes out, under shadow nothing at all."""
    await desk.take_in(junk("m1"), junk("m2", to="DeletedItems"))
    await desk.approve("m1")
    assert len(await desk.claim(mode=mode)) == claimed
    lane = BulkLane("move:JunkEmail", "move", "JunkEmail", 1, NOW)
    if mode is Mode.SHADOW:
        limits = Limits(Ceilings(mode), 600, 120.0)
        assert await desk.ledger.claim(lane, limits, most=10, calls=1) == Claimed([], 0.0)


@pytest.mark.parametrize("seconds, claimable", [(60, True), (61, False)])
async def test_a_message_seen_too_long_ago_is_not_claimed(
    desk: Desk, seconds: float, claimable: bool
) -> None:
    """Sixty seconds after it was read it has to be looked at first."""
    await desk.take_in(junk())
    desk.clock.pass_time(seconds)
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    assert (len(await desk.ledger.unverified(lane, ENFORCE, 10)) == 0) is claimable
    assert bool(await desk.claim()) is claimable


async def test_a_message_never_seen_is_not_claimed(desk: Desk) -> None:
    """An event decided again comes from old evidence."""
    await desk.take_in(junk(), read_at=None)
    assert await desk.claim() == []
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    (item,) = await desk.ledger.unverified(lane, ENFORCE, 10)
    assert (item.message_id, item.verdict, item.recipients) == ("m1", "MALICIOUS", ("ann@corp.example",))


async def test_what_has_no_time_of_its_own_is_looked_at_first(desk: Desk) -> None:
    """Engines differ in where they put nothing."""
    await desk.take_in(junk("m1"), junk("m2"), read_at=None)
    await desk.edit((await desk.row("m2"))["id"], message_from=None)
    (lane,) = await desk.ledger.lanes(Mode.ENFORCE)
    assert [one.message_id for one in await desk.ledger.unverified(lane, ENFORCE, 10)] == ["m2", "m1"]


async def test_what_falls_due_at_the_same_time_is_read_back_in_the_order_of_its_ids(desk: Desk) -> None:
    """Not in that of a table or an index, which each engine has its own way of reading."""
    rows = await desk.bring(State.UNKNOWN, junk("m1"), junk("m2", to="DeletedItems"), due_in=30.0)
    desk.clock.pass_time(30)
    due = await desk.ledger.due_read_backs(10)
    assert [one.action_id for one in due] == sorted(row["id"] for row in rows)


async def test_what_is_not_due_yet_has_to_wait(desk: Desk) -> None:
    """A refused call is tried again at its time."""
    await desk.take_in(junk())
    (call,) = await desk.claim()
    await desk.settle(call, State.READY, due_in=30.0)
    desk.clock.pass_time(29)
    assert await desk.ledger.lanes(Mode.ENFORCE) == []
    assert await desk.claim() == []
    desk.clock.pass_time(1)
    assert len(await desk.claim()) == 1


async def test_the_longest_waiting_lane_comes_first(desk: Desk) -> None:
    """With how much waits in it."""
    await desk.take_in(junk("m1", to="DeletedItems"))
    desk.clock.pass_time(5)
    await desk.take_in(junk("m2"), junk("m3"))
    lanes = await desk.ledger.lanes(Mode.ENFORCE)
    assert [(lane.target, lane.waiting, lane.oldest) for lane in lanes] == [
        ("DeletedItems", 1, NOW),
        ("JunkEmail", 2, NOW + 5),
    ]


async def test_settling_writes_each_outcome_and_one_record(desk: Desk) -> None:
    """States, errors and dates of the actions, and the answer in the log."""
    await desk.take_in(junk("m1"), junk("m2"), junk("m3"))
    (call,) = await desk.claim()
    one, two, three = (row["id"] for row in await desk.rows())
    outcomes = (
        Outcome(one, State.SUCCEEDED),
        Outcome(two, State.FAILED, "refused for every recipient"),
        Outcome(three, State.UNKNOWN, "the answer does not name this message", 30.0),
    )
    answered = Answered(outcomes, "call.answered", 200, "ray-1")
    assert await desk.ledger.settle(call, answered) == 3
    assert [(row["state"], row["error"], row["due_at"]) for row in await desk.rows()] == [
        ("succeeded", None, None),
        ("failed", "refused for every recipient", None),
        ("unknown", "the answer does not name this message", NOW + 30),
    ]
    (record,) = await desk.audit("outcome")
    assert record["call_id"] == call.id
    assert '"ray":"ray-1"' in record["body"]


async def test_a_stale_call_settles_nothing(desk: Desk) -> None:
    """The call id is the fence: whoever lost an action to another call cannot write its state."""
    await desk.take_in(junk())
    (stale,) = await desk.claim()
    await desk.settle(stale, State.READY, due_in=0.0)
    (fresh,) = await desk.claim()
    assert await desk.settle(stale, State.FAILED) == 0
    assert (await desk.row())["state"] == State.SUBMITTED
    assert await desk.settle(fresh, State.SUCCEEDED) == 1
    assert [record["call_id"] for record in await desk.audit("outcome")] == [stale.id, stale.id, fresh.id]


async def test_an_answer_after_recovery_settles_nothing(desk: Desk) -> None:
    """An orphaned action belongs to its read-back."""
    await desk.take_in(junk())
    (call,) = await desk.claim()
    await desk.ledger.recover(30.0)
    assert await desk.settle(call, State.SUCCEEDED) == 0
    assert (await desk.row())["state"] == State.UNKNOWN


async def test_a_call_that_was_not_accepted_is_no_attempt(desk: Desk) -> None:
    """What gives up after so many sends must not count refusals."""
    await desk.take_in(junk())
    for _ in range(7):
        (call,) = await desk.claim()
        await desk.settle(call, State.READY, due_in=0.0)
    row = await desk.row()
    assert (row["attempts"], row["refusals"]) == (0, 7)


async def test_recovery_marks_orphans_unknown(desk: Desk) -> None:
    """They are read back one delay after their submission, not after the restart; nothing else changes."""
    await desk.take_in(junk("m1"), junk("m2"))
    (call,) = await desk.claim(most=1, calls=1)
    (claimed,) = messages(call)
    desk.clock.pass_time(10)
    assert await desk.ledger.recover(30.0) == [call.items[0].action_id]
    row, other = sorted(await desk.rows(), key=lambda one: one["message_id"] != claimed)
    assert (row["state"], row["due_at"]) == ("unknown", NOW + 30)
    assert other["state"] == State.READY
    (record,) = await desk.audit("orphaned")
    assert record["call_id"] == call.id
    assert await desk.ledger.recover(30.0) == []


async def test_an_unknown_action_is_read_back_when_it_is_due(desk: Desk) -> None:
    """Not before the vendor's log can show it, and not at all once it is parked."""
    await desk.bring(State.UNKNOWN, junk("m1"), due_in=30.0)
    assert await desk.ledger.due_read_backs(10) == []
    desk.clock.pass_time(30)
    (item,) = await desk.ledger.due_read_backs(10)
    assert (item.message_id, item.attempts, item.submitted_at) == ("m1", 1, NOW)
    assert [one for one, _ in await desk.ledger.coming_read_backs()] == [item.action_id]
    await desk.ledger.settle_read_back(Outcome(item.action_id, State.UNKNOWN, "parked"), counted=True)
    assert await desk.ledger.due_read_backs(10) == []
    assert await desk.ledger.coming_read_backs() == []


async def test_a_read_back_changes_only_what_is_still_unknown(desk: Desk) -> None:
    """A person may have decided in the meantime; then it is not in the log either."""
    (row,) = await desk.bring(State.UNKNOWN, junk(), due_in=0.0)
    await desk.edit(row["id"], state=State.REJECTED)
    assert not await desk.ledger.settle_read_back(Outcome(row["id"], State.READY, None, 0.0), counted=True)
    assert (await desk.row())["state"] == State.REJECTED
    assert await desk.audit("read_back") == []


async def test_an_action_read_back_without_effect_is_looked_at_before_it_is_sent(desk: Desk) -> None:
    """A read-back proves nothing about the message now."""
    (row,) = await desk.bring(State.UNKNOWN, junk(), due_in=0.0)
    await desk.ledger.settle_read_back(Outcome(row["id"], State.READY, None, 0.0), counted=True)
    assert (await desk.row())["verified_at"] is None
    assert await desk.claim() == []


async def test_a_new_call_begins_its_read_backs_anew(desk: Desk) -> None:
    """The proofs against one call say nothing of the next."""
    (row,) = await desk.bring(State.UNKNOWN, junk(), due_in=0.0)
    await desk.ledger.settle_read_back(Outcome(row["id"], State.READY, None, 0.0), counted=True)
    assert (await desk.row())["read_backs"] == 1
    await desk.ledger.apply_looks(1.0, [Look(row["id"], State.READY)])
    assert len(await desk.claim()) == 1
    assert (await desk.row())["read_backs"] == 0


@pytest.mark.parametrize("state", [State.SKIPPED, State.HELD, State.READY])
async def test_a_look_decides_what_is_ready(desk: Desk, state: State) -> None:
    """On to the call, off the list, or to a person, with the reason."""
    await desk.take_in(junk(), read_at=None)
    (row,) = await desk.rows()
    assert await desk.ledger.apply_looks(3600.0, [Look(row["id"], state, "why")]) == 1
    after = await desk.row()
    assert (after["state"], after["error"]) == (state, "why")
    assert after["held_until"] == (NOW + 3600 if state is State.HELD else None)
    assert bool(await desk.claim()) is (state is State.READY)


async def test_a_look_that_comes_too_late_changes_nothing(desk: Desk) -> None:
    """What a person rejected meanwhile stays so, and the log says only what happened."""
    await desk.take_in(junk(), read_at=None)
    (row,) = await desk.rows()
    await desk.edit(row["id"], state=State.REJECTED)
    assert await desk.ledger.apply_looks(1.0, [Look(row["id"], State.SKIPPED, "already there")]) == 0
    assert (await desk.row())["state"] == State.REJECTED
    assert await desk.audit("skipped") == []


async def test_our_moves_are_those_that_took_effect(desk: Desk) -> None:
    """By which the worker tells its own hand from another's."""
    assert await desk.ledger.our_moves("m1") == []
    await desk.bring(State.SUCCEEDED, junk("m1", to="JunkEmail"))
    desk.clock.pass_time(10)
    await desk.bring(State.SUCCEEDED, junk("m1", to="DeletedItems", final_disposition="SPAM"))
    ours = await desk.ledger.our_moves("m1")
    assert [(one.folder, one.at, one.age) for one in ours] == [
        ("JunkEmail", NOW, 10.0),
        ("DeletedItems", NOW + 10, 0.0),
    ]


@pytest.mark.parametrize("mode, ready", [(Mode.ENFORCE, 2), (Mode.APPROVE, 1), (Mode.SHADOW, 0)])
async def test_what_is_left_is_what_may_still_be_sent(desk: Desk, mode: Mode, ready: int) -> None:
    """And when the next of it falls due, so that a run that ends by itself knows when."""
    await desk.take_in(junk("m1"), junk("m2"), junk("m3"))
    await desk.approve("m1")
    (call,) = await desk.claim(most=1, calls=1, mode=Mode.APPROVE)
    await desk.settle(call, State.UNKNOWN, due_in=30.0)
    await desk.approve("m2")
    left = await desk.ledger.left(mode)
    assert (left.ready, left.unknown, left.next_read_back) == (ready, 1, NOW + 30)
    assert left.next_ready == (NOW if ready else None)


async def test_a_lower_ceiling_holds_no_search(desk: Desk) -> None:
    """A sweep only reads: what it finds waits for a person."""
    seed = detection("m1", edf_hash="4a1f" * 16)
    sweep = Sweep(seed, by=["edf_hash"], then=Move(seed, to="JunkEmail"))
    await desk.take_in(decided(seed, sweep), ceilings=APPROVING)
    assert await desk.ledger.lower_ceiling(APPROVING) == 0
    assert await desk.states() == {"m1": ["ready"]}


@pytest.mark.parametrize("mode, held", [(Mode.ENFORCE, 0), (Mode.APPROVE, 1), (Mode.SHADOW, 1)])
async def test_a_lower_mode_holds_what_nobody_approved(desk: Desk, mode: Mode, held: int) -> None:
    """At the next start, and what is held counts no more under the caps."""
    await desk.take_in(junk("m1"), junk("m2"))
    await desk.approve("m1")
    assert await desk.ledger.lower_ceiling(Ceilings(mode)) == held
    one, other = await desk.rows()
    assert one["state"] == State.READY
    if mode is not Mode.ENFORCE:
        assert (other["state"], other["admitted_at"]) == ("held", None)
        assert f"WORKER_MODE is {mode}" in other["error"]


async def test_a_block_survives_and_is_never_shortened(desk: Desk) -> None:
    """A 429 is in force also after a restart."""
    assert await desk.ledger.blocked_until() == 0.0
    await desk.ledger.block_until(NOW + 300)
    await desk.ledger.block_until(NOW + 10)
    assert await desk.ledger.blocked_until() == NOW + 300


async def test_a_pause_says_who_when_and_why(desk: Desk) -> None:
    """It is in the log too, as is its end; to resume where nothing is paused changes nothing."""
    assert not await desk.run(flags.resume, ACCOUNT, "ann", NOW)
    await desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
    assert await desk.ledger.paused() == Pause("drill", NOW, "ann", "command")
    assert await desk.run(flags.resume, ACCOUNT, "bob", NOW + 1)
    assert await desk.ledger.paused() is None
    assert [entry["kind"] for entry in await desk.audit()] == ["pause", "resume"]


async def test_counts_name_every_closed_action(desk: Desk) -> None:
    """By kind and state, for metrics and the exit code of a single run."""
    await desk.take_in(junk("m1"), junk("m2", vote("trial", Mode.SHADOW)), ceilings=ENFORCE)
    assert sorted(await desk.ledger.counts_by_kind()) == [("move", "ready", 1), ("move", "shadowed", 1)]


async def test_a_look_is_as_old_as_its_reading(desk: Desk) -> None:
    """A look that waited for the budget is no fresher for having been written down late."""
    await desk.take_in(junk("m1"))
    row = await desk.row()
    await desk.ledger.apply_looks(3600.0, [Look(row["id"], State.READY, read_at=NOW - 61)])
    assert await desk.claim() == []
    await desk.ledger.apply_looks(3600.0, [Look(row["id"], State.READY, read_at=NOW - 59)])
    assert len(await desk.claim()) == 1


async def test_what_a_look_holds_uses_up_no_cap(desk: Desk) -> None:
    """It waits for a person again, as if it had never been let through."""
    await desk.take_in(junk("m1"))
    row = await desk.row()
    await desk.ledger.apply_looks(3600.0, [Look(row["id"], State.HELD, "moved by somebody")])
    assert (await desk.row())["admitted_at"] is None
