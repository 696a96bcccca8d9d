from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.builders import NOW, at, call, detection, item
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from worker.cloudflare import BadRow, LogEntry, Page, Submission, SubmissionAnswer, SubmissionResult
from worker.cloudflare.submissions import MissedDetection
from worker.errors import AnswerLost, BadAnswer, Refused
from worker.executors.base import Effect
from worker.executors.submissions import SHARED_SECONDS, SubmissionExecutor, settle
from worker.model.actions import Reclassify, State, Submit, named
from worker.model.calls import Item
from worker.model.events import Detection
from worker.model.kinds import ALERT, MISSED, UNNAMED, kind_of

DELAY = 30.0


@pytest.fixture
def executor(tenant: FakeCloudflare, desk: Desk) -> SubmissionExecutor:
    """Asks the fake tenant."""
    return SubmissionExecutor("submit", tenant.client, desk.ledger, DELAY, 250)


def caught(name: str, **changes: Any) -> Detection:
    """A message with an alert."""
    return detection(name, alert_id=f"alert-{name}", **changes)


def asked(message: Detection, to: str = "NONE", **more: Any) -> Item:
    """What is to be submitted."""
    params = Submit(message, to=to, **more).params
    return item(message.id, kind="submit", target=to, params=params)


def answer(*rows: tuple[str, bool], bad: int = 0) -> SubmissionAnswer:
    """What the vendor says: an id and whether it was accepted."""
    told = (SubmissionResult(id=one, accepted=good, error=None if good else "too old") for one, good in rows)
    return SubmissionAnswer(tuple(told), bad)


def states(items: Sequence[Item], told: SubmissionAnswer) -> list[State]:
    """What becomes of each item."""
    return [one.state for one in settle(items, told, DELAY)]


async def test_many_messages_share_one_request(executor: SubmissionExecutor, tenant: FakeCloudflare) -> None:
    """Each under its alert, with its own verdict; they are looked for later."""
    messages = [caught(f"m{n}") for n in range(5)]
    tenant.add(*messages)
    wanted = [asked(one, "NONE" if number % 2 else "SPAM") for number, one in enumerate(messages)]
    answered = await executor.execute(call(*wanted))
    (request,) = tenant.asked("submit")
    assert [(one.alert_id, one.expected_disposition) for one in request["messages"]] == [
        (f"alert-m{n}", "NONE" if n % 2 else "SPAM") for n in range(5)
    ]
    assert {(one.state, one.due_in) for one in answered.outcomes} == {(State.SUCCEEDED, DELAY)}
    assert (answered.status, answered.ray) == (202, "ray-3")


