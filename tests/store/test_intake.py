from __future__ import annotations

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from tests.builders import (
    ACCOUNT,
    ENFORCE,
    NOW,
    decided,
    detection,
    junk,
    poll,
    report,
    sighting,
    submission,
    vote,
    wish,
)
from tests.desk import Desk
from worker.cloudflare import BadRow
from worker.errors import StoreError
from worker.model.actions import Mode, Move, Reclassify, Release, State
from worker.model.ledger import Cursor
from worker.model.plans import PHISHGUARD, SUBMISSIONS, Ceilings, Failure, Poll, sighting_of
from worker.store import schema
from worker.store.plans import intake
from worker.store.views import queries

CURSOR = Cursor(NOW, NOW - 86400, NOW)
FAILED = Failure("odd", "odd-v1", "ValueError at odd.py:3")


async def test_nothing_of_an_open_poll_can_be_claimed_or_is_listed(desk: Desk) -> None:
    """Caps are judged over the whole plan, so before its end there is nothing to see and nothing to do."""
    await desk.record(poll(), junk())
    assert (await desk.row())["state"] == State.OPEN
    assert await desk.ledger.lanes(Mode.ENFORCE) == []
    assert await desk.run(lambda conn: list(queries.actions(conn, ACCOUNT))) == []
    assert await desk.ledger.histories({"m1": "mallory@evil.example"}) == {}


async def test_closing_makes_the_plan_claimable(desk: Desk) -> None:
    """From the close on the actions are ready and listed."""
    closed = await desk.take_in(junk())
    assert (closed.plans[0].playbook, closed.plans[0].states) == ("junk", {"ready": 1})
    (listed,) = await desk.run(lambda conn: list(queries.actions(conn, ACCOUNT)))
    assert (listed["state"], listed["params"]) == ("ready", {"destination": "JunkEmail"})


@pytest.mark.parametrize("keep_all", [False, True])
async def test_a_message_that_a_sweep_found_first_stops_no_poll(desk: Desk, keep_all: bool) -> None:
    """Its evidence is there before anybody has polled it: the page that brings it is recorded as any other."""
    await desk.ledger.record(
        poll("sweep"), (), [junk("m1")], rows=0, read_at=desk.clock.now(), keep_all=False
    )
    await desk.record(poll("later"), junk("m1"), junk("m2"), decided(detection("m3")), keep_all=keep_all)
    assert {row["message_id"] for row in await desk.rows()} == {"m1", "m2"}
    assert await desk.intact()


async def test_the_watermark_moves_with_the_close_and_never_before(desk: Desk) -> None:
    """Pages do not move it: what follows a crash is read again."""
    one = poll()
    await desk.record(one, junk("m1"))
    await desk.record(one, junk("m2"))
    assert await desk.ledger.cursor("detections") is None
    await desk.ledger.close(one, ENFORCE, CURSOR)
    assert await desk.ledger.cursor("detections") == CURSOR


async def test_a_close_that_fails_leaves_everything_as_it_was(desk: Desk) -> None:
    """States, plans, log and watermark are one transaction."""
    one = poll()
    await desk.record(one, junk())
    before = await desk.audit()

    def close_then_fail(conn: Connection) -> None:
        from worker.store.plans.closing import close  # noqa: PLC0415 - to name it here

        close(conn, ACCOUNT, one, NOW, ENFORCE, CURSOR)
        raise StoreError("the power went")

    with pytest.raises(StoreError):
        await desk.run(close_then_fail)
    assert (await desk.row())["state"] == State.OPEN
    assert await desk.ledger.cursor("detections") is None
    assert await desk.audit() == before
    assert await desk.ledger.open_polls("detections") == [one]


async def test_a_page_that_fails_leaves_no_row(desk: Desk) -> None:
    """Seen-keys, evidence, actions and log of a page are one transaction: an event is never seen and lost."""

    def record_then_fail(conn: Connection) -> None:
        one = junk()
        intake.record(conn, ACCOUNT, poll(), NOW, [one.sighting], [one], rows=1, read_at=NOW)
        raise StoreError("the power went")

    with pytest.raises(StoreError):
        await desk.run(record_then_fail)
    assert (await desk.rows(), await desk.audit()) == ([], [])
    assert await desk.ledger.open_polls("detections") == []
    assert len(await desk.ledger.unseen([sighting(detection())])) == 1


