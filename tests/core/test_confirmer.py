from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.builders import NOW, at, detection
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from worker.acting.confirmer import LATER, Confirmer
from worker.clock import VendorTime
from worker.cloudflare import LogEntry, Submission
from worker.errors import AnswerLost
from worker.model.actions import Reclassify, State, Submit
from worker.model.ledger import TimeMark

DELAY = 30.0
DAY = 86400.0


@pytest.fixture
def confirmer(desk: Desk, tenant: FakeCloudflare, clock: ManualClock) -> Confirmer:
    """Looks at the fake tenant."""
    return Confirmer(desk.ledger, tenant.client, clock)


async def take(desk: Desk) -> None:
    """A reclassify that was taken at NOW."""
    await desk.want(Reclassify(detection(), to="SPAM"))
    (call,) = await desk.claim()
    await desk.settle(call, State.SUCCEEDED, due_in=DELAY)


def ticket(to: str = "SPAM") -> Submission:
    """What the team's list shows of it."""
    postfix_id = detection().postfix_id
    return Submission(submission_id="s1", original_postfix_id=postfix_id, requested_disposition=to)


async def told(desk: Desk) -> list[tuple[str, str]]:
    """Kind and body of the records about it that came later."""
    return [(row["kind"], row["body"]) for row in await desk.audit("confirmed", "unconfirmed")]


async def test_what_the_submissions_show_is_confirmed(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """A record of its own, once; the action has been succeeded all along."""
    await take(desk)
    tenant.tickets.append(ticket())
    assert await confirmer.step() == 0
    desk.clock.pass_time(DELAY)
    assert await confirmer.step() == 1
    assert await confirmer.step() == 0
    assert await told(desk) == [("confirmed", '{"submission_id":"s1"}')]
    assert (await desk.row())["state"] == "succeeded"


async def test_what_they_never_show_is_told_after_the_last_look(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """Another request of the same message is none; nothing is sent again."""
    await take(desk)
    tenant.tickets.append(ticket("SPOOF"))
    for wait in (DELAY, *LATER):
        assert await told(desk) == []
        desk.clock.pass_time(wait)
        assert await confirmer.step() == 1
    assert await told(desk) == [("unconfirmed", "{}")]
    desk.clock.pass_time(LATER[-1])
    assert await confirmer.step() == 0
    assert (await desk.row())["state"] == "succeeded"
    assert tenant.effects == []


async def test_a_list_that_cannot_be_read_says_nothing(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """However often: it is read again later."""
    await take(desk)
    tenant.tickets.append(ticket())
    tenant.will("submissions", *(AnswerLost("no answer") for _ in range(5)))
    desk.clock.pass_time(DELAY)
    for _ in range(5):
        assert await confirmer.step() == 1
        assert await told(desk) == []
        desk.clock.pass_time(LATER[-1])
    assert await confirmer.step() == 1
    assert [kind for kind, _ in await told(desk)] == ["confirmed"]


async def test_one_list_serves_all(desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare) -> None:
    """Requests are the currency."""
    await desk.want(*(Reclassify(detection(f"m{n}"), to="SPAM") for n in range(20)))
    while calls := await desk.claim(most=1):
        for call in calls:
            await desk.settle(call, State.SUCCEEDED, due_in=DELAY)
    desk.clock.pass_time(DELAY)
    assert await confirmer.step() == 20
    assert len(tenant.asked("submissions")) == 1
    assert tenant.asked("submissions")[0]["start"].timestamp() < NOW


async def test_the_list_never_starts_in_the_future(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """Sent by a clock that was set back since, it is looked for all the same."""
    await take(desk)
    tenant.tickets.append(ticket())
    desk.clock.jump(-DAY)
    await desk.ledger.follow_clock(-DAY, TimeMark("boot", 0.0, desk.clock.now()))
    desk.clock.pass_time(DELAY)
    assert await confirmer.step() == 1
    (asked,) = tenant.asked("submissions")
    assert asked["start"] < asked["end"] <= at(desk.clock.now())
    assert len(await told(desk)) == 1


@pytest.mark.parametrize("ahead", [-600.0, 600.0])
async def test_the_list_is_read_by_the_vendors_clock_too(
    desk: Desk, tenant: FakeCloudflare, clock: ManualClock, ahead: float
) -> None:
    """What its answers say of the time: the list spans what was sent by either clock."""
    vendor_time = VendorTime(clock)
    vendor_time.note(clock.now() + ahead)
    await take(desk)
    sent = clock.now()
    clock.pass_time(DELAY)
    assert await Confirmer(desk.ledger, tenant.client, clock, vendor_time).step() == 1
    (asked,) = tenant.asked("submissions")
    assert asked["start"] <= at(min(sent, sent + ahead))
    assert asked["end"] >= at(max(clock.now(), clock.now() + ahead))


async def test_one_list_serves_a_whole_round(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands that were taken together cost its pages once, not for each batch of them; both kinds are looked for."""
    monkeypatch.setattr("worker.acting.confirmer.AT_ONCE", 2)
    messages = [detection(f"m{n}") for n in range(5)]
    await desk.want(*(Submit(one, to="SPAM") for one in messages), Reclassify(detection("m9"), to="NONE"))
    for call in await desk.claim():
        await desk.settle(call, State.SUCCEEDED, due_in=DELAY)
    tenant.tickets += [
        Submission(submission_id=one.id, original_postfix_id=one.postfix_id, requested_disposition="SPAM")
        for one in messages
    ]
    desk.clock.pass_time(DELAY)
    assert await confirmer.step() == 6
    assert len(tenant.asked("submissions")) == 1
    assert len(await desk.audit("confirmed")) == 5


async def test_one_submission_confirms_one_of_two_messages(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """They share a postfix id, which is all that it names: whose it is, the messages' own logs show."""
    await desk.want(
        *(Reclassify(detection(name, postfix_id="postfix-m1"), to="SPAM") for name in ("m1", "m2"))
    )
    for call in await desk.claim():
        await desk.settle(call, State.SUCCEEDED, due_in=DELAY)
    tenant.tickets.append(ticket())
    tenant.logs["m2"].append(
        LogEntry(operation="SUBMISSION", started_at=at(NOW), requested_disposition="SPAM", submission_id="s1")
    )
    tenant.will("action_log", AnswerLost("no answer"))
    for wait in (DELAY, *LATER):
        desk.clock.pass_time(wait)
        assert await confirmer.step() > 0
    records = {row["action_id"]: row["kind"] for row in await desk.audit("confirmed", "unconfirmed")}
    rows = {row["message_id"]: records[row["id"]] for row in await desk.rows()}
    assert rows == {"m1": "unconfirmed", "m2": "confirmed"}


async def test_an_older_request_of_anothers_confirms_nothing(
    desk: Desk, confirmer: Confirmer, tenant: FakeCloudflare
) -> None:
    """One list serves all that are due: it begins where the oldest was asked for."""
    await desk.want(Reclassify(detection("m2"), to="SPAM"))
    (call,) = await desk.claim()
    await desk.settle(call, State.SUCCEEDED, due_in=2 * 3600.0)
    tenant.tickets.append(replace(ticket(), requested_at=at(NOW)))
    desk.clock.pass_time(2 * 3600.0)
    await desk.want(Reclassify(detection(), to="SPAM"))
    (call,) = await desk.claim()
    await desk.settle(call, State.SUCCEEDED, due_in=0.0)
    assert await confirmer.step() == 2
    assert await told(desk) == []
    assert len(tenant.asked("submissions")) == 1
