from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    ACCOUNT,
    APPROVING,
    ENFORCE,
    NOW,
    at,
    catalogue,
    decided,
    detection,
    junk,
    playbook,
    report,
    sighting,
    vote,
    wish,
)
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare, ManualClock, OpenBudget
from worker.acting.circuits import FIRST_PAUSE, IN_A_ROW
from worker.cloudflare import MoveAnswer, Page, ReleaseAnswer, ReleaseRow
from worker.dispatcher import Dispatcher, DispatchOptions
from worker.errors import (
    AnswerLost,
    BadAnswer,
    RateLimited,
    Refused,
    StoreError,
    Transient,
    Unauthorized,
    VendorError,
)
from worker.executors import executors
from worker.executors.notify import NotifyExecutor
from worker.executors.reclassify import ReclassifyExecutor
from worker.intake import Intake
from worker.model.actions import Mode, Move, Reclassify, Release, State
from worker.model.calls import Answered, Call, Outcome
from worker.model.events import Detection
from worker.model.plans import Ceilings, Wish
from worker.model.telling import Notify
from worker.ops.metrics import Metrics
from worker.ports import Kept
from worker.reconciler import MAX_SENDS, Reconciler
from worker.store import budget as requests
from worker.store import flags
from worker.store.ledger import FRESH_SECONDS
from worker.store.people import reviews
from worker.store.people.undo import Order, Wanted, undo

TIMEOUT, DELAY = 30.0, 30.0


def asks_for_junk(mode: Mode) -> Wish:
    """What a playbook on reports wants of the message."""
    return wish(Move(detection(), to="JunkEmail"), vote("reports", mode))


@dataclass
class Bench:
    """A dispatcher with everything around it."""

    desk: Desk
    tenant: FakeCloudflare
    ledger: FailingLedger
    budget: OpenBudget
    metrics: Metrics
    token: str = "token-one"
    wanted: Callable[[Detection], Any] = field(default=lambda _: None)
    ceilings: Ceilings = ENFORCE
    batch: int = 250

    def __post_init__(self) -> None:
        clock = self.desk.clock

        def decide(message: Detection) -> Any:
            return self.wanted(message)

        known = catalogue(playbook(decide))
        intake = Intake(
            self.ledger.port, known, self.ceilings, clock, self.metrics, wake=lambda: None, keep_all=False
        )
        self.executors = executors(self.tenant.client, self.ledger.port, DELAY, self.batch)
        self.dispatcher = Dispatcher(
            self.ledger.port,
            self.tenant.client,
            self.executors,
            self.budget,
            clock,
            self.metrics,
            DispatchOptions(self.ceilings, 600, DELAY, TIMEOUT),
            intake.refresh,
            lambda: self.token,
        )

    async def work(self, rounds: int = 1) -> None:
        """Everything that is due goes out and is settled, so many times."""
        for _ in range(rounds):
            await self.dispatcher.step()
            await self.dispatcher.settled()

    async def arrive(self, *events: Any, old: bool = False) -> None:
        """Mail arrives and is decided; `old` ones have to be looked at before acting."""
        self.tenant.add(*(one.sighting.message for one in events if one.sighting.message is not None))
        await self.desk.take_in(*events, read_at=None if old else -1.0)


@pytest.fixture
def bench(desk: Desk, tenant: FakeCloudflare, budget: OpenBudget, metrics: Metrics) -> Bench:
    """In enforce mode."""
    return Bench(desk, tenant, FailingLedger(desk.ledger), budget, metrics)


async def test_what_is_ready_is_sent_once(bench: Bench) -> None:
    """One request for many messages, settled, and never again."""
    await bench.arrive(junk("m1"), junk("m2"))
    await bench.work(3)
    assert sorted(bench.tenant.effects) == [("move", "m1", "JunkEmail"), ("move", "m2", "JunkEmail")]
    assert len(bench.tenant.asked("move")) == 1
    assert await bench.desk.states() == {"m1": ["succeeded"], "m2": ["succeeded"]}


async def test_every_kind_finds_its_way(bench: Bench) -> None:
    """Each lane is worked on beside the others."""
    quarantined = detection("m2", is_quarantined=True, delivery_status=("quarantined",))
    await bench.arrive(
        junk("m1"),
        decided(quarantined, Release(quarantined)),
        decided(detection("m3"), Reclassify(detection("m3"), to="SPAM")),
    )
    await bench.work()
    assert sorted(bench.tenant.effects) == [
        ("move", "m1", "JunkEmail"),
        ("reclassify", "m3", "SPAM"),
        ("release", "m2", ""),
    ]


async def test_refused_releases_are_looked_at_before_their_halves_go(bench: Bench) -> None:
    """A call that was refused as a whole may have been carried out in part: nobody gets a message twice."""
    mail = [
        detection(name, is_quarantined=True, delivery_status=("quarantined",)) for name in ("m1", "m2", "m3")
    ]
    await bench.arrive(*(decided(one, Release(one)) for one in mail))

    def partly(**_: Any) -> Any:
        done = replace(mail[0], post_delivery_operations=("QUARANTINE_RELEASE",), is_quarantined=False)
        bench.tenant.add(done)
        bench.tenant.effects.append(("release", "m1", ""))
        raise Refused("POST investigate/release: 400", status=400)

    bench.tenant.will("release", partly)
    await bench.work(3)
    assert len(bench.tenant.asked("release")) == 1
    bench.desk.clock.pass_time(DELAY)
    await bench.work(3)
    assert sorted(bench.tenant.effects) == [("release", f"m{n}", "") for n in (1, 2, 3)]
    assert await bench.desk.states() == {"m1": ["skipped"], "m2": ["succeeded"], "m3": ["succeeded"]}