async def test_a_poll_that_was_cut_off_goes_on_under_its_id(desk: Desk) -> None:
    """What its first pages decided belongs to the same plan as what comes after the restart."""
    one = poll("cut", start=NOW - 900, end=NOW)
    await desk.record(one, junk("m1"))
    (again,) = await desk.ledger.open_polls("detections")
    assert again == one
    await desk.record(again, junk("m1"), junk("m2"))
    await desk.ledger.close(again, ENFORCE, CURSOR)
    assert {row["plan_id"] for row in await desk.rows()} == {"cut.junk"}
    assert await desk.states() == {"m1": ["ready"], "m2": ["ready"]}
    assert await desk.ledger.open_polls("detections") == []


async def test_the_caps_see_a_poll_over_all_its_pages(desk: Desk) -> None:
    """A plan is one poll of one playbook, whatever pages it takes."""
    one = poll()
    for name in ("m1", "m2", "m3"):
        await desk.record(one, junk(name, vote(per_poll=2)))
    closed = await desk.ledger.close(one, ENFORCE, None)
    assert closed.plans[0].held_because == "cap per poll: 3 actions, 2 allowed"
    assert set(map(tuple, (await desk.states()).values())) == {("held",)}


async def test_closing_twice_changes_nothing(desk: Desk) -> None:
    """A crash after the commit and before the answer ends in a second close."""
    one = poll()
    await desk.record(one, junk())
    await desk.ledger.close(one, ENFORCE, CURSOR)
    rows, log = await desk.rows(), await desk.audit()
    await desk.ledger.close(one, ENFORCE, CURSOR)
    assert (await desk.rows(), await desk.audit()) == (rows, log)


async def test_an_event_is_new_once(desk: Desk) -> None:
    """The overlap shows every message many times; it is decided once."""
    await desk.take_in(junk())
    assert await desk.ledger.unseen([sighting(detection())]) == []
    await desk.take_in(junk())
    assert await desk.states() == {"m1": ["ready"]}


async def test_an_event_that_nobody_wanted_leaves_only_its_key(desk: Desk) -> None:
    """Every message is remembered, evidence is kept for decisions only."""
    await desk.take_in(decided(detection("m1")), junk("m2"))
    assert await desk.ledger.unseen([sighting(detection("m1"))]) == []
    kept = await desk.run(lambda conn: list(conn.scalars(select(schema.evidence.c.key))))
    assert kept == ["m2"]


async def test_all_evidence_is_kept_where_the_operator_says_so(desk: Desk) -> None:
    """WORKER_KEEP_EVENTS=all keeps the rows that no playbook wanted."""
    await desk.record(poll(), decided(detection("m1")), keep_all=True)
    assert await desk.run(lambda conn: list(conn.scalars(select(schema.evidence.c.key)))) == ["m1"]


async def test_a_changed_verdict_is_a_new_event(desk: Desk) -> None:
    """The revision of a message is its verdict, and the store says that it changed."""
    await desk.take_in(decided(detection()))
    (seen,) = await desk.ledger.unseen([sighting(detection(final_disposition="SPAM"))])
    assert seen.changed


async def test_our_own_move_is_no_new_event(desk: Desk) -> None:
    """A row changes for many reasons; only the verdict counts."""
    await desk.take_in(junk())
    moved = detection(post_delivery_operations=("MOVE",), delivery_status=("moved",))
    assert await desk.ledger.unseen([sighting(moved)]) == []


async def test_a_verdict_that_comes_back_is_decided_again(desk: Desk) -> None:
    """From A to B to A: each change is an event, and the last one is what counts as seen."""
    for verdict in ("MALICIOUS", "NONE", "MALICIOUS"):
        assert len(await desk.ledger.unseen([sighting(detection(final_disposition=verdict))])) == 1
        await desk.take_in(decided(detection(final_disposition=verdict)))
        assert await desk.ledger.unseen([sighting(detection(final_disposition=verdict))]) == []


async def test_one_page_that_shows_a_message_twice_is_decided_on_the_later_row(desk: Desk) -> None:
    """Slices overlap and verdicts change between two pages."""
    rows = [sighting(detection(final_disposition=verdict)) for verdict in ("MALICIOUS", "NONE")]
    (fresh,) = await desk.ledger.unseen(rows)
    assert fresh.revision == "NONE"