async def test_benign_mail_is_a_missed_detection(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """It has no alert: it goes under the ids and recipients of the mail."""
    tenant.add(detection(final_disposition="NONE"))
    await executor.execute(call(asked(detection(), "MALICIOUS", escalates="s-7")))
    (sent,) = tenant.asked("submit")[0]["messages"]
    assert sent == MissedDetection(
        postfix_id="postfix-m1",
        message_id="<m1@mail.example>",
        recipient_emails=("ann@corp.example",),
        expected_disposition="MALICIOUS",
        escalated_submission_id="s-7",
    )


@pytest.mark.parametrize(
    "message, way",
    [
        (caught("m1"), ALERT),
        (detection(), MISSED),
        (detection(message_id=None), UNNAMED),
        (detection(client_recipients=()), UNNAMED),
        (detection(postfix_id=""), UNNAMED),
    ],
)
def test_a_call_names_its_messages_in_one_way(message: Detection, way: str) -> None:
    """The two types of submissions are two requests; a message without any name is in neither."""
    for action in (Submit(message, to="SPAM"), Reclassify(message, to="SPAM")):
        assert kind_of(action.kind).route(action.params) == way
        assert named(message).items() <= action.params.items()


async def test_a_message_without_a_name_is_not_sent(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """It fails with the remedy."""
    answered = await executor.execute(call(asked(detection(message_id=None))))
    (outcome,) = answered.outcomes
    assert (answered.event, outcome.state) == ("call.not_sent", State.FAILED)
    assert "WORKER_RECLASSIFY_VIA=investigate" in (outcome.error or "")
    assert tenant.requests == []


async def test_what_the_client_refuses_is_a_refusal(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """Nothing was sent, so nothing is in doubt: halves will find the one at fault."""
    with pytest.raises(Refused, match="cannot be sent"):
        await executor.execute(call(asked(caught("m1")), asked(detection("m2", alert_id=" "))))
    assert tenant.effects == []


A, B = asked(caught("m1")), asked(detection("m2", final_disposition="NONE"))


@pytest.mark.parametrize("first", ["alert-m1", "m1"])
@pytest.mark.parametrize("second", ["postfix-m2", "<m2@mail.example>", "m2"])
def test_rows_are_matched_by_any_name_of_the_message(first: str, second: str) -> None:
    """What the id refers to is not documented; the order is nobody's promise."""
    assert states([A, B], answer((second, False), (first, True))) == [State.SUCCEEDED, State.FAILED]


@pytest.mark.parametrize(
    "told, expected",
    [
        (answer(("t1", True), ("t2", True)), [State.SUCCEEDED] * 2),
        (answer(("t1", False), ("t2", False)), [State.FAILED] * 2),
        (answer(("t1", True), ("t2", False)), [State.UNKNOWN] * 2),
        (answer(("t1", True)), [State.UNKNOWN] * 2),
        (answer(("t1", True), ("t2", True), ("t3", True)), [State.UNKNOWN] * 2),
        (answer(("t1", True), ("t2", True), bad=1), [State.UNKNOWN] * 2),
        (answer(("alert-m1", True)), [State.SUCCEEDED, State.UNKNOWN]),
        (answer(("alert-m1", True), ("t2", True)), [State.SUCCEEDED, State.UNKNOWN]),
        (answer(), [State.UNKNOWN] * 2),
    ],
)
def test_rows_of_other_names_prove_what_is_true_of_all(told: SubmissionAnswer, expected: list[State]) -> None:
    """What is not proven is read back."""
    assert states([A, B], told) == expected


def test_a_refusal_is_told_in_the_vendors_words() -> None:
    """The person who can mend it reads why."""
    assert settle([A], answer(("alert-m1", False)), DELAY)[0].error == "not accepted: too old"


async def test_a_lost_answer_is_read_back_by_one_list_for_all(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """Of a whole call, and no log of any message."""
    messages = [caught(f"m{n}") for n in range(50)]
    tenant.add(*messages)
    tenant.will_lose("submit", AnswerLost("no answer"))
    wanted = [asked(one) for one in messages]
    with pytest.raises(AnswerLost):
        await executor.execute(call(*wanted))
    before = len(tenant.requests)
    tenant.clock.pass_time(DELAY)
    found = [(await executor.read_back(one, tenant.clock.now())).effect for one in wanted]
    assert set(found) == {Effect.DONE}
    assert [one.operation for one in tenant.requests[before:]] == ["submissions"]


async def test_a_list_is_shared_for_a_moment_only(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """A second look one delay later is a second look."""
    for later in (0.0, SHARED_SECONDS / 2, SHARED_SECONDS):
        await executor.read_back(A, NOW + DELAY + later)
    assert len(tenant.asked("submissions")) == 2
    await executor.read_back(item("m3", submitted_at=NOW - 60), NOW + DELAY + SHARED_SECONDS)
    assert len(tenant.asked("submissions")) == 3, "one that reaches further back is another"


async def test_what_neither_list_nor_log_shows_is_not_done(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """Both are asked: one of them may lag."""
    assert (await executor.read_back(A, NOW + DELAY)).effect is Effect.NOT_DONE
    assert tenant.asked("action_log") == [{"id": "m1"}]
    assert executor.proofs == 2


async def test_a_submission_on_the_third_short_page_is_found(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """The vendor gives fewer than were asked for: one that was not read would be submitted a second time."""
    rows = [
        Submission(submission_id=f"s{n}", original_postfix_id=f"postfix-m{n}", requested_disposition="NONE")
        for n in (3, 2, 1)
    ]
    tenant.will("submissions", *[lambda row=row, **_: Page((row,), total=3) for row in rows])
    found = await executor.read_back(A, NOW + DELAY)
    assert (found.effect, found.seen) == (Effect.DONE, {"submission_id": "s1"})


async def test_a_row_that_cannot_be_read_may_be_the_one(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """It proves no absence, and hides no other: what the other rows or the log show is done."""
    good = Submission(submission_id="s1", original_postfix_id="postfix-m1", requested_disposition="NONE")
    poison = BadRow(None, "Expected str, got int", "d", "{}")
    tenant.will("submissions", lambda **_: Page((good,), (poison,)))
    assert (await executor.read_back(A, NOW + DELAY)).effect is Effect.DONE
    with pytest.raises(BadAnswer, match="cannot be read"):
        await executor.read_back(B, NOW + DELAY)
    tenant.logs["m2"].append(LogEntry(operation="SUBMISSION", started_at=at(NOW)))
    assert (await executor.read_back(B, NOW + DELAY)).effect is Effect.DONE


async def test_a_users_report_is_passed_on_also_where_the_verdict_is_right(
    executor: SubmissionExecutor,
) -> None:
    """What is escalated is the report."""
    row = caught("m1", final_disposition="SPAM")
    assert (await executor.look(asked(row, "SPAM"), row)).state is State.SKIPPED
    assert (await executor.look(asked(row, "SPAM", escalates="s-7"), row)).state is State.READY


async def test_a_shared_list_shows_nobody_an_older_request(
    executor: SubmissionExecutor, tenant: FakeCloudflare
) -> None:
    """It begins where the oldest of those that share it began; an analyst's request of before ours is not ours."""
    earlier = [
        Submission(
            submission_id=f"s{hours}",
            original_postfix_id="postfix-m1",
            requested_disposition="NONE",
            requested_at=at(NOW - hours * 3600),
        )
        for hours in (1, 2)
    ]
    tenant.tickets += earlier
    assert (
        await executor.read_back(item("m3", submitted_at=NOW - 7200), NOW + DELAY)
    ).effect is Effect.NOT_DONE
    mine = replace(A, submitted_at=NOW)
    assert (await executor.read_back(mine, NOW + DELAY)).effect is Effect.NOT_DONE
    assert len(tenant.asked("submissions")) == 1
    tenant.tickets.append(msgspec.structs.replace(earlier[0], submission_id="s0", requested_at=at(NOW)))
    found = await executor.read_back(mine, NOW + DELAY + SHARED_SECONDS)
    assert (found.effect, found.seen["submission_id"]) == (Effect.DONE, "s0")
