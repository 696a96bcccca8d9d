from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import NOW, decided, detection, item, junk, vote
from tests.desk import Desk
from tests.fakes import FailingLedger, FakeCloudflare, ManualClock
from worker.acting.resting import LONGEST_REST
from worker.cloudflare import LogEntry
from worker.errors import (
    BadAnswer,
    RateLimited,
    Refused,
    StoreError,
    Transient,
    Unauthorized,
    Unreachable,
    VendorError,
)
from worker.executors import executors
from worker.executors.base import Effect, ReadBack
from worker.model.actions import SOME_MOVED, Action, Mode, Move, Reclassify, Release, State
from worker.model.calls import Outcome
from worker.ops.metrics import Metrics
from worker.reconciler import MAX_SENDS, USELESS_READS, Reconciler
from worker.retry import UNUSABLE_WAIT

DELAY = 30.0
DONE, PARTLY, NOT_DONE, CANNOT_TELL = Effect
MESSAGE = detection(is_quarantined=True, delivery_status=("quarantined",))
WISHES: dict[str, Action] = {
    "move": Move(MESSAGE, to="JunkEmail"),
    "release": Release(MESSAGE),
    "reclassify": Reclassify(MESSAGE, to="SPAM"),
}


@pytest.fixture
def ledger(desk: Desk) -> FailingLedger:
    """The desk's ledger, whose database can be made to refuse."""
    return FailingLedger(desk.ledger)


@pytest.fixture
def reconciler(
    ledger: FailingLedger, tenant: FakeCloudflare, clock: ManualClock, metrics: Metrics
) -> Reconciler:
    """Reads back at the fake tenant."""
    known = executors(tenant.client, ledger.port, DELAY, 250)
    return Reconciler(ledger.port, known, clock, metrics, DELAY)


async def lose(desk: Desk, kind: str) -> dict[str, Any]:
    """An action of this kind whose answer was lost at NOW."""
    await desk.want(WISHES[kind])
    (call,) = await desk.claim()
    await desk.settle(call, State.UNKNOWN, due_in=DELAY)
    return await desk.row()


async def look(desk: Desk, reconciler: Reconciler) -> tuple[str, float | None]:
    """State and due time after one more read-back, one delay later."""
    desk.clock.pass_time(DELAY)
    assert await reconciler.step() == 1
    row = await desk.row()
    return row["state"], row["due_at"]


@pytest.mark.parametrize("kind", WISHES)
async def test_an_effect_that_is_seen_is_success(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str
) -> None:
    """Whatever the kind: the answer was lost, not the effect."""
    tenant.add(MESSAGE)
    await lose(desk, kind)
    tenant.moved("m1", "JunkEmail", NOW + 1)
    tenant.logs["m1"] += [
        LogEntry(operation="QUARANTINE_RELEASE", success=True),
        LogEntry(operation="SUBMISSION", requested_disposition="SPAM"),
    ]
    assert await look(desk, reconciler) == ("succeeded", None)
    (record,) = await desk.audit("read_back")
    assert '"state":"succeeded"' in record["body"]