@pytest.mark.parametrize("ceiling, before", [(Mode.ENFORCE, "ready"), (Mode.APPROVE, "held")])
async def test_a_new_verdict_replaces_what_was_not_sent(desk: Desk, ceiling: Mode, before: str) -> None:
    """The old decision is skipped, with the reason, whether it waited for its turn or for a person."""
    await desk.take_in(junk(), ceilings=Ceilings(ceiling))
    assert await desk.states() == {"m1": [before]}
    one = poll("later")
    replaced = await desk.record(one, decided(detection(final_disposition="NONE")))
    assert [row["message_id"] for row in replaced] == ["m1"]
    row = await desk.row()
    assert row["state"] == State.SKIPPED
    assert "the verdict changed to NONE" in row["error"]
    assert await desk.audit("superseded")


async def test_a_submission_that_went_on_replaces_what_was_not_sent(desk: Desk) -> None:
    """The reason says how far it has come."""
    asked = submission(message=detection())
    await desk.take_in(decided(asked, Release(detection())))
    judged = replace(asked, outcome_disposition="SPAM", status="completed")
    await desk.record(poll("later", source=SUBMISSIONS), decided(judged))
    row = await desk.row()
    assert row["state"] == State.SKIPPED
    assert "the submission went on to SPAM, completed, unreviewed" in row["error"]


async def test_a_new_verdict_replaces_also_what_the_same_poll_decided(desk: Desk) -> None:
    """A verdict that changes while the pages are read leaves one action, that of the later verdict."""
    one = poll()
    await desk.record(one, junk(to="JunkEmail"))
    await desk.record(one, junk(to="DeletedItems", final_disposition="SPAM"))
    await desk.ledger.close(one, ENFORCE, None)
    assert await desk.states() == {"m1": ["skipped", "ready"]}


@pytest.mark.parametrize("state", [State.UNKNOWN, State.SUCCEEDED, State.FAILED])
async def test_a_new_verdict_leaves_alone_what_was_sent(desk: Desk, state: State) -> None:
    """What has left the worker is not taken back by a later row."""
    await desk.bring(state, junk())
    await desk.take_in(decided(detection(final_disposition="NONE")))
    assert (await desk.row())["state"] == state


async def test_a_message_is_seen_apart_from_a_report_about_it(desk: Desk) -> None:
    """Sources have keys of their own."""
    await desk.take_in(decided(detection("1")))
    assert len(await desk.ledger.unseen([sighting(report(1))])) == 1


async def test_another_account_shares_nothing(desk: Desk) -> None:
    """Every key begins with the account."""
    await desk.take_in(junk())
    other = "f" * 32
    assert len(await desk.run(intake.unseen, other, [sighting(detection())])) == 1


async def test_two_sources_that_want_the_same_share_one_action(desk: Desk) -> None:
    """One action, and both playbooks are on record."""
    await desk.take_in(junk("m1", vote("from-list")))
    about = report(message=detection())
    await desk.take_in(decided(about, wish(Move(detection(), to="JunkEmail"), vote("from-report"))))
    row = await desk.row()
    detail = await desk.run(queries.action_detail, ACCOUNT, row["id"])
    assert detail is not None
    assert [one["playbook"] for one in detail["playbooks"]] == ["from-list", "from-report"]
    assert [entry["action_id"] for entry in await desk.audit("joined")] == [row["id"]]


async def test_two_open_polls_of_two_sources_end_in_one_action(desk: Desk) -> None:
    """Both have decided before either closes: the second close finds the first's action."""
    first, second = poll("p1"), poll("p2", source=PHISHGUARD)
    await desk.record(first, junk("m1", vote("from-list")))
    about = report(message=detection())
    await desk.record(second, decided(about, wish(Move(detection(), to="JunkEmail"), vote("from-report"))))
    await desk.ledger.close(second, ENFORCE, None)
    await desk.ledger.close(first, ENFORCE, None)
    assert await desk.states() == {"m1": ["ready"]}
    votes = await desk.run(lambda conn: list(conn.scalars(select(schema.decisions.c.playbook))))
    assert sorted(votes) == ["from-list", "from-report"]


async def test_a_shadow_trial_never_swallows_a_later_enforcement(desk: Desk) -> None:
    """Shadowed rows give way to a new decision."""
    await desk.take_in(junk(), ceilings=Ceilings(Mode.SHADOW))
    about = report(message=detection())
    await desk.take_in(decided(about, Move(detection(), to="JunkEmail")))
    assert await desk.states() == {"m1": ["shadowed", "ready"]}