async def test_a_kind_that_this_version_does_not_know_waits(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer version planned it: that is said once, and the lane is not asked again and again."""
    await bench.arrive(junk("m1"), junk("m2"))
    row = await bench.desk.row("m1")
    await bench.desk.edit(row["id"], kind="teleport", lane="teleport")
    assert await bench.dispatcher.step()
    await bench.work(2)
    assert not await bench.dispatcher.step()
    assert (await bench.desk.row("m1"))["state"] == "ready"
    assert capsys.readouterr().err.count("dispatch.unknown_kind kind=teleport") == 1


async def test_a_release_that_reached_some_is_not_sent_again_for_a_new_verdict(bench: Bench) -> None:
    """Those whom it reached would get it twice: the same wish joins what a person has to finish."""
    people = ("ann@corp.example", "bob@corp.example")
    row = ReleaseRow(id="m1", delivered=people[:1], failed=people[1:])
    bench.tenant.will("release", lambda **_: ReleaseAnswer((row,)))
    mail = detection(is_quarantined=True, delivery_status=("quarantined",), client_recipients=people)
    await bench.arrive(decided(mail, Release(mail)))
    await bench.work()
    spam = replace(mail, final_disposition="SPAM")
    await bench.arrive(decided(spam, Release(spam)))
    await bench.work()
    assert len(bench.tenant.asked("release")) == 1
    assert await bench.desk.states() == {"m1": ["failed"]}
    assert len(await bench.desk.audit("joined")) == 1


async def test_a_message_that_cannot_be_read_is_asked_for_less_and_less(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """At most an hour apart, and each time a line says so; it is done once the vendor can tell."""
    await bench.arrive(junk(), old=True)
    bench.tenant.moved("m1", "JunkEmail", NOW - 30)
    bench.tenant.will("action_log", *(BadAnswer("an entry cannot be read", status=200) for _ in range(9)))
    waits = []
    for _ in range(9):
        await bench.work()
        waits.append((await bench.desk.row())["due_at"] - bench.desk.clock.now())
        bench.desk.clock.pass_time(waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert capsys.readouterr().err.count("state.unreadable") == 9
    await bench.work()
    assert await bench.desk.states() == {"m1": ["skipped"]}


async def test_the_intent_is_in_the_log_before_the_request(bench: Bench) -> None:
    """Whatever happens next, the log knows what was attempted."""
    await bench.arrive(junk())
    intents: list[int] = []

    async def move(**_: Any) -> MoveAnswer:
        intents.append(len(await bench.desk.audit("intent")))
        raise AnswerLost("reset")

    bench.tenant.will("move", move)
    await bench.work()
    assert intents == [1]
    assert (await bench.desk.row())["state"] == State.UNKNOWN


async def test_a_lost_answer_is_never_sent_again_blindly(bench: Bench) -> None:
    """It waits for its read-back, however often the dispatcher comes by."""
    await bench.arrive(junk())
    bench.tenant.will_lose("move", AnswerLost("reset"))
    await bench.work(5)
    assert len(bench.tenant.asked("move")) == 1
    row = await bench.desk.row()
    assert (row["state"], row["due_at"]) == ("unknown", NOW + DELAY)


async def test_the_one_bad_id_of_a_refused_call_is_found(bench: Bench) -> None:
    """Halving gives up that one message and no other; what is done is not done twice."""
    names = [f"m{n}" for n in range(10)]
    await bench.arrive(*(junk(name) for name in names))
    del bench.tenant.messages["m7"]
    await bench.work(6)
    states = await bench.desk.states()
    assert states.pop("m7") == ["failed"]
    assert set(map(tuple, states.values())) == {("succeeded",)}
    assert sorted(one for _, one, _ in bench.tenant.effects) == sorted(set(names) - {"m7"})
    assert "Refused" in (await bench.desk.row("m7"))["error"]


async def test_a_claim_that_grew_too_old_is_not_sent(bench: Bench) -> None:
    """Another process may own the action soon: in the last two time-outs of a lease nothing leaves."""
    await bench.arrive(junk())
    (call,) = await bench.desk.claim()
    bench.desk.clock.jump(120 - 2 * TIMEOUT + 0.1)
    await bench.dispatcher._send(bench.dispatcher._executors["move"], call)
    assert bench.tenant.requests == []
    row = await bench.desk.row()
    assert (row["state"], row["attempts"]) == ("ready", 0)


async def test_a_fresh_claim_is_sent(bench: Bench) -> None:
    """Up to its own seconds, and up to two time-outs before its lease ends, should somebody set the clock."""
    await bench.arrive(junk())
    (call,) = await bench.desk.claim()
    bench.desk.clock.pass_time(FRESH_SECONDS)
    bench.desk.clock.jump(120 - 2 * TIMEOUT - FRESH_SECONDS)
    await bench.dispatcher._send(bench.dispatcher._executors["move"], call)
    assert len(bench.tenant.effects) == 1


async def test_a_refused_token_stops_its_kind_and_no_other(bench: Bench) -> None:
    """A token may lack one permission only."""
    await bench.arrive(junk("m1"), decided(detection("m2"), Reclassify(detection("m2"), to="SPAM")))
    bench.tenant.will("move", Unauthorized("not you", status=403))
    await bench.work()
    bench.desk.clock.pass_time(1)
    await bench.work(3)
    assert await bench.desk.states() == {"m1": ["ready"], "m2": ["succeeded"]}
    assert len(bench.tenant.asked("move")) == 1
    assert bench.dispatcher.wait("move") is None
    assert bench.dispatcher.wait("reclassify") == 0.0


async def test_a_new_token_is_tried_at_once(bench: Bench) -> None:
    """Nobody has to restart the worker or wait."""
    await bench.arrive(junk())
    bench.tenant.will("move", Unauthorized("who are you", status=401))
    await bench.work()
    bench.token = "token-two"
    await bench.work()
    assert await bench.desk.states() == {"m1": ["succeeded"]}
    assert bench.dispatcher.wait("move") == 0.0


async def test_the_same_token_is_tried_again_after_a_while(bench: Bench) -> None:
    """Its permissions may have been mended."""
    await bench.arrive(junk())
    bench.tenant.will("move", Unauthorized("who are you", status=401))
    await bench.work()
    bench.desk.clock.pass_time(31)
    await bench.work()
    assert await bench.desk.states() == {"m1": ["succeeded"]}
    assert bench.dispatcher.wait("move") == 0.0


async def test_an_unreachable_vendor_stops_every_lane(bench: Bench) -> None:
    """A long queue must not burn the budget on connections that are refused."""
    await bench.arrive(junk("m1"), junk("m2", to="DeletedItems"))
    bench.tenant.will("move", Transient("no connection"), Transient("no connection"))
    await bench.work(20)
    assert len(bench.tenant.asked("move")) <= 2
    bench.desk.clock.pass_time(5)
    await bench.work()
    assert len(bench.tenant.effects) == 2


async def test_a_429_sends_the_action_back(bench: Bench) -> None:
    """Nothing was accepted: it is ready again after the vendor's own time, and was no attempt."""
    await bench.arrive(junk())
    bench.tenant.will("move", RateLimited("slow down", retry_after=7.0))
    await bench.work()
    row = await bench.desk.row()
    assert (row["state"], row["due_at"], row["attempts"]) == ("ready", NOW + 7, 0)


async def test_nothing_is_claimed_while_the_budget_is_blocked(bench: Bench) -> None:
    """What is claimed has to be sent at once."""
    await bench.arrive(junk())
    bench.budget.blocked = 5.0
    await bench.work()
    assert (await bench.desk.row())["state"] == State.READY
    bench.budget.blocked = 0.0
    await bench.work()
    assert (await bench.desk.row())["state"] == State.SUCCEEDED


async def test_a_used_up_budget_is_told(bench: Bench) -> None:
    """Nobody claims again before there is something to grant."""
    await bench.arrive(junk())
    await bench.desk.run(requests.take, ACCOUNT, NOW, 600, 600)
    await bench.work()
    assert bench.budget.waits == [306.0]
    assert bench.tenant.effects == []


async def test_a_ledger_that_cannot_be_asked_before_sending_is_no_lost_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing left: the action is ready again, was no attempt, and needs no read-back."""
    await bench.arrive(junk())

    async def execute(_: Call) -> Answered:
        raise StoreError("database: is locked")

    with monkeypatch.context() as patch:
        patch.setattr(bench.executors["move"], "execute", execute)
        await bench.work()
    row = await bench.desk.row()
    assert (row["state"], row["attempts"]) == ("ready", 0)
    bench.desk.clock.pass_time(5)
    await bench.work()
    assert await bench.desk.states() == {"m1": ["succeeded"]}


async def test_a_failing_database_keeps_the_outcome_until_it_is_written(bench: Bench) -> None:
    """What was sent is never forgotten."""
    await bench.arrive(junk())
    bench.ledger.fail("settle", times=3)
    await bench.dispatcher.step()
    await bench.dispatcher.settled()
    assert bench.ledger.calls.count("settle") == 4
    assert len(bench.tenant.effects) == 1
    assert (await bench.desk.row())["state"] == State.SUCCEEDED


@pytest.mark.parametrize("method", ["lanes", "claim", "unverified", "apply_looks"])
async def test_a_failing_database_stops_actions_until_it_works_again(bench: Bench, method: str) -> None:
    """No intent, no request; work goes on by itself."""
    await bench.arrive(junk(), old=True)
    bench.ledger.fail(method)
    await bench.work()
    assert bench.tenant.effects == []
    await bench.work(2)
    assert len(bench.tenant.effects) == 1


async def test_an_old_decision_is_looked_at_before_it_is_carried_out(bench: Bench) -> None:
    """A message that somebody moved meanwhile costs no write."""
    await bench.arrive(junk("m1"), junk("m2"), junk("m3"), old=True)
    bench.tenant.moved("m1", "JunkEmail", NOW)
    bench.tenant.moved("m2", "Inbox", NOW)
    await bench.work(2)
    assert await bench.desk.states() == {"m1": ["skipped"], "m2": ["held"], "m3": ["succeeded"]}
    assert bench.tenant.effects == [("move", "m3", "JunkEmail")]


async def test_a_verdict_that_changed_replaces_the_decision(bench: Bench) -> None:
    """The playbooks are asked again; what they want now is done, what they wanted before is not."""
    await bench.arrive(junk(), old=True)
    bench.tenant.add(detection(final_disposition="SPAM"))
    bench.wanted = lambda message: Move(message, to="DeletedItems")
    await bench.work(3)
    assert bench.tenant.effects == [("move", "m1", "DeletedItems")]
    assert await bench.desk.states() == {"m1": ["skipped", "succeeded"]}


async def test_a_verdict_that_was_cleared_ends_the_matter(bench: Bench) -> None:
    """Nobody wants anything done to a clean message, and nobody asks about it for ever."""
    await bench.arrive(junk(), old=True)
    bench.tenant.add(detection(final_disposition="NONE"))
    await bench.work(3)
    assert bench.tenant.effects == []
    assert await bench.desk.states() == {"m1": ["skipped"]}
    assert len(bench.tenant.requests) == 1


async def test_an_action_read_back_after_its_verdict_changed_ends_too(bench: Bench) -> None:
    """The new verdict was seen while the answer was lost: the old action must not be looked at for ever."""
    await bench.arrive(junk())
    (call,) = await bench.desk.claim()
    await bench.desk.settle(call, State.UNKNOWN, due_in=0.0)
    await bench.arrive(decided(detection(final_disposition="NONE")))
    await bench.desk.ledger.settle_read_back(
        Outcome(call.items[0].action_id, State.READY, None, 0.0), counted=True
    )
    await bench.work(3)
    assert bench.tenant.effects == []
    assert await bench.desk.states() == {"m1": ["skipped"]}


async def test_a_new_verdict_that_wants_the_same_keeps_the_lost_action_going(bench: Bench) -> None:
    """Its wish joined the action whose answer was lost: read back without effect, that is what is done."""
    await bench.arrive(junk())
    (call,) = await bench.desk.claim()
    await bench.desk.settle(call, State.UNKNOWN, due_in=0.0)
    await bench.arrive(junk(final_disposition="SPAM"))
    await bench.desk.ledger.settle_read_back(
        Outcome(call.items[0].action_id, State.READY, None, 0.0), counted=True
    )
    await bench.work(3)
    assert bench.tenant.effects == [("move", "m1", "JunkEmail")]


async def test_a_report_wish_survives_the_change_of_a_verdict_that_it_shares_an_action_with(
    bench: Bench,
) -> None:
    """The detection's playbook no longer wants it, the report's does."""
    await bench.arrive(junk())
    told = report(message=detection())
    await bench.arrive(decided(told, Move(detection(), to="JunkEmail")))
    assert not await bench.desk.ledger.unseen([sighting(told)])
    await bench.arrive(decided(detection(final_disposition="NONE")))
    await bench.work(2)
    assert bench.tenant.effects == []
    # The next poll shows it again, and it is decided for itself.
    assert await bench.desk.ledger.unseen([sighting(told)])
    await bench.arrive(decided(told, Move(detection(final_disposition="NONE"), to="JunkEmail")))
    await bench.work(2)
    assert bench.tenant.effects == [("move", "m1", "JunkEmail")]


@pytest.mark.parametrize("first", ["detection", "report"])
async def test_no_verdict_that_was_withdrawn_is_acted_on_under_anothers_approval(
    bench: Bench, first: str
) -> None:
    """Whoever came first: what the detection alone let go does not go out for a report that a person has to approve."""
    wishes = [junk(), decided(report(message=detection()), asks_for_junk(Mode.APPROVE))]
    for one in wishes if first == "detection" else wishes[::-1]:
        await bench.arrive(one)
    await bench.arrive(decided(detection(final_disposition="NONE")))
    await bench.work(3)
    assert bench.tenant.effects == []


async def test_a_report_that_changes_takes_no_detection_along(bench: Bench) -> None:
    """A wish that both had in common stays the detection's."""
    await bench.arrive(junk("m1", vote("detects", Mode.APPROVE)))
    await bench.arrive(decided(report(message=detection()), asks_for_junk(Mode.APPROVE)))
    await bench.arrive(decided(report(message=detection(), disposition="NONE", updated_at=at(NOW))))
    assert await bench.desk.states() == {"m1": ["held"]}


async def test_a_failing_look_sends_nothing(bench: Bench) -> None:
    """State that cannot be seen is not acted on; the lane tries again."""
    await bench.arrive(junk(), old=True)
    bench.tenant.will("list", Transient("no connection"))
    await bench.work()
    assert bench.tenant.effects == []
    bench.desk.clock.pass_time(1)
    await bench.work()
    assert len(bench.tenant.effects) == 1


async def test_a_poison_message_stops_no_other(bench: Bench) -> None:
    """It is asked for again after a while, not at every turn."""
    await bench.arrive(junk("m1"), junk("m2"), old=True)
    del bench.tenant.messages["m1"]
    bench.tenant.will("get", *(Refused("cannot show it", status=400) for _ in range(9)))
    await bench.work(5)
    assert await bench.desk.states() == {"m1": ["ready"], "m2": ["succeeded"]}
    assert len(bench.tenant.asked("get")) == 1


async def test_an_unexpected_error_leaves_nothing_submitted(bench: Bench) -> None:
    """A bug in reading an answer leaves its effect unknown: it is read back, not stuck until a restart."""
    await bench.arrive(junk())

    def move(**_: Any) -> MoveAnswer:
        raise ZeroDivisionError

    bench.tenant.will("move", move)
    await bench.work()
    assert (await bench.desk.row())["state"] == State.UNKNOWN


async def test_a_pause_stops_what_is_not_claimed_yet(bench: Bench) -> None:
    """No new request starts, also in the middle of a long lane."""
    await bench.arrive(
        *(decided(detection(f"m{n}"), Reclassify(detection(f"m{n}"), to="SPAM")) for n in range(30))
    )

    async def pause_first(**arguments: Any) -> Any:
        if await bench.desk.ledger.paused() is None:
            await bench.desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
        raise AnswerLost("reset")

    bench.tenant.will("reclassify", pause_first)
    await bench.work(3)
    assert len(bench.tenant.asked("reclassify")) <= ReclassifyExecutor.parallel
    assert await bench.desk.run(flags.resume, ACCOUNT, "ann", NOW)
    await bench.work(2)
    assert len(bench.tenant.asked("reclassify")) == 30


async def test_a_claim_that_waited_is_not_sent(bench: Bench, clock: ManualClock) -> None:
    """The process slept between the claim and its request: a pause may have come since, so it is claimed anew."""
    await bench.arrive(junk())
    claim = bench.ledger.port.claim

    async def dozing(*args: Any, **kwargs: Any) -> Any:
        claimed = await claim(*args, **kwargs)
        clock.pass_time(FRESH_SECONDS + 0.1)
        await bench.desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
        return claimed

    bench.ledger.claim = dozing  # type: ignore[attr-defined]
    await bench.work(3)
    assert bench.tenant.asked("move") == []
    row = await bench.desk.row()
    assert (row["state"], row["attempts"]) == ("ready", 0)
    assert [entry["kind"] for entry in await bench.desk.audit("intent", "outcome")] == ["intent", "outcome"]


async def test_a_429_between_claim_and_request_stops_it(bench: Bench) -> None:
    """Another request was refused meanwhile: nothing at all may be sent."""
    await bench.arrive(junk())
    bench.budget.refused = 1.0
    await bench.work()
    assert bench.tenant.asked("move") == []
    assert (await bench.desk.row())["state"] == State.READY
    bench.budget.refused = 0.0
    bench.desk.clock.pass_time(1.0)
    await bench.work()
    assert bench.tenant.effects == [("move", "m1", "JunkEmail")]


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.APPROVE])
async def test_without_enforce_nothing_leaves_by_itself(
    desk: Desk, tenant: FakeCloudflare, budget: OpenBudget, metrics: Metrics, mode: Mode
) -> None:
    """Whatever is in the ledger, the ceiling holds at the last gate too."""
    bench = Bench(desk, tenant, FailingLedger(desk.ledger), budget, metrics, ceilings=Ceilings(mode))
    await bench.arrive(junk())
    await bench.work(2)
    assert tenant.asked("move") == []


