from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import NOW, at, detection, item, junk
from tests.desk import Desk
from tests.fakes import FakeCloudflare, ManualClock
from worker.acting.looks import SINGLE_READS, TOO_OLD_SECONDS, Looked, look
from worker.acting.reading import GAP_SECONDS, MARGIN_SECONDS, spans
from worker.cloudflare import Page
from worker.errors import (
    BadAnswer,
    RateLimited,
    Refused,
    SlowSearch,
    StoreError,
    Transient,
    Unauthorized,
    VendorError,
)
from worker.executors import executors
from worker.executors.base import FEW, POSTPONED_SECONDS, Executor, ready
from worker.executors.move import LOGGED_LATER, PATIENT_READS, MoveExecutor
from worker.model.actions import State
from worker.model.calls import Item
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.model.plans import PHISHGUARD
from worker.store.calls.claims import VERIFIED_SECONDS


@pytest.fixture
def executor(tenant: FakeCloudflare, desk: Desk) -> Executor:
    """Moves, on a ledger that knows our own."""
    return MoveExecutor(tenant.client, desk.ledger, 30.0, 250)


NEVER_SENT = item(attempts=0)


class Eye:
    """Looks at items for a test."""

    def __init__(self, tenant: FakeCloudflare, executor: Executor) -> None:
        self.tenant = tenant
        self.executor = executor

    async def __call__(self, *items: Item) -> Looked:
        return await look(items, self.executor, self.tenant.client, self.tenant.clock)

    async def state(self, one: Item | None = None) -> tuple[str, str]:
        """What one look says."""
        (seen,) = (await self(one or item())).looks
        return seen.state, seen.why


@pytest.fixture
def eye(tenant: FakeCloudflare, executor: Executor) -> Eye:
    """The look before acting."""
    return Eye(tenant, executor)


def known(start: float, end: float | None = None, name: str = "m1") -> Item:
    """An item whose message has these times, relative to NOW."""
    return item(name, message_from=NOW + start, message_until=NOW + (start if end is None else end))


async def test_an_untouched_message_may_be_moved(eye: Eye, tenant: FakeCloudflare) -> None:
    """One list, and nothing else is asked."""
    tenant.add(detection())
    assert await eye.state() == ("ready", "")
    assert [one.operation for one in tenant.requests] == ["list"]


async def test_many_messages_cost_one_list(eye: Eye, tenant: FakeCloudflare) -> None:
    """No filter takes ids, so they are found among all messages of their time, benign ones too."""
    tenant.add(*(detection(f"m{n}", final_disposition="NONE") for n in range(200)))
    looked = await eye(*(item(f"m{n}", verdict="NONE") for n in range(200)))
    assert {one.state for one in looked.looks} == {State.READY}
    assert len(looked.looks) == 200
    (asked,) = tenant.requests
    assert asked.arguments["detections_only"] is False


async def test_a_message_that_is_already_there_is_skipped(eye: Eye, tenant: FakeCloudflare) -> None:
    """The wanted state holds: nothing is sent, whoever brought it about."""
    tenant.add(detection())
    tenant.moved("m1", "JunkEmail", NOW - 10)
    assert await eye.state(NEVER_SENT) == ("skipped", "already in JunkEmail")


@pytest.mark.parametrize("seconds, state", [(-100, "skipped"), (-10, "unknown"), (5, "unknown")])
async def test_its_own_late_effect_is_read_back_and_not_skipped(
    eye: Eye, tenant: FakeCloudflare, seconds: float, state: str
) -> None:
    """Sent once, and the log was late: what it did has to be known, or nobody could undo it."""
    tenant.add(detection())
    tenant.moved("m1", "JunkEmail", NOW + seconds)
    sent = item(submitted_at=NOW, attempts=1)
    assert (await eye.state(sent))[0] == state
    # Where read-backs say otherwise again and again, it ends.
    assert (await eye.state(replace(sent, read_backs=PATIENT_READS)))[0] == "skipped"