@pytest.mark.parametrize("state", [State.SKIPPED, State.FAILED, State.DEAD])
async def test_what_ended_without_effect_gives_way_to_a_new_decision(desk: Desk, state: State) -> None:
    """Only what is under way, done or rejected bars the same wish."""
    await desk.bring(state, junk())
    about = report(message=detection())
    await desk.take_in(decided(about, Move(detection(), to="JunkEmail")))
    assert await desk.states() == {"m1": [state, "ready"]}


async def test_the_database_itself_bars_a_second_live_action(desk: Desk) -> None:
    """The unique index is the last line of defence, whatever the code above it does."""
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - what the engine raises

    await desk.take_in(junk())
    one = poll("later")
    await desk.record(one, decided(report(message=detection()), Move(detection(), to="JunkEmail")))
    (twin,) = await desk.rows(state=State.OPEN)
    with pytest.raises(IntegrityError):
        await desk.edit(twin["id"], state=State.READY)


async def test_contradicting_actions_of_two_polls_are_both_held(desk: Desk) -> None:
    """Also when the first one had been admitted before; it counts no longer under the caps."""
    await desk.take_in(junk())
    about = report(message=detection())
    await desk.take_in(decided(about, Move(detection(), to="DeletedItems")))
    rows = await desk.rows()
    assert [(row["state"], row["due_at"], row["admitted_at"]) for row in rows] == [("held", None, None)] * 2
    assert all("contradicts move" in row["error"] for row in rows)


@pytest.mark.parametrize("seconds, held", [(3659, True), (3661, False)])
async def test_the_hourly_cap_counts_over_polls(desk: Desk, seconds: float, held: bool) -> None:
    """What was admitted within the hour counts, also after a restart: it is in the ledger."""
    await desk.take_in(junk("m1", vote(per_hour=1)))
    desk.clock.pass_time(seconds)
    closed = await desk.take_in(junk("m2", vote(per_hour=1)))
    assert bool(closed.plans[0].held_because) is held


@pytest.mark.parametrize("seconds, held", [(86459, True), (86461, False)])
async def test_the_daily_cap_counts_over_polls(desk: Desk, seconds: float, held: bool) -> None:
    """What was admitted within 24 hours counts."""
    await desk.take_in(junk("m1", vote(per_day=1)))
    desk.clock.pass_time(seconds)
    closed = await desk.take_in(junk("m2", vote(per_day=1)))
    assert bool(closed.plans[0].held_because) is held


async def test_a_share_counts_every_page_over_restarts(desk: Desk) -> None:
    """The messages of the whole poll are what a share is of, whichever of them a playbook wanted."""
    one, limits = poll(), Ceilings(Mode.ENFORCE, share=0.5)
    await desk.record(one, *(junk(f"m{n}") for n in range(12)))
    await desk.record(one, *(decided(detection(f"n{n}")) for n in range(12)))
    assert (await desk.ledger.close(one, limits, None)).plans[0].held_because is None
    other = poll("other")
    await desk.record(other, *(junk(f"x{n}") for n in range(13)))
    await desk.record(other, *(decided(detection(f"y{n}")) for n in range(12)))
    why = (await desk.ledger.close(other, limits, None)).plans[0].held_because
    assert why == "cap share of polled messages: 13 actions on 25, 50% allowed"


async def test_what_was_skipped_frees_its_place_under_the_cap(desk: Desk) -> None:
    """Superseded actions did nothing."""
    await desk.take_in(junk("m1", vote(per_hour=1)))
    await desk.take_in(decided(detection("m1", final_disposition="NONE")))
    closed = await desk.take_in(junk("m2", vote(per_hour=1)))
    assert closed.plans[0].held_because is None


async def test_a_closed_poll_tells_what_it_set_aside(desk: Desk) -> None:
    """The log names each action that was shadowed or held, with the reason."""
    closed = await desk.take_in(
        junk("m1", vote("trial", Mode.SHADOW)), junk("m2", vote("asks", Mode.APPROVE)), junk("m3")
    )
    assert {row["message_id"]: (row["state"], row["why"]) for row in closed.set_aside} == {
        "m1": (State.SHADOWED, ""),
        "m2": (State.HELD, "waits for approval"),
    }
    assert (closed.rows, closed.new_events) == (3, 3)