async def test_a_stop_ends_what_is_in_flight_and_begins_nothing(bench: Bench) -> None:
    """`run` returns when the last answer is settled."""
    await bench.arrive(junk("m1"))
    sent, let_go = asyncio.Event(), asyncio.Event()

    async def slow(ids: Sequence[str], destination: str) -> MoveAnswer:
        sent.set()
        await let_go.wait()
        raise AnswerLost("reset")

    bench.tenant.will("move", slow)
    running = asyncio.create_task(bench.dispatcher.run())
    await sent.wait()
    assert bench.dispatcher.in_flight == ["move:JunkEmail"]
    bench.dispatcher.stop()
    await bench.arrive(junk("m2"))
    let_go.set()
    await running
    assert await bench.desk.states() == {"m1": ["unknown"], "m2": ["ready"]}


async def test_a_drain_that_is_cut_off_leaves_the_call_for_recovery(bench: Bench) -> None:
    """It stays submitted, and the next start reads it back."""
    await bench.arrive(junk("m1"))
    sent = asyncio.Event()

    async def never(**_: Any) -> MoveAnswer:
        sent.set()
        await asyncio.Event().wait()
        raise StoreError

    bench.tenant.will("move", never)
    running = asyncio.create_task(bench.dispatcher.run())
    await sent.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await bench.desk.row())["state"] == State.SUBMITTED
    assert len(await bench.desk.ledger.recover(DELAY)) == 1