async def test_a_message_that_somebody_moved_elsewhere_is_held(eye: Eye, tenant: FakeCloudflare) -> None:
    """A person had a reason: another one has to decide."""
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 10, by="bob@corp.example")
    assert await eye.state() == ("held", "moved to Inbox by bob@corp.example")


async def test_the_last_move_counts(eye: Eye, tenant: FakeCloudflare) -> None:
    """In the order of the log's times, whatever order it comes in; moves that failed moved nothing."""
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 10)
    tenant.moved("m1", "JunkEmail", NOW - 20)
    assert (await eye.state())[0] == "held"
    tenant.moved("m1", "JunkEmail", NOW - 5)
    assert (await eye.state(NEVER_SENT))[0] == "skipped"
    tenant.moved("m1", "Inbox", NOW - 1, success=False)
    assert (await eye.state(NEVER_SENT))[0] == "skipped"


async def test_our_own_move_stops_nothing(eye: Eye, tenant: FakeCloudflare, desk: Desk) -> None:
    """The worker may change its mind with the verdict."""
    await desk.bring(State.SUCCEEDED, junk("m1", to="Inbox"))
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW, by="worker")
    assert await eye.state() == ("ready", "")


async def test_what_somebody_moved_there_too_stays(eye: Eye, tenant: FakeCloudflare, desk: Desk) -> None:
    """A person who put it where the worker had wants it there: a new verdict does not take it away again."""
    await desk.bring(State.SUCCEEDED, junk("m1", to="Inbox"))
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW, by="worker")
    tenant.moved("m1", "Inbox", NOW + 5, by="worker")
    assert await eye.state() == ("ready", "")
    tenant.moved("m1", "Inbox", NOW + 10, by="bob@corp.example")
    assert await eye.state() == ("held", "moved to Inbox by bob@corp.example, after the worker had")


async def test_an_approval_covers_moves_before_it(eye: Eye, tenant: FakeCloudflare) -> None:
    """The person who approved was told of them; what came later nobody was."""
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 10)
    assert (await eye.state(item(approved_at=NOW - 5, origin="Inbox")))[0] == "ready"
    assert (await eye.state(item(approved_at=NOW - 15, origin="Inbox")))[0] == "held"


@pytest.mark.parametrize("origin", [None, "DeletedItems"])
async def test_an_approval_covers_no_move_that_nobody_told_of(
    eye: Eye, tenant: FakeCloudflare, origin: str | None
) -> None:
    """It was held for its cap, or because the message was in another folder: now the hold says where it is."""
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 10, by="bob@corp.example")
    (seen,) = (await eye(item(approved_at=NOW - 5, origin=origin))).looks
    assert (seen.state, seen.why, seen.origin) == ("held", "moved to Inbox by bob@corp.example", "Inbox")


async def test_a_move_that_the_log_does_not_show_yet_has_its_time(eye: Eye, tenant: FakeCloudflare) -> None:
    """The row says moved, the log not where to: what it shows a delay later counts; it is held if that is nothing."""
    tenant.add(detection(post_delivery_operations=("MOVE",)))
    (seen,) = (await eye(item(submitted_at=None))).looks
    assert (seen.state, seen.why, seen.again_in) == ("ready", LOGGED_LATER, 30.0)
    later = item(submitted_at=None, attempts=0, error=LOGGED_LATER)
    assert (await eye.state(later))[0] == "held"
    tenant.moved("m1", "JunkEmail", NOW - 10)
    assert await eye.state(later) == ("skipped", "already in JunkEmail")


async def test_a_move_that_no_log_ever_shows_can_be_approved(eye: Eye, tenant: FakeCloudflare) -> None:
    """Once its hold has said so; where the log shows it after all, the approver is told that too."""
    tenant.add(detection(post_delivery_operations=("MOVE",)))
    late = item(submitted_at=None, error=LOGGED_LATER)
    assert (await eye.state(replace(late, approved_at=NOW - 5)))[0] == "held"
    (seen,) = (await eye(late)).looks
    told = item(submitted_at=None, approved_at=NOW - 5, origin=seen.origin)
    assert (await eye.state(told))[0] == "ready"
    tenant.moved("m1", "Inbox", NOW - 10, by="bob@corp.example")
    assert await eye.state(told) == ("held", "moved to Inbox by bob@corp.example")


