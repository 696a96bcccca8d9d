from __future__ import annotations

from typing import Any

import pytest

from tests.builders import NOW, call, detection, item
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from worker.cloudflare import MoveRow
from worker.executors.base import Effect
from worker.executors.move import MoveExecutor, match
from worker.model.actions import SOME_MOVED, State
from worker.model.calls import Item, Outcome

DELAY = 30.0
ANN, BOB = "ann@corp.example", "bob@corp.example"


def row(
    name: str | None = "m1", recipient: str | None = ANN, *, success: bool = True, **changes: Any
) -> MoveRow:
    """One message in one mailbox, as the answer shows it."""
    message_id = f"<{name}@mail.example>" if name and "@" not in name else name
    return MoveRow(success=success, message_id=message_id, recipient=recipient, **changes)


def outcome(*rows: MoveRow, of: Item | None = None) -> Outcome:
    """What a call with one message makes of these rows."""
    (one,) = match([of or item()], rows, DELAY)
    return one


@pytest.fixture
def executor(tenant: FakeCloudflare, desk: Desk) -> MoveExecutor:
    """Moves at the fake tenant."""
    return MoveExecutor(tenant.client, desk.ledger, DELAY, 250)


async def test_one_request_carries_the_whole_call(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """Explicit ids, one target, one outcome for each message."""
    tenant.add(detection("m1"), detection("m2"))
    answered = await executor.execute(call(item("m1"), item("m2")))
    assert [one.state for one in answered.outcomes] == [State.SUCCEEDED] * 2
    assert (answered.event, answered.status, answered.ray) == ("call.answered", 200, "ray-1")
    assert tenant.asked("move") == [{"ids": ["m1", "m2"], "destination": "JunkEmail"}]


@pytest.mark.parametrize(
    "ours, theirs",
    [
        ("<m1@mail.example>", "<m1@mail.example>"),
        ("<m1@mail.example>", "m1@mail.example"),
        ("m1@mail.example", "<m1@mail.example>"),
        (" <m1@mail.example> ", "m1@mail.example"),
    ],
)
def test_a_message_id_is_known_with_and_without_brackets(ours: str, theirs: str) -> None:
    """The vendor's lists and answers need not agree on them."""
    assert outcome(row(theirs), of=item(rfc_message_id=ours)).state is State.SUCCEEDED


def test_rows_are_told_apart_by_message(executor: MoveExecutor) -> None:
    """Each message gets the rows that name it, in whatever order they come."""
    one, two = match(
        [item("m1"), item("m2")], [row("m2", success=False, status="no such folder"), row("m1")], DELAY
    )
    assert (one.state, two.state) == (State.SUCCEEDED, State.FAILED)
    assert two.error == "refused for every recipient: no such folder"


def test_success_needs_every_recipient() -> None:
    """A message is moved when it is moved in every mailbox."""
    both = item(recipients=(ANN, BOB))
    assert outcome(row(), row(recipient=BOB), of=both).state is State.SUCCEEDED
    partly = outcome(row(), of=both)
    assert (partly.state, partly.due_in) == (State.UNKNOWN, DELAY)
    assert BOB in (partly.error or "")


def test_recipients_are_compared_without_case() -> None:
    """Addresses come in many spellings."""
    assert outcome(row(recipient="Ann@Corp.Example")).state is State.SUCCEEDED


def test_a_move_for_some_recipients_only_failed_and_names_the_others() -> None:
    """It is never sent again by itself: that would act on the first ones twice."""
    both = item(recipients=(ANN, BOB))
    partly = outcome(row(), row(recipient=BOB, success=False, status="mailbox full"), of=both)
    assert partly.state is State.FAILED
    assert partly.error == f"moved for some recipients only; not for {BOB}: mailbox full"


def test_a_partial_move_names_also_those_that_the_answer_leaves_out() -> None:
    """Whoever has to look must know every mailbox in doubt."""
    three = item(recipients=(ANN, BOB, "eve@corp.example"))
    partly = outcome(row(), row(recipient=BOB, success=False), of=three)
    assert partly.state is State.FAILED
    assert all(name in (partly.error or "") for name in (BOB, "eve@corp.example"))


def test_a_refusal_for_some_says_nothing_of_the_recipients_left_out() -> None:
    """What the answer does not name is unknown, not refused."""
    both = item(recipients=(ANN, BOB))
    assert outcome(row(success=False), of=both).state is State.UNKNOWN


def test_who_is_left_out_beside_a_success_is_in_doubt_and_said_to_be() -> None:
    """The read-back must know that the others were moved."""
    partly = outcome(row(), of=item(recipients=(ANN, BOB)))
    assert (partly.state, partly.error) == (State.UNKNOWN, f"{SOME_MOVED}: the answer does not name {BOB}")


def test_a_message_that_no_row_names_is_unknown() -> None:
    """It is read back; silence is not success."""
    one, two = match([item("m1"), item("m2")], [row("m1")], DELAY)
    assert (one.state, two.state, two.due_in) == (State.SUCCEEDED, State.UNKNOWN, DELAY)


def test_an_empty_answer_is_unknown() -> None:
    """Success with no rows at all proves nothing."""
    assert outcome().state is State.UNKNOWN


def test_duplicate_rows_count_once() -> None:
    """The same row twice is one mailbox."""
    assert outcome(row(), row()).state is State.SUCCEEDED
    both = item(recipients=(ANN, BOB))
    assert outcome(row(), row(), of=both).state is State.UNKNOWN


def test_a_recipient_that_both_succeeded_and_failed_is_no_success() -> None:
    """The worse of two rows counts."""
    assert outcome(row(), row(success=False)).state is State.FAILED


@pytest.mark.parametrize("recipient", [None, ""])
def test_a_row_without_recipient_stands_for_the_only_one(recipient: str | None) -> None:
    """With one mailbox there is no doubt; with two there is."""
    assert outcome(row(recipient=recipient)).state is State.SUCCEEDED
    both = item(recipients=(ANN, BOB))
    assert outcome(row(recipient=recipient), of=both).state is State.UNKNOWN


def test_a_refusal_without_recipient_is_a_refusal() -> None:
    """There is one outcome, whoever it names."""
    assert outcome(row(recipient=None, success=False, status="gone")).state is State.FAILED


def test_rows_that_name_no_message_belong_to_a_message_alone() -> None:
    """In a call of one they can be about nothing else; in a larger one about anything."""
    nameless = item(rfc_message_id=None)
    assert outcome(row(None), of=nameless).state is State.SUCCEEDED
    for one in match([nameless, item("m2")], [row(None), row("m2")], DELAY):
        assert (one.state is State.SUCCEEDED) is (one.action_id == "a-m2")


def test_rows_about_another_message_are_not_taken_for_ours() -> None:
    """Even where they are the only ones."""
    assert outcome(row("other")).state is State.UNKNOWN


def test_a_row_that_names_another_folder_is_unknown() -> None:
    """The message went somewhere, but not where it should."""
    assert outcome(row(destination="JunkEmail")).state is State.SUCCEEDED
    strange = outcome(row(destination="Archive"))
    assert strange.state is State.UNKNOWN
    assert "Archive" in (strange.error or "")


def test_a_message_without_known_recipients_needs_one_row() -> None:
    """The list need not tell to whom it went."""
    assert outcome(row(), of=item(recipients=())).state is State.SUCCEEDED


async def read_back(executor: MoveExecutor) -> Effect:
    """What a look at the log shows of a move to Junk that was submitted at NOW."""
    return (await executor.read_back(item(), NOW + DELAY)).effect


async def test_a_move_in_the_log_is_done(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """The last move went to the target."""
    tenant.moved("m1", "JunkEmail", NOW + 1)
    assert await read_back(executor) is Effect.DONE


async def test_no_move_in_the_log_is_not_done(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """Then it may be sent again."""
    assert await read_back(executor) is Effect.NOT_DONE


async def test_a_move_elsewhere_is_not_ours(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """Another target is another action."""
    tenant.moved("m1", "Inbox", NOW + 1)
    assert await read_back(executor) is Effect.NOT_DONE


async def test_an_old_move_to_the_target_that_was_undone_does_not_count(
    executor: MoveExecutor, tenant: FakeCloudflare
) -> None:
    """It happened before our request, and the message is elsewhere since."""
    tenant.moved("m1", "JunkEmail", NOW - 3600)
    tenant.moved("m1", "Inbox", NOW - 1800)
    assert await read_back(executor) is Effect.NOT_DONE


async def test_our_move_counts_also_where_somebody_moved_the_message_on(
    executor: MoveExecutor, tenant: FakeCloudflare
) -> None:
    """It took effect; to send it again would undo what that person did."""
    tenant.moved("m1", "JunkEmail", NOW + 1)
    tenant.moved("m1", "Inbox", NOW + 2)
    assert await read_back(executor) is Effect.DONE


async def test_the_vendors_clock_may_be_behind(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """A minute before the submission still counts as after it."""
    tenant.moved("m1", "JunkEmail", NOW - 59)
    tenant.moved("m1", "Inbox", NOW + 2)
    assert await read_back(executor) is Effect.DONE


async def test_a_failed_move_in_the_log_is_not_done(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """The log shows tries as well as effects."""
    tenant.moved("m1", "JunkEmail", NOW + 1, success=False)
    assert await read_back(executor) is Effect.NOT_DONE


async def test_other_operations_are_no_moves(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """A preview of the message moved nothing."""
    from worker.cloudflare import LogEntry  # noqa: PLC0415 - only here

    tenant.logs["m1"].append(LogEntry(operation="PREVIEW", folder="JunkEmail", success=True))
    assert await read_back(executor) is Effect.NOT_DONE


@pytest.mark.parametrize(
    "shown, moved_on, effect",
    [
        (("moved", "move_failed"), False, Effect.PARTLY),
        (("moved",), False, Effect.DONE),
        (None, False, Effect.DONE),
        # Whose move failed is not told: ours took effect.
        (("moved", "move_failed"), True, Effect.DONE),
    ],
)
async def test_of_a_move_for_several_the_message_is_asked(
    executor: MoveExecutor,
    tenant: FakeCloudflare,
    shown: tuple[str, ...] | None,
    moved_on: bool,
    effect: Effect,
) -> None:
    """The log has one entry for all; where the message is not shown, that is all that can be known."""
    if shown is not None:
        tenant.add(detection(delivery_status=shown))
    tenant.moved("m1", "JunkEmail", NOW + 1)
    if moved_on:
        tenant.moved("m1", "Inbox", NOW + 2)
    both = item(recipients=(ANN, BOB))
    assert (await executor.read_back(both, NOW + DELAY)).effect is effect


async def test_what_was_seen_is_kept_for_the_log(executor: MoveExecutor, tenant: FakeCloudflare) -> None:
    """The proof stands beside the conclusion."""
    tenant.moved("m1", "JunkEmail", NOW + 1)
    seen = (await executor.read_back(item(), NOW + DELAY)).seen
    assert seen["moves"][0][0] == "JunkEmail"