async def test_a_split_lane_does_not_wait_for_its_clock(bench: Bench, clock: ManualClock) -> None:
    """Halves go out in the same second."""
    await bench.arrive(*(junk(f"m{n}") for n in range(4)))
    bench.tenant.will("move", Refused("bad id", status=400))
    await bench.work(2)
    assert clock.now() == NOW
    assert len(bench.tenant.effects) == 4


def refusals(bench: Bench, operation: str, count: int) -> None:
    """The vendor refuses the next calls for good."""
    bench.tenant.will(operation, *(Refused("not like this", status=400) for _ in range(count)))


def open_breakers(bench: Bench) -> set[str]:
    """The kinds that wait."""
    return set(bench.dispatcher._vendor.standing.circuits.snapshot())


async def asking(bench: Bench, *numbers: int) -> None:
    """Messages whose verdict is asked for, each in a call of its own."""
    wanted = [(detection(f"r{n}"), Reclassify(detection(f"r{n}"), to="SPAM")) for n in numbers]
    await bench.arrive(*(decided(message, action) for message, action in wanted))


async def test_a_kind_that_is_refused_again_and_again_is_tried_with_one_probe(
    bench: Bench, clock: ManualClock
) -> None:
    """Five calls refused in a row open its breaker; the rest stays ready, unsent, until a single probe is taken."""
    refusals(bench, "reclassify", IN_A_ROW + 1)
    await asking(bench, *range(IN_A_ROW))
    await bench.work()
    assert open_breakers(bench) == {"reclassify"}
    await asking(bench, *range(10, 30))
    await bench.arrive(junk())
    await bench.work(3)
    assert len(bench.tenant.asked("reclassify")) == IN_A_ROW
    assert bench.tenant.effects == [("move", "m1", "JunkEmail")]
    assert len(await bench.desk.rows(kind="reclassify", state=State.READY, attempts=0)) == 20
    clock.pass_time(FIRST_PAUSE)
    await bench.work(3)
    assert len(bench.tenant.asked("reclassify")) == IN_A_ROW + 1
    clock.pass_time(FIRST_PAUSE)
    await bench.work()
    assert len(bench.tenant.asked("reclassify")) == IN_A_ROW + 1
    clock.pass_time(FIRST_PAUSE)
    await bench.work()
    assert open_breakers(bench) == set()
    assert len(await bench.desk.rows(kind="reclassify", state=State.SUCCEEDED)) == 19