async def test_a_move_that_may_be_our_own_is_read_back(eye: Eye, tenant: FakeCloudflare) -> None:
    """Its answer was lost and the log lags: the log has to catch up, no person has to decide."""
    tenant.add(detection(post_delivery_operations=("MOVE",)))
    assert (await eye.state(item(submitted_at=NOW - 90)))[0] == "unknown"
    assert (await eye.state(item(submitted_at=NOW - 90, read_backs=5)))[0] == "held"


async def test_a_message_that_is_gone_is_skipped(eye: Eye, tenant: FakeCloudflare) -> None:
    """No list shows it and the vendor does not know its id."""
    assert await eye.state() == ("skipped", "the message is gone")


async def test_a_message_that_no_list_shows_is_asked_for_by_its_id(eye: Eye, tenant: FakeCloudflare) -> None:
    """Its times may be unknown, or not those that the list filters."""
    tenant.add(detection(scanned_at=at(NOW - 86400)))
    assert (await eye.state(item(is_submission=True)))[0] == "ready"
    assert tenant.asked("get") == [{"id": "m1", "submission": True}]
    assert (await eye.state(item(message_from=None, message_until=None)))[0] == "ready"


async def test_a_changed_verdict_is_decided_anew(eye: Eye, tenant: FakeCloudflare) -> None:
    """The reason for the action may be gone: the row goes back to the playbooks."""
    row = detection(final_disposition="NONE")
    tenant.add(row)
    assert await eye(item()) == Looked((), (row,), NOW)


@pytest.mark.parametrize("changes", [{"source": PHISHGUARD}, {"cause": "undone-action"}])
async def test_a_report_and_an_undo_do_not_hang_on_the_verdict(
    eye: Eye, tenant: FakeCloudflare, changes: dict[str, Any]
) -> None:
    """They were not wanted because of it."""
    tenant.add(detection(final_disposition="NONE"))
    assert (await eye.state(item(**changes)))[0] == "ready"


@pytest.mark.parametrize("operation", ["get", "action_log"])
@pytest.mark.parametrize("error", [Refused("bad", status=400), BadAnswer("not JSON", status=200)])
async def test_one_message_that_cannot_be_read_stops_no_other(
    eye: Eye, tenant: FakeCloudflare, operation: str, error: VendorError
) -> None:
    """It waits, unseen and unsent; the others of its lane go on."""
    if operation == "action_log":
        tenant.add(detection("m1", post_delivery_operations=("MOVE",)))
    tenant.add(detection("m2"))
    tenant.will(operation, error)
    one, two = (await eye(item("m1"), item("m2"))).looks
    assert one.again_in is not None
    assert (two.state, two.again_in) == (State.READY, None)


@pytest.mark.parametrize(
    "error", [Transient("no connection"), RateLimited("", retry_after=1.0), Unauthorized("", status=401)]
)
@pytest.mark.parametrize("operation", ["list", "get"])
async def test_a_vendor_that_cannot_be_asked_stops_the_look(
    eye: Eye, tenant: FakeCloudflare, operation: str, error: VendorError
) -> None:
    """That says nothing of any message."""
    tenant.will(operation, error)
    with pytest.raises(type(error)):
        await eye(item())


async def test_messages_asked_for_one_by_one_are_bounded(eye: Eye, tenant: FakeCloudflare) -> None:
    """The rest waits for the next round: the budget is for all."""
    looked = await eye(*(item(f"m{n}") for n in range(SINGLE_READS + 9)))
    assert len(tenant.asked("get")) == len(looked.looks) == SINGLE_READS