async def test_an_earlier_action_that_is_held_beside_a_new_one_is_told_too(desk: Desk) -> None:
    """Nobody reads of it anywhere else at 03:00, and its audit record is found by its message."""
    await desk.take_in(junk())
    mine = await desk.row()
    other = decided(
        report(message=detection("m1")), wish(Move(detection("m1"), to="DeletedItems"), vote("other"))
    )
    closed = await desk.take_in(other)
    assert [(row["message_id"], row["state"]) for row in closed.set_aside] == [("m1", State.HELD)] * 2
    (told,) = [row for row in closed.set_aside if row["id"] == mine["id"]]
    assert (told["playbook"], told["why"]) == ("junk", (await desk.row(id=mine["id"]))["error"])
    (record,) = [one for one in await desk.audit("held") if one["action_id"] == mine["id"]]
    assert (record["plan_id"], record["message_id"]) == (mine["plan_id"], "m1")


async def test_a_row_read_just_now_needs_no_second_look(desk: Desk) -> None:
    """Its reading is the look before acting."""
    await desk.take_in(junk())
    assert (await desk.row())["verified_at"] == NOW


@pytest.mark.parametrize(
    "message",
    [
        detection(post_delivery_operations=("MOVE",)),
        detection(delivery_status=("moved",)),
    ],
)
async def test_a_row_that_shows_a_move_is_looked_at_before_it_is_moved(desk: Desk, message: object) -> None:
    """Somebody may have moved it on purpose; only the vendor's log tells where to."""
    await desk.want(Move(message, to="JunkEmail"))  # type: ignore[arg-type]
    assert (await desk.row())["verified_at"] is None


async def test_a_moved_message_may_be_reclassified_without_a_look(desk: Desk) -> None:
    """Its folder says nothing about its verdict."""
    await desk.want(Reclassify(detection(post_delivery_operations=("MOVE",)), to="SPAM"))
    assert (await desk.row())["verified_at"] == NOW


async def test_a_failed_playbook_parks_the_event_with_its_evidence(desk: Desk) -> None:
    """It shows in the status and keeps what it has to be decided on."""
    await desk.take_in(decided(detection(), failures=[FAILED]))
    assert await desk.ledger.parked_for() == [("odd", "odd-v1")]
    (parked,) = await desk.ledger.parked_events("detections", "odd", "odd-v1", 10)
    assert (parked.key, "mallory@evil.example" in parked.body) == ("m1", True)
    (status,) = await desk.run(queries.parked, ACCOUNT)
    assert status == {"playbook": "odd", "version": "odd-v1", "events": 1, "error": FAILED.error}
    assert await desk.audit("parked")


async def test_a_failed_playbook_stops_no_other(desk: Desk) -> None:
    """The same event is decided by the others."""
    await desk.take_in(decided(detection(), Move(detection(), to="JunkEmail"), failures=[FAILED]))
    assert await desk.states() == {"m1": ["ready"]}


async def test_an_event_decided_again_is_parked_no_more(desk: Desk) -> None:
    """Its new decision and the end of its parking are one transaction."""
    await desk.take_in(decided(detection(), failures=[FAILED]))
    parked = await desk.ledger.parked_events("detections", "odd", "odd-v1", 10)
    one = poll("again", kind="redecide")
    await desk.ledger.redecide(one, parked, [junk("m1", vote("odd"))])
    assert await desk.ledger.parked_for() == []
    await desk.ledger.close(one, ENFORCE, None)
    row = await desk.row()
    assert (row["state"], row["playbook"], row["verified_at"]) == ("ready", "odd", None)


async def test_an_event_that_fails_again_is_parked_under_the_new_version(desk: Desk) -> None:
    """So the same version is not asked a second time."""
    await desk.take_in(decided(detection(), failures=[FAILED]))
    parked = await desk.ledger.parked_events("detections", "odd", "odd-v1", 10)
    again = Failure("odd", "odd-v2", "KeyError at odd.py:4")
    await desk.ledger.redecide(poll("again"), parked, [decided(detection(), failures=[again])])
    assert await desk.ledger.parked_for() == [("odd", "odd-v2")]


async def test_a_parked_event_whose_verdict_changed_is_not_decided_on_the_old_one(desk: Desk) -> None:
    """The new verdict was an event of its own; acting on the old row would act on what no longer holds."""
    await desk.take_in(decided(detection(), failures=[FAILED]))
    await desk.take_in(decided(detection(final_disposition="NONE")))
    assert await desk.ledger.parked_events("detections", "odd", "odd-v1", 10) == []