async def test_a_probe_risks_one_message(bench: Bench, clock: ManualClock) -> None:
    """Calls that get no answer count too: what they leave unknown would have to be read back one by one."""
    for number in range(IN_A_ROW):
        await bench.arrive(junk(f"a{number}"))
        bench.tenant.will("move", AnswerLost("reset"))
        await bench.work()
    await bench.arrive(*(junk(f"b{n}") for n in range(50)))
    await bench.work()
    clock.pass_time(FIRST_PAUSE)
    bench.tenant.will("move", AnswerLost("reset"))
    await bench.work()
    assert [len(asked["ids"]) for asked in bench.tenant.asked("move")] == [1] * (IN_A_ROW + 1)
    clock.pass_time(2 * FIRST_PAUSE)
    await bench.work()
    assert [len(asked["ids"]) for asked in bench.tenant.asked("move")][-2:] == [1, 48]


@pytest.mark.parametrize(
    "error", [RateLimited("wait", retry_after=0.1), Unauthorized("no", status=403), Transient("no route")]
)
async def test_what_says_nothing_of_the_kind_opens_no_breaker(
    bench: Bench, clock: ManualClock, error: VendorError
) -> None:
    """Rate, token and network have waits of their own."""
    await asking(bench, 1)
    bench.tenant.will("reclassify", *[error] * 20)
    for _ in range(20):
        await bench.work()
        clock.pass_time(60)
    assert len(bench.tenant.asked("reclassify")) == 20
    assert open_breakers(bench) == set()