async def test_every_page_of_a_span_is_read(eye: Eye, tenant: FakeCloudflare) -> None:
    """Until all messages are found, and never round in circles."""
    tenant.per_page = 3
    tenant.add(*(detection(f"m{n}") for n in range(10)))
    assert len((await eye(item("m8"))).looks) == 1
    assert [one["cursor"] for one in tenant.asked("list")] == [None, "3", "6"]


def test_messages_close_in_time_share_a_span() -> None:
    """A list costs a request: what lies near is read together, what lies far apart."""
    day = 86400.0
    near = [known(-3000), known(-3000 + GAP_SECONDS), known(-3000 - GAP_SECONDS)]
    assert spans([*near, known(-day)], NOW) == [
        (NOW - day - MARGIN_SECONDS, NOW - day + MARGIN_SECONDS),
        (NOW - 3000 - GAP_SECONDS - MARGIN_SECONDS, NOW - 3000 + GAP_SECONDS + MARGIN_SECONDS),
    ]


def test_messages_of_unknown_time_have_no_span() -> None:
    """They are asked for by their id."""
    assert spans([replace(item(), message_from=None)], NOW) == []


ITEMS = st.lists(
    st.tuples(st.floats(-200000, 200000), st.floats(0, 10000)).map(lambda t: known(t[0], t[0] + t[1])),
    max_size=20,
)


@given(ITEMS)
def test_spans_hold_every_message_and_never_the_future(items: list[Item]) -> None:
    """Sorted, apart, with a start before their end, and none reaches past now."""
    found = spans(items, NOW)
    assert all(start <= end <= NOW for start, end in found)
    assert all(one[1] + GAP_SECONDS < other[0] for one, other in pairwise(found))
    for one in items:
        if one.message_until is not None and one.message_from is not None and one.message_until <= NOW:
            assert any(start <= one.message_from <= one.message_until <= end for start, end in found)


def test_the_fake_row_is_what_the_item_was_made_of() -> None:
    """Or the tests above would prove nothing about verdicts."""
    row: Detection = detection()
    assert (row.final_disposition, row.id) == (item().verdict, item().message_id)


def going_back(cause: str, **changes: Any) -> Item:
    """An undo of the worker's own move to Junk, on its way to the Inbox."""
    return item(target="Inbox", cause=cause, submitted_at=None, **changes)


async def our_move(tenant: FakeCloudflare, desk: Desk, *, logged: bool = True) -> str:
    """The id of a move to Junk that the worker made just now."""
    tenant.add(detection())
    (row,) = await desk.bring(State.SUCCEEDED, junk())
    if logged:
        tenant.moved("m1", "JunkEmail", NOW, by="worker")
    return str(row["id"])