async def test_a_report_without_its_message_waits(desk: Desk) -> None:
    """The first sight of it counts, and it is no event yet."""
    await desk.ledger.wait_for_message([sighting(report(1))])
    desk.clock.pass_time(100)
    await desk.ledger.wait_for_message([sighting(report(1)), sighting(report(2))])
    told = [(sighting_of(one).key, since) for one, since in await desk.ledger.waiting(PHISHGUARD)]
    assert told == [("1", NOW), ("2", NOW + 100)]
    assert len(await desk.ledger.unseen([sighting(report(1))])) == 1


async def test_a_report_that_was_decided_waits_no_more(desk: Desk) -> None:
    """It leaves the waiting room in the transaction that records it, under whatever revision it came."""
    await desk.ledger.wait_for_message([sighting(report(1)), sighting(report(2))])
    await desk.take_in(decided(report(1, disposition="NONE")))
    assert [sighting_of(one).key for one, _ in await desk.ledger.waiting(PHISHGUARD)] == ["2"]


async def test_a_bad_row_is_quarantined_once(desk: Desk) -> None:
    """The overlap shows it many times; it is told once and kept."""
    bad = BadRow("x", "Expected str, got int - at $.subject", "d" * 64, '{"id": "x"}')
    assert await desk.ledger.quarantine("detections", [bad, bad]) == [bad]
    assert await desk.ledger.quarantine("detections", [bad]) == []
    assert await desk.ledger.quarantine("phishguard", [bad]) == [bad]
    count = await desk.run(lambda c: c.execute(select(func.count()).select_from(schema.quarantine)).scalar())
    assert count == 2


async def test_many_events_fit_one_page(desk: Desk) -> None:
    """A thousand rows are one transaction, beyond what one IN list may hold."""
    await desk.take_in(*(junk(f"m{n}") for n in range(1001)), ceilings=Ceilings(Mode.ENFORCE, 2000, 5000))
    assert len(await desk.rows()) == 1001
    seen = [sighting(detection(f"m{n}")) for n in range(1001)]
    assert await desk.ledger.unseen(seen) == []


async def test_every_decision_is_in_the_log_with_its_playbook_and_evidence(desk: Desk) -> None:
    """Shadowed and held ones too: who decided, under which version, on what."""
    await desk.take_in(junk("m1", vote("trial", Mode.SHADOW)), junk("m2"))
    entries = await desk.audit("decided")
    assert [entry["message_id"] for entry in entries] == ["m1", "m2"]
    assert '"playbooks":[["trial","trial-v1","shadow"]]' in entries[0]["body"]
    assert '"evidence_sha256":"' in entries[0]["body"]
    assert [entry["kind"] for entry in await desk.audit()][-2:] == ["plan", "plan"]
    assert await desk.intact()


async def test_a_new_poll_of_the_other_source_is_not_taken_up(desk: Desk) -> None:
    """Open polls are found by their source, oldest first."""
    for name, source in (("a", "detections"), ("b", PHISHGUARD), ("c", "detections")):
        await desk.record(Poll(name, source, "regular", NOW - 9, NOW), decided(detection(name)))
        desk.clock.pass_time(1)
    assert [one.id for one in await desk.ledger.open_polls("detections")] == ["a", "c"]


async def test_a_later_enforcing_playbook_carries_out_what_an_approving_one_left_held(desk: Desk) -> None:
    """Of several playbooks that agree the highest effective mode acts, also where they decide in two polls."""
    await desk.take_in(junk("m1", vote("asks", Mode.APPROVE)))
    about = report(message=detection())
    await desk.take_in(decided(about, wish(Move(detection(), to="JunkEmail"), vote("acts"))))
    assert await desk.states() == {"m1": ["ready"]}


async def test_a_page_that_had_to_wait_says_nothing_against_a_later_reading(desk: Desk) -> None:
    """Slices wait for each other: what was read first may come last."""
    await desk.take_in(decided(detection(final_disposition="NONE")))
    stale = [sighting(detection(final_disposition="SPAM"))]
    assert await desk.ledger.unseen(stale, NOW - 1) == []
    assert [one.changed for one in await desk.ledger.unseen(stale, NOW + 1)] == [True]