@pytest.mark.parametrize("bad", range(0, 64, 9))
async def test_a_bad_row_in_a_bulk_call_opens_no_breaker(bench: Bench, bad: int) -> None:
    """Its halves are refused one after the other until it stands alone, wherever it is."""
    await bench.arrive(*(junk(f"m{n:02}") for n in range(64)))
    del bench.tenant.messages[f"m{bad:02}"]
    await bench.work(20)
    assert open_breakers(bench) == set()
    assert len(bench.tenant.effects) == 63


async def test_bulk_calls_that_are_all_refused_open_a_breaker(bench: Bench) -> None:
    """Halved down to single messages, of which no more fail than it takes."""
    await bench.arrive(*(junk(f"m{n:02}") for n in range(64)))
    refusals(bench, "move", 1000)
    await bench.work(20)
    assert open_breakers(bench) == {"move"}
    assert len(await bench.desk.rows(state=State.FAILED)) <= IN_A_ROW + 2
    assert len(await bench.desk.rows(state=State.READY)) >= 64 - IN_A_ROW - 2


async def test_an_open_breaker_survives_a_restart(bench: Bench, clock: ManualClock) -> None:
    """A crash loop must not hammer; the ledger tells `worker status` since when and why."""
    refusals(bench, "reclassify", IN_A_ROW)
    await asking(bench, *range(IN_A_ROW))
    await bench.work()
    kept = (await bench.desk.ledger.recall(Kept.BREAKERS))["reclassify"]
    assert (kept["since"], kept["next_try"], kept["failures"]) == (NOW, NOW + FIRST_PAUSE, IN_A_ROW)
    assert "not like this" in kept["error"]
    again = Bench(bench.desk, bench.tenant, bench.ledger, bench.budget, Metrics())
    await again.dispatcher.restore()
    await asking(again, 10, 11)
    await again.work()
    assert len(bench.tenant.asked("reclassify")) == IN_A_ROW
    assert (again.dispatcher.wait("reclassify"), again.dispatcher.wait("move")) == (FIRST_PAUSE, 0.0)
    clock.pass_time(FIRST_PAUSE)
    await again.work()
    assert len(bench.tenant.asked("reclassify")) == IN_A_ROW + 2
    assert await bench.desk.ledger.recall(Kept.BREAKERS) == {}


async def test_an_idle_probe_is_no_probe(bench: Bench, clock: ManualClock) -> None:
    """Where nothing is ready the breaker stays as it is, and the next action is the probe."""
    refusals(bench, "reclassify", IN_A_ROW)
    await asking(bench, *range(IN_A_ROW))
    await bench.work()
    clock.pass_time(FIRST_PAUSE)
    await bench.work(2)
    await asking(bench, 10)
    bench.ledger.fail("claim")
    await bench.work(2)
    assert len(bench.tenant.effects) == 1
    assert open_breakers(bench) == set()