async def test_an_undo_goes_back_from_where_the_worker_put_it(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """The log shows our own move and nothing since; where the message is now is kept, for an undo of the undo."""
    one = await our_move(tenant, desk)
    (seen,) = (await eye(going_back(one))).looks
    assert (seen.state, seen.origin) == (State.READY, "JunkEmail")


async def test_an_undo_of_a_message_that_somebody_moved_meanwhile_is_held(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """It is not where the worker put it; to where the undo would put it, it is skipped."""
    one = await our_move(tenant, desk)
    tenant.moved("m1", "DeletedItems", NOW + 5, by="bob@corp.example")
    assert await eye.state(going_back(one)) == ("held", "moved to DeletedItems by bob@corp.example")
    tenant.moved("m1", "Inbox", NOW + 6, by="bob@corp.example")
    assert await eye.state(going_back(one)) == ("skipped", "already in Inbox")


async def test_an_undo_of_what_another_move_of_ours_followed_is_held(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """The message is not where the undone move had put it; with the later one undone, it is."""
    one = await our_move(tenant, desk)
    desk.clock.pass_time(10)
    await desk.bring(State.SUCCEEDED, junk(to="DeletedItems", final_disposition="SUSPICIOUS"))
    later = await desk.row(target="DeletedItems")
    tenant.moved("m1", "DeletedItems", NOW + 10, by="worker")
    why = f"{later['id']} has moved it on to DeletedItems since: undo that one first"
    assert await eye.state(going_back(one)) == ("held", why)


async def test_an_undo_waits_until_the_log_shows_what_it_undoes(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """An older move to the same folder must not be taken for the present one; in the end a person decides."""
    tenant.add(detection())
    tenant.moved("m1", "Inbox", NOW - 600, by="bob@corp.example")
    one = await our_move(tenant, desk, logged=False)
    tenant.add(detection(post_delivery_operations=("MOVE",)))
    (seen,) = (await eye(going_back(one))).looks
    assert (seen.state, seen.again_in) == (State.READY, 30.0)
    desk.clock.pass_time(150)
    tenant.moved("m1", "DeletedItems", NOW + 60, by="bob@corp.example")
    assert (await eye.state(going_back(one)))[0] == "held"


async def test_an_undo_whose_way_back_was_assumed_wrongly_is_held(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """Somebody had moved it just before the worker did: a person says where to, or that it is right all the same."""
    tenant.add(detection())
    tenant.moved("m1", "DeletedItems", NOW - 1, by="bob@corp.example")
    one = await our_move(tenant, desk)
    why = f"the vendor's log shows it in DeletedItems before {one}"
    assert await eye.state(going_back(one)) == ("held", why)
    assert (await eye.state(going_back(one, approved_at=NOW + 1, origin="JunkEmail")))[0] == "ready"
    elsewhere = item(target="DeletedItems", cause=one, submitted_at=None)
    assert (await eye.state(elsewhere))[0] == "ready"


async def test_an_undo_of_a_move_for_some_recipients_knows_its_own_hand(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """It failed, and the message was moved all the same."""
    one = await our_move(tenant, desk)
    await desk.edit(one, state=State.FAILED, error="moved for some recipients only; not for bob@corp.example")
    assert (await eye.state(going_back(one)))[0] == "ready"


async def test_a_slow_look_leaves_the_rest_for_the_next_round(
    eye: Eye, tenant: FakeCloudflare, desk: Desk
) -> None:
    """Or what was seen first would be too old to act on when the last is seen: a mass undo would never begin."""
    for number in range(20):
        tenant.add(detection(f"m{number}"))
        tenant.moved(f"m{number}", "JunkEmail", NOW - 5)

    def slow(id: str) -> Any:  # noqa: A002 - the fake's name
        desk.clock.pass_time(5)
        return tuple(tenant.logs[id])

    tenant.will("action_log", *[slow] * 20)
    looked = await eye(*(item(f"m{number}", attempts=0) for number in range(20)))
    assert len(looked.looks) == 8
    assert {one.read_at for one in looked.looks} == {NOW}


def takes(clock: ManualClock, seconds: float, answer: Any = None) -> Any:
    """A vendor that takes its time to answer: `answer`, or what the tenant has."""

    def slow(**_: Any) -> Any:
        clock.pass_time(seconds)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return slow


async def test_a_list_that_came_too_late_is_made_up_for_by_ids(
    eye: Eye, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """What it shows was asked for too long ago to act on; each of these is dated by its own request."""
    rows = tuple(detection(f"m{n}") for n in range(3))
    tenant.add(*rows)
    tenant.will("list", takes(clock, 61.0, Page(rows, (), next="more")))
    looked = await eye(*(item(f"m{n}") for n in range(3)))
    assert {(one.state, one.read_at) for one in looked.looks} == {(State.READY, NOW + 61)}
    assert (len(tenant.asked("list")), len(tenant.asked("get"))) == (1, 3)


async def test_listing_ends_in_time_for_what_it_has_found(
    eye: Eye, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """A busy day has many pages: the rest is asked for by id, and each row is dated by its own page."""
    rows = [detection(f"m{n:02}") for n in range(60)]
    tenant.add(*rows)
    tenant.will("list", *(takes(clock, 8.0, Page((rows[n],), (), next=str(n + 1))) for n in range(len(rows))))
    looked = await eye(*(item(row.id) for row in rows))
    assert len(tenant.asked("list")) == 4
    dates = {one.action_id: one.read_at for one in looked.looks}
    assert dates == {
        "a-m01": NOW + 8,
        "a-m02": NOW + 16,
        "a-m03": NOW + 24,
        **{f"a-{row.id}": NOW + 32 for row in (rows[0], *rows[4:53])},
    }


async def test_what_waited_for_the_budget_is_no_older_for_that(eye: Eye, tenant: FakeCloudflare) -> None:
    """Five minutes in line for the first page: what it shows is acted on, without a request for each message."""

    def late(**_: Any) -> Page[Detection]:
        tenant.clock.pass_time(300)
        return Page(tuple(detection(f"m{n}") for n in range(3)), next="2", waited=300.0)

    tenant.add(*(detection(f"m{n}") for n in range(5)))
    tenant.will("list", late)
    looked = await eye(*(known(-60, name=f"m{n}") for n in range(5)))
    # The others are there to be listed when these have gone out.
    assert sorted(one.action_id for one in looked.looks) == ["a-m0", "a-m1", "a-m2"]
    assert {one.read_at for one in looked.looks} == {NOW + 300}
    assert looked.helps(tenant.clock.now())
    assert [one.operation for one in tenant.requests] == ["list"]


async def test_what_waited_for_the_budget_and_shows_nobody_is_made_up_for(
    eye: Eye, tenant: FakeCloudflare
) -> None:
    """Else what lies on a later page would never be seen."""

    def others(**_: Any) -> Page[Detection]:
        tenant.clock.pass_time(300)
        return Page((detection("another"),), waited=300.0)

    tenant.add(detection())
    tenant.will("list", others)
    assert await eye.state(known(-60)) == ("ready", "")
    assert [one.operation for one in tenant.requests] == ["list", "get"]


async def test_a_search_without_end_is_made_up_for_by_ids(eye: Eye, tenant: FakeCloudflare) -> None:
    """The vendor may look for a window's messages as long as it likes."""
    tenant.add(detection())
    tenant.will("list", SlowSearch("the search took more than 30 s"))
    assert await eye.state() == ("ready", "")


@pytest.mark.parametrize("status", [400, 404, 410, 422])
async def test_times_that_the_vendor_refuses_are_made_up_for_by_ids(
    eye: Eye, tenant: FakeCloudflare, status: int
) -> None:
    """Odd times of one message stop no other, whatever the vendor calls that: another list works."""
    tenant.add(detection())
    tenant.will("list", Refused("start is too long ago", status=status))
    assert await eye.state() == ("ready", "")


@pytest.mark.parametrize(
    "error", [Refused("404", status=404), Refused("404 (7003 No route)", status=404, codes=(7003,))]
)
async def test_a_list_that_is_not_there_stops_the_look(
    eye: Eye, tenant: FakeCloudflare, error: Refused
) -> None:
    """That is about them all: no single 404 after it would mean anything."""
    tenant.will("list", error, error)
    with pytest.raises(Refused):
        await eye(item())
    assert tenant.asked("get") == []


@pytest.mark.parametrize("status", [404, 503])
async def test_no_message_is_gone_while_nothing_can_be_found(
    eye: Eye, tenant: FakeCloudflare, status: int
) -> None:
    """A gateway in trouble answers 404 to everything: a list that comes after it tells the two apart."""
    error = Refused if status == 404 else Transient
    tenant.will("list", None, error("nobody at home", status=status))
    (seen,) = (await eye(item())).looks
    assert (seen.state, seen.again_in, seen.unread) == (State.READY, POSTPONED_SECONDS, True)
    assert "nobody at home" in seen.why
    (seen,) = (await eye(item(refusals=2))).looks
    assert (seen.state, seen.why) == (State.SKIPPED, "the message is gone")


async def test_many_that_are_gone_cost_one_list_more(eye: Eye, tenant: FakeCloudflare) -> None:
    """And a message without known times is gone as quickly."""
    unknown = item("m0", message_from=None, message_until=None)
    looked = await eye(unknown, *(item(f"m{n}") for n in range(1, 20)))
    assert {one.why for one in looked.looks} == {"the message is gone"}
    assert len(tenant.asked("list")) == 2


@pytest.mark.parametrize("code", [7000, 7003])
async def test_a_request_that_found_no_route_says_nothing_of_its_message(
    eye: Eye, tenant: FakeCloudflare, code: int
) -> None:
    """Also where lists do find theirs."""
    tenant.add(detection("m2"))
    tenant.will("get", Refused("no route for that URI", status=404, codes=(code,)))
    one, two = (await eye(item("m1"), item("m2"))).looks
    assert (one.state, one.again_in, one.unread) == (State.READY, POSTPONED_SECONDS, True)
    assert (two.state, two.again_in) == (State.READY, None)


async def test_a_mistake_over_one_message_stops_no_other(
    eye: Eye, tenant: FakeCloudflare, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id that no request can carry, say: it waits, longer each time, and the mistake is told."""
    tenant.add(detection("m2"))
    tenant.will("get", takes(tenant.clock, 0.0, ValueError("an id must have 1 to 512 characters")))
    one, two = (await eye(item("m1", refusals=3), item("m2"))).looks
    assert (one.state, one.again_in, one.unread) == (State.READY, 8 * POSTPONED_SECONDS, True)
    assert (two.state, two.again_in) == (State.READY, None)
    assert "task.failed" in capsys.readouterr().err


async def test_a_database_that_refuses_stops_the_look(eye: Eye, tenant: FakeCloudflare) -> None:
    """That is no fault of the message."""
    tenant.add(detection(post_delivery_operations=("MOVE",)))
    tenant.will("action_log", takes(tenant.clock, 0.0, StoreError("disk is full")))
    with pytest.raises(StoreError):
        await eye(item())


async def test_a_survey_that_took_too_long_is_made_again_for_a_few(
    tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """A list of all entries may be long: some go on, dated by a look of their own."""
    executor = executors(tenant.client, None, 30.0, 250)["notify"]  # type: ignore[arg-type]  # of no use here
    asked: list[int] = []

    async def survey(items: Sequence[Item], _: float) -> list[Look]:
        asked.append(len(items))
        clock.pass_time(len(items))
        return [ready(one) for one in items]

    executor.survey = survey  # type: ignore[union-attr, method-assign]
    looked = await look([item(f"m{n}") for n in range(40)], executor, tenant.client, clock)
    assert asked == [40, FEW]
    assert ([one.read_at for one in looked.looks], looked.few) == ([NOW + 40] * FEW, True)


def test_what_is_too_old_to_claim_is_too_old_here() -> None:
    """Or a look that helps nobody would be made again at once, for ever."""
    assert TOO_OLD_SECONDS == VERIFIED_SECONDS


async def test_a_slow_list_leaves_less_time_for_the_logs(
    eye: Eye, tenant: FakeCloudflare, clock: ManualClock
) -> None:
    """The rows are as old as the list: a round that goes on for too long would help nobody, and so would the next."""
    rows = tuple(detection(f"m{number:02}") for number in range(40))
    tenant.add(*rows)
    for row in rows:
        tenant.moved(row.id, "JunkEmail", NOW - 5)

    def slow(id: str) -> Any:  # noqa: A002 - the fake's name
        clock.pass_time(10 / 8)
        return tuple(tenant.logs[id])

    tenant.will("list", takes(clock, 25.0, Page(tuple(tenant.messages.values()))))
    tenant.will("action_log", *[slow] * 40)
    looked = await eye(
        *(item(row.id, target="DeletedItems", approved_at=NOW - 1, origin="JunkEmail") for row in rows)
    )
    assert len(looked.looks) == 8
    assert {(one.state, one.read_at) for one in looked.looks} == {(State.READY, NOW)}
    assert looked.helps(clock.now())