async def test_a_move_that_is_seen_to_have_failed_for_some_is_no_success(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """The log tells of one success for all recipients, the message that somebody still has it."""
    mail = detection(client_recipients=("ann@corp.example", "bob@corp.example"))
    tenant.add(mail)
    await desk.bring(State.UNKNOWN, decided(mail, Move(mail, to="JunkEmail")), due_in=DELAY)
    tenant.moved("m1", "JunkEmail", NOW + 1)
    tenant.add(replace(mail, delivery_status=("delivered", "moved", "move_failed")))
    assert await look(desk, reconciler) == ("failed", None)
    row = await desk.row()
    assert str(row["error"]).startswith("moved for some recipients only; ")
    assert [one.action_id for one in await desk.ledger.our_moves("m1")] == [row["id"]]


async def test_a_move_without_effect_is_ready_after_one_look(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """Sent twice it is done once: the second move finds the message where it should be."""
    tenant.add(MESSAGE)
    await lose(desk, "move")
    assert await look(desk, reconciler) == ("ready", NOW + DELAY)


async def test_a_reclassify_without_effect_is_ready_after_two_looks(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """One delay apart: a second request would be a second ticket."""
    tenant.add(MESSAGE)
    await lose(desk, "reclassify")
    assert await look(desk, reconciler) == ("unknown", NOW + 2 * DELAY)
    assert await look(desk, reconciler) == ("ready", NOW + 2 * DELAY)


async def test_a_release_without_effect_waits_for_a_person(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """It may deliver twice, so no number of looks makes it ready."""
    tenant.add(MESSAGE)
    await lose(desk, "release")
    assert await look(desk, reconciler) == ("unknown", NOW + 2 * DELAY)
    assert await look(desk, reconciler) == ("unknown", None)
    desk.clock.pass_time(86400)
    assert await reconciler.step() == 0
    assert "worker actions retry ID --i-checked" in (await desk.row())["error"]


@pytest.mark.parametrize("kind", WISHES)
async def test_what_the_vendor_will_not_show_waits_for_a_person(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str
) -> None:
    """The log cannot be had for good: no effect was seen, and none was ruled out."""
    tenant.will("action_log", *(Refused("no such message", status=404) for _ in range(5)))
    await lose(desk, kind)
    assert (await look(desk, reconciler))[0] == "unknown"
    assert await look(desk, reconciler) == ("unknown", None)


@pytest.mark.parametrize("kind", WISHES)
async def test_one_stray_answer_after_an_outage_waits_for_nobody(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str
) -> None:
    """A gateway that is coming up answers 404 once: however long ago the request was, it is looked once more."""
    tenant.add(MESSAGE)
    tenant.will("action_log", Refused("no such page", status=404))
    await lose(desk, kind)
    tenant.moved("m1", "JunkEmail", NOW + 1)
    tenant.logs["m1"] += [
        LogEntry(operation="QUARANTINE_RELEASE", success=True),
        LogEntry(operation="SUBMISSION", requested_disposition="SPAM"),
    ]
    desk.clock.pass_time(100 * DELAY)
    assert await look(desk, reconciler) == ("unknown", desk.clock.now() + DELAY)
    assert await look(desk, reconciler) == ("succeeded", None)


async def test_a_look_that_shows_nothing_is_no_proof(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """A reclassify needs two looks that show its absence; one that could not tell is none of them."""
    tenant.add(MESSAGE)
    tenant.will("action_log", Refused("not yet", status=404))
    await lose(desk, "reclassify")
    assert (await look(desk, reconciler))[0] == "unknown"
    assert (await look(desk, reconciler))[0] == "unknown"
    assert (await look(desk, reconciler))[0] == "ready"


@pytest.mark.parametrize("kind", WISHES)
@pytest.mark.parametrize(
    "error",
    [
        Transient("no connection"),
        RateLimited("slow down", retry_after=5.0),
        Unauthorized("who are you", status=401),
        BadAnswer("not JSON"),
    ],
)
async def test_a_failing_read_back_changes_only_the_date(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str, error: VendorError
) -> None:
    """The vendor could not be asked: that is no look, however often it happens."""
    before = await lose(desk, kind)
    for _ in range(4):
        tenant.will("action_log", error)
        desk.clock.pass_time(100)
        assert await reconciler.step() == 1
        after = await desk.row()
        changed = {name for name in before if after[name] != before[name]}
        assert changed <= {"due_at", "error", "updated_at"}
        assert after["due_at"] > desk.clock.now()


@pytest.mark.parametrize("kind", WISHES)
async def test_what_the_vendor_never_tells_of_believably_waits_longer_and_then_for_a_person(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str
) -> None:
    """One poisoned log must not be asked for without end, ahead of the polls."""
    tenant.will(
        "action_log", *(BadAnswer("an entry cannot be read", status=200) for _ in range(USELESS_READS))
    )
    await lose(desk, kind)
    desk.clock.pass_time(DELAY)
    for number in range(USELESS_READS - 1):
        assert await reconciler.step() == 1
        wait = (await desk.row())["due_at"] - desk.clock.now()
        assert wait == pytest.approx(DELAY / 4 * 2**number)
        desk.clock.pass_time(wait)
    assert await reconciler.step() == 1
    assert (await desk.row())["due_at"] is None
    assert "a person must look" in (await desk.row())["error"]


@pytest.mark.parametrize("kind", WISHES)
@pytest.mark.parametrize("stray", [Refused("no such page", status=404), BadAnswer("html", status=200)])
async def test_one_stray_answer_after_an_outage_of_errors_parks_nothing(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, kind: str, stray: VendorError
) -> None:
    """The errors said nothing that could not be believed: they only made the waits longer."""
    tenant.add(MESSAGE)
    tenant.will("action_log", *(Transient("503", status=503) for _ in range(USELESS_READS + 1)), stray)
    await lose(desk, kind)
    tenant.moved("m1", "JunkEmail", NOW + 1)
    tenant.logs["m1"] += [
        LogEntry(operation="QUARANTINE_RELEASE", success=True),
        LogEntry(operation="SUBMISSION", requested_disposition="SPAM"),
    ]
    for _ in range(USELESS_READS + 3):
        desk.clock.pass_time(((await desk.row())["due_at"] or NOW) - desk.clock.now())
        await reconciler.step()
    assert (await desk.row())["state"] == "succeeded"


@pytest.mark.parametrize("shows", [False, True])
@pytest.mark.parametrize("stray", [None, Refused("no such page", status=404), Transient("503", status=503)])
async def test_a_move_whose_answer_named_some_recipients_is_not_sent_again(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, stray: VendorError | None, shows: bool
) -> None:
    """Those were moved, whatever the log does not show: a second request would act on them twice."""
    tenant.add(MESSAGE)
    row = await lose(desk, "move")
    await desk.edit(row["id"], error=f"{SOME_MOVED}: the answer does not name bob@corp.example")
    if stray is not None:
        tenant.will("action_log", stray)
    if shows:
        tenant.moved("m1", "JunkEmail", NOW + 1)
    for _ in range(5):
        row = await desk.row()
        if row["state"] != "unknown":
            break
        desk.clock.pass_time(max(row["due_at"] - desk.clock.now(), 0.0))
        await reconciler.step()
    assert row["state"] == ("succeeded" if shows else "failed")
    if not shows:
        assert row["error"] == (
            "moved for some recipients only; the answer does not name bob@corp.example, and no effect was seen"
        )
        assert row["attempts"] == 1


async def test_a_vendor_that_answers_with_errors_is_asked_less_and_less_and_never_given_up(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """At most an hour apart: it proves nothing, however long it lasts."""
    tenant.add(MESSAGE)
    tenant.will("action_log", *(Transient("503", status=503) for _ in range(15)))
    await lose(desk, "move")
    wait = DELAY
    for _ in range(15):
        desk.clock.pass_time(wait)
        assert await reconciler.step() == 1
        wait = (await desk.row())["due_at"] - desk.clock.now()
    assert wait == UNUSABLE_WAIT
    desk.clock.pass_time(wait)
    await reconciler.step()
    assert (await desk.row())["state"] == "ready"


async def test_a_failing_database_leaves_the_look_for_later(
    desk: Desk, reconciler: Reconciler, ledger: FailingLedger, tenant: FakeCloudflare
) -> None:
    """What was seen and not written is looked at again."""
    tenant.add(MESSAGE)
    await lose(desk, "move")
    ledger.fail("settle_read_back")
    desk.clock.pass_time(DELAY)
    with pytest.raises(StoreError):
        await reconciler.step()
    assert (await desk.row())["state"] == "unknown"
    assert await reconciler.step() == 1
    assert (await desk.row())["state"] == "ready"


async def test_only_what_is_due_is_read_back(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """The vendor's log may lag behind the effect."""
    await lose(desk, "move")
    desk.clock.pass_time(DELAY - 1)
    assert await reconciler.step() == 0
    assert tenant.requests == []


def judge(reconciler: Reconciler, effect: Effect, kind: str = "move", **changes: Any) -> Outcome:
    """What one look proves."""
    one = item(kind=kind, **changes)
    return reconciler.judge(one, reconciler._executors[kind], ReadBack(effect))


@pytest.mark.parametrize("attempts, state", [(MAX_SENDS - 1, State.READY), (MAX_SENDS, State.DEAD)])
def test_a_move_that_never_takes_effect_is_given_up(
    reconciler: Reconciler, attempts: int, state: State
) -> None:
    """After so many sends the cause is not a lost answer."""
    outcome = judge(reconciler, NOT_DONE, attempts=attempts)
    assert outcome.state is state
    if state is State.DEAD:
        assert outcome.error == f"given up: sent {MAX_SENDS} times, and no effect was seen"


@pytest.mark.parametrize("kind", WISHES)
@pytest.mark.parametrize("read_backs", [0, 1, 5])
def test_an_effect_is_success_at_any_time(reconciler: Reconciler, kind: str, read_backs: int) -> None:
    """However late, and however often it was sent."""
    assert judge(reconciler, DONE, kind, read_backs=read_backs, attempts=9).state is State.SUCCEEDED


@pytest.mark.parametrize("read_backs", range(6))
@pytest.mark.parametrize("attempts", [1, 9])
@pytest.mark.parametrize("effect", [NOT_DONE, CANNOT_TELL])
def test_a_release_is_never_ready_by_itself(
    reconciler: Reconciler, effect: Effect, read_backs: int, attempts: int
) -> None:
    """Promised: a person decides."""
    outcome = judge(reconciler, effect, "release", read_backs=read_backs, attempts=attempts)
    assert outcome.state is State.UNKNOWN


@pytest.mark.parametrize("kind", WISHES)
@pytest.mark.parametrize("read_backs", range(6))
def test_what_cannot_be_told_is_never_ready(reconciler: Reconciler, kind: str, read_backs: int) -> None:
    """It is looked at again or left to a person."""
    assert judge(reconciler, CANNOT_TELL, kind, read_backs=read_backs).state is State.UNKNOWN


async def test_held_actions_expire_while_the_worker_runs(desk: Desk, reconciler: Reconciler) -> None:
    """Nobody has to restart it for that."""
    await desk.take_in(junk("m1", vote("asks", Mode.APPROVE)))
    desk.clock.pass_time(86400)
    await reconciler.expire()
    assert (await desk.row())["state"] == "expired"


async def test_many_read_backs_are_done_a_few_at_once(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """Each due action once; what is left comes with the next step."""
    await desk.bring(State.UNKNOWN, *(junk(f"m{n}") for n in range(11)), due_in=0.0)
    assert [await reconciler.step(), await reconciler.step(), await reconciler.step()] == [8, 3, 0]
    assert len(tenant.asked("action_log")) == 11


async def lose_many(desk: Desk, count: int) -> None:
    """So many moves whose answers were lost, due now."""
    await desk.bring(State.UNKNOWN, *(junk(f"m{n}") for n in range(count)), due_in=0.0)


async def read_for(desk: Desk, reconciler: Reconciler, seconds: int) -> None:
    """Time goes by, and the reconciler works as its loop does."""
    for _ in range(seconds):
        while await reconciler.step():
            pass
        desk.clock.pass_time(1)


@pytest.mark.parametrize("error", [Unauthorized("403", status=403), Unreachable("no connection")])
async def test_a_vendor_that_lets_nobody_ask_is_asked_less_and_less(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, error: VendorError
) -> None:
    """By one at a time; the polls need the budget too. When it is over, all are read back at once."""
    tenant.add(*(detection(f"m{n}") for n in range(60)))
    await lose_many(desk, 60)
    tenant.will("action_log", *[error] * 1000)
    await read_for(desk, reconciler, 1000)
    assert 8 + 4 <= len(tenant.asked("action_log")) <= 8 + 8
    assert {row["state"] for row in await desk.rows()} == {State.UNKNOWN}
    assert all(row["due_at"] is not None for row in await desk.rows())
    tenant.forget("action_log")
    await read_for(desk, reconciler, int(LONGEST_REST) + 1)
    assert {row["state"] for row in await desk.rows()} == {State.READY}


async def test_a_time_out_is_about_its_own_message(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """Logs that never come hold up no other read-back."""
    tenant.add(*(detection(f"m{n}") for n in range(20)))
    await lose_many(desk, 20)
    tenant.will("action_log", *[Transient("no answer: time-out")] * 8)
    await read_for(desk, reconciler, 1)
    assert [row["state"] for row in await desk.rows()].count(State.READY) == 12


async def test_a_new_token_is_used_for_read_backs_at_once(
    desk: Desk, tenant: FakeCloudflare, ledger: FailingLedger, metrics: Metrics
) -> None:
    """Nobody has to wait until the worker thinks of it."""
    token = ["one"]
    known = executors(tenant.client, ledger.port, DELAY, 250)
    reconciler = Reconciler(ledger.port, known, desk.clock, metrics, DELAY, token=lambda: token[0])
    tenant.add(*(detection(f"m{n}") for n in range(9)))
    await lose_many(desk, 9)
    tenant.will("action_log", *[Unauthorized("403", status=403)] * 8)
    assert [await reconciler.step(), await reconciler.step()] == [8, 0]
    token[0] = "two"
    assert await reconciler.step() == 1
    assert [row["state"] for row in await desk.rows()].count("ready") == 1


async def test_a_token_that_may_not_read_the_mail_stops_no_other_read_back(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """Those that wait longest are not the only ones that are asked about."""
    await lose_many(desk, 20)
    tenant.will("action_log", *[Unauthorized("403", status=403)] * 100)
    await reconciler.step()
    for row in await desk.rows(message_id="m19"):
        await desk.edit(row["id"], kind="notify", lane="notify", due_at=NOW)
    assert await reconciler.step() == 1
    assert (await desk.row("m19"))["state"] == "ready"


async def test_a_kind_that_this_version_does_not_know_is_not_read_back(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer version has sent it: that is said once, it waits, and the others are read back."""
    tenant.add(*(detection(f"m{n}") for n in range(12)))
    await lose_many(desk, 12)
    for number in range(10):
        await desk.edit((await desk.row(f"m{number}"))["id"], kind="teleport", due_at=NOW - 1)
    await reconciler.read_back_all(await desk.ledger.due_read_backs(100))
    await read_for(desk, reconciler, 3)
    states = await desk.states()
    assert {states[f"m{number}"][0] for number in range(10)} == {"unknown"}
    assert states["m10"] == states["m11"] == ["ready"]
    assert capsys.readouterr().err.count("readback.unknown_kind kind=teleport") == 1


async def test_unknown_kinds_do_not_stand_before_the_others(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """More of them than are read at once."""
    tenant.add(*(detection(f"m{n}") for n in range(12)))
    await lose_many(desk, 12)
    for number in range(10):
        await desk.edit((await desk.row(f"m{number}"))["id"], kind="teleport", due_at=NOW - 1)
    assert [await reconciler.step() for _ in range(3)] == [0, 2, 0]


async def test_a_mistake_of_ours_ends_before_a_person(
    desk: Desk, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same error comes each time: it is made ever more rarely, and not for ever."""

    async def broken(*_: object) -> ReadBack:
        raise ZeroDivisionError

    await lose(desk, "move")
    monkeypatch.setattr(reconciler._executors["move"], "read_back", broken)
    desk.clock.pass_time(DELAY)
    for _ in range(USELESS_READS):
        assert await reconciler.step() == 1
        desk.clock.pass_time(UNUSABLE_WAIT)
    assert await reconciler.step() == 0
    assert "a person must look" in (await desk.row())["error"]


async def test_a_request_that_found_no_route_is_no_answer(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare
) -> None:
    """A gateway in trouble has nobody called: it passes, however long it lasts."""
    tenant.add(MESSAGE)
    await lose(desk, "release")
    tenant.will("action_log", *[Refused("no route", status=404, codes=(7003,))] * 5)
    desk.clock.pass_time(DELAY)
    for _ in range(5):
        assert await reconciler.step() == 1
        assert (await desk.row())["due_at"] is not None
        desk.clock.pass_time(UNUSABLE_WAIT)


async def test_what_a_person_ended_meanwhile_is_not_told_as_read_back(
    desk: Desk, reconciler: Reconciler, tenant: FakeCloudflare, metrics: Metrics
) -> None:
    """Log and metrics say what became of it, and that was not written."""
    tenant.add(MESSAGE)
    row = await lose(desk, "move")
    tenant.moved(MESSAGE.id, "JunkEmail", NOW, by="worker")
    settle = desk.ledger.settle_read_back

    async def rejected(*args: Any, **more: Any) -> bool:
        await desk.edit(row["id"], state=State.REJECTED)
        return await settle(*args, **more)

    desk.ledger.settle_read_back = rejected  # type: ignore[method-assign]
    desk.clock.pass_time(DELAY)
    assert await reconciler.step() == 1
    assert (await desk.row())["state"] == "rejected"
    assert 'outcome="confirmed"' not in metrics.render()[0].decode()