async def test_what_has_been_looked_at_goes_before_another_look(bench: Bench) -> None:
    """A thousand looks, each a request, must not make what they saw too old to act on, over and over."""
    await bench.arrive(junk("m1"))
    await bench.arrive(junk("m2"), old=True)
    await bench.work()
    assert [one.operation for one in bench.tenant.requests] == ["move", "list", "move"]


class Hook:
    """Somebody's webhook: answers with the next error, or takes it, or hangs until it is let go."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.errors: list[VendorError] = []
        self.open = asyncio.Event()
        self.open.set()

    async def post(self, key: str, body: bytes) -> int:
        await self.open.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(key)
        return 200


@pytest.fixture
def hook(bench: Bench) -> Hook:
    """The bench's."""
    hook = Hook()
    bench.executors["notify"] = NotifyExecutor(hook)
    return hook


def telling(id: str = "m1", text: str = "hello", channel: str = "") -> Any:  # noqa: A002
    """A message of which people are to be told, and nothing else is to be done."""
    message = detection(id)
    return decided(message, Notify(message, text=text, channel=channel))


async def test_people_are_told_while_the_vendor_blocks_us(
    bench: Bench, hook: Hook, budget: OpenBudget
) -> None:
    """A 429 of the vendor's stops what goes to the vendor; nothing is looked at and no request of its budget is used."""
    budget.blocked = budget.refused = 100.0
    await bench.arrive(telling("m1"), junk("m2"), old=True)
    await bench.work(2)
    assert len(hook.told) == 1
    assert bench.tenant.requests == []
    assert await bench.desk.run(requests.used, ACCOUNT, NOW) == 0
    assert await bench.desk.states() == {"m1": ["succeeded"], "m2": ["ready"]}


async def test_a_webhook_that_hangs_holds_up_no_mail(bench: Bench, hook: Hook) -> None:
    """It has lanes of its own."""
    hook.open.clear()
    await bench.arrive(telling("m1"), junk("m2"))
    await bench.dispatcher.step()
    (moving,) = [one for one in asyncio.all_tasks() if one.get_name() == "lane move:JunkEmail"]
    await moving
    assert await bench.desk.states() == {"m1": ["submitted"], "m2": ["succeeded"]}
    hook.open.set()
    await bench.dispatcher.settled()
    assert await bench.desk.states() == {"m1": ["succeeded"], "m2": ["succeeded"]}


@pytest.mark.parametrize(
    "error", [Transient("no connection"), RateLimited("429", retry_after=60), Refused("410", status=410)]
)
async def test_a_dead_webhook_stops_nothing_else(bench: Bench, hook: Hook, error: VendorError) -> None:
    """Neither its breaker nor its pauses are those of mail."""
    hook.errors += [error] * 50
    for number in range(IN_A_ROW + 2):
        await bench.arrive(telling(f"t{number}", text=f"{number}"), junk(f"m{number}"))
        await bench.work()
    assert len(bench.tenant.effects) == IN_A_ROW + 2
    assert bench.dispatcher._vendor.standing.may_send("move")
    assert open_breakers(bench) == set()


async def test_a_webhook_that_refuses_is_tried_with_one_probe(
    bench: Bench, hook: Hook, clock: ManualClock
) -> None:
    """The rest waits until somebody mends it; `worker status` and the next start know."""
    hook.errors += [Refused("404", status=404)] * IN_A_ROW
    await bench.arrive(*(telling(f"m{n}", text=f"{n}", channel=f"#c{n}") for n in range(IN_A_ROW)))
    await bench.work(2)
    await bench.arrive(*(telling(f"x{n}", text=f"{n}") for n in range(9)))
    await bench.work(3)
    assert (len(hook.told), len(await bench.desk.rows(state=State.FAILED))) == (0, IN_A_ROW)
    assert set(await bench.desk.ledger.recall(Kept.BREAKERS)) == {"notify"}
    again = Bench(bench.desk, bench.tenant, bench.ledger, bench.budget, Metrics())
    await again.dispatcher.restore()
    assert again.dispatcher.wait("notify") == FIRST_PAUSE
    assert not again.dispatcher._apart.standing.may_send("notify")
    clock.pass_time(FIRST_PAUSE)
    await bench.work(3)
    assert len(hook.told) == 9


async def test_a_pause_stops_notifications_too(bench: Bench, hook: Hook) -> None:
    """The brake is one for everything."""
    await bench.arrive(telling())
    await bench.desk.run(flags.pause, ACCOUNT, "test", "ann", NOW, "command")
    await bench.work(2)
    assert hook.told == []


async def test_what_may_have_been_told_is_told_again_under_its_key(
    bench: Bench, hook: Hook, clock: ManualClock
) -> None:
    """At least once, five times at most: nobody can be asked."""
    hook.errors += [AnswerLost("time-out")] * 9
    await bench.arrive(telling())
    reconciler = Reconciler(bench.ledger.port, bench.executors, clock, bench.metrics, DELAY)
    for _ in range(MAX_SENDS):
        await bench.work()
        assert (await bench.desk.row())["state"] == State.UNKNOWN
        clock.pass_time(DELAY)
        await reconciler.step()
    row = await bench.desk.row()
    assert (row["state"], row["attempts"], len(hook.errors)) == (State.DEAD, MAX_SENDS, 9 - MAX_SENDS)


def late(bench: Bench, seconds: float) -> Callable[..., Any]:
    """An answer that comes so many seconds later, and is the tenant's own."""

    def answer(**asked: Any) -> Any:
        bench.desk.clock.pass_time(seconds)
        if "id" in asked:
            return bench.tenant.messages[asked["id"]]
        return Page(tuple(bench.tenant.messages.values()))

    return answer


async def test_a_slow_list_keeps_nothing_from_going_out(bench: Bench) -> None:
    """A search may take the vendor longer than what it shows is good for."""
    await bench.arrive(junk("m1"), junk("m2"), old=True)
    bench.tenant.will("list", *[late(bench, 61.0)] * 50)
    await bench.work()
    assert await bench.desk.states() == {"m1": ["succeeded"], "m2": ["succeeded"]}
    assert len(bench.tenant.asked("list")) == 1


async def test_looks_that_help_nobody_are_made_ever_more_rarely(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every single answer comes too late: nothing is sent, the budget is spared, and it is told."""
    await bench.arrive(junk("m1"), old=True)
    bench.tenant.will("list", *[late(bench, 61.0)] * 50)
    bench.tenant.will("get", *[late(bench, 61.0)] * 50)
    await bench.work(20)
    assert (len(bench.tenant.asked("list")), bench.tenant.effects) == (1, [])
    bench.tenant.forget("list")
    bench.tenant.forget("get")
    bench.desk.clock.pass_time(60)
    await bench.work()
    assert bench.tenant.effects == [("move", "m1", "JunkEmail")]
    assert capsys.readouterr().err.count("state.too_slow") == 1


@pytest.mark.parametrize("codes", [(), (7003,)])
async def test_a_gateway_that_finds_nothing_costs_no_action(bench: Bench, codes: tuple[int, ...]) -> None:
    """It answers 404 to every read for a while: that is no word about any message, and all go out after it."""
    await bench.arrive(*(junk(f"m{n}") for n in range(20)), old=True)
    no = Refused("404", status=404, codes=codes)
    bench.tenant.will("list", *[no] * 100)
    bench.tenant.will("get", *[no] * 1000)
    for _ in range(20):
        await bench.work()
        bench.desk.clock.pass_time(10)
    assert {row["state"] for row in await bench.desk.rows()} == {State.READY}
    # A list and a doubt for each look at most, and no single message is asked for.
    assert len(bench.tenant.requests) <= 2 * 20
    bench.tenant.forget("list")
    bench.tenant.forget("get")
    bench.desk.clock.pass_time(60)
    await bench.work()
    assert len(bench.tenant.effects) == 20


async def test_an_id_that_cannot_be_sent_fails_alone(bench: Bench) -> None:
    """Nothing has left the process: its neighbours are released, and nobody has to ask whether it was."""
    rows = [detection(name, is_quarantined=True) for name in (" ", "m1", "m2", "m3")]
    await bench.arrive(*(decided(row, Release(row)) for row in rows))
    await bench.work(3)
    states = await bench.desk.states()
    assert states == {" ": ["failed"]} | {f"m{n}": ["succeeded"] for n in (1, 2, 3)}
    assert len(bench.tenant.effects) == 3


async def test_what_a_poll_has_read_since_stands_against_a_slow_look(bench: Bench) -> None:
    """The look asked first and was answered last: the verdict that it shows is over."""
    await bench.arrive(junk("m1"), old=True)
    wanted = detection("m1", final_disposition="SPOOF")
    bench.wanted = lambda message: Move(message, to="Inbox")

    async def overtaken(**_: Any) -> Page[Detection]:
        bench.desk.clock.pass_time(5)
        bench.tenant.add(wanted)
        await bench.desk.take_in(decided(wanted, Move(wanted, to="DeletedItems")))
        bench.desk.clock.pass_time(5)
        return Page((detection("m1", final_disposition="SPAM"),))

    bench.tenant.will("list", overtaken)
    await bench.work(3)
    assert bench.tenant.effects == [("move", "m1", "DeletedItems")]
    assert await bench.desk.states() == {"m1": ["skipped", "succeeded"]}


@pytest.mark.parametrize("ceilings", [ENFORCE, APPROVING])
async def test_an_approval_for_the_mode_overrules_nobody_who_moved_the_mail(
    bench: Bench, ceilings: Ceilings
) -> None:
    """An analyst took it out of Junk and put it there again: an undo is held for that, whoever let it go before."""
    await bench.arrive(junk())
    await bench.work()
    one = await bench.desk.row()
    for folder in ("Inbox", "JunkEmail"):
        bench.desk.clock.pass_time(100)
        bench.tenant.moved("m1", folder, bench.desk.clock.now(), by="bob")
    bench.desk.clock.pass_time(100)
    order = Order("ann", None, ceilings, 250)
    now = bench.desk.clock.now()
    done = await bench.desk.run(undo, ACCOUNT, Wanted((one["id"],)), order, now, dry=False)
    if ceilings is APPROVING:
        await bench.desk.run(reviews.approve, ACCOUNT, [done.planned[0].id], "ann", now)
    await bench.work(2)
    (row,) = await bench.desk.rows(cause=one["id"])
    assert row["state"] == "held"
    assert row["error"] == "moved to JunkEmail by bob, after the worker had"
