from __future__ import annotations

from typing import Any

import pytest

from tests.builders import NOW, at, call, detection, item
from tests.fakes import FakeCloudflare
from worker.cloudflare import LogEntry, ReleaseAnswer, ReleaseRow
from worker.executors.base import Effect
from worker.executors.release import ReleaseExecutor
from worker.model.actions import State
from worker.model.calls import Item, Outcome

DELAY = 30.0
ANN, BOB = "ann@corp.example", "bob@corp.example"
RELEASE = item(kind="release", target="")


@pytest.fixture
def executor(tenant: FakeCloudflare) -> ReleaseExecutor:
    """Releases at the fake tenant."""
    return ReleaseExecutor(tenant.client, DELAY)


async def outcome(
    executor: ReleaseExecutor, tenant: FakeCloudflare, *rows: ReleaseRow, of: Item = RELEASE
) -> Outcome:
    """What a call with one message makes of these rows."""
    tenant.will("release", lambda **_: ReleaseAnswer(rows))
    (one,) = (await executor.execute(call(of))).outcomes
    return one


async def test_a_delivered_message_is_released(executor: ReleaseExecutor, tenant: FakeCloudflare) -> None:
    """The row names the message and its recipients."""
    tenant.add(detection())
    answered = await executor.execute(call(RELEASE))
    assert [one.state for one in answered.outcomes] == [State.SUCCEEDED]
    assert tenant.effects == [("release", "m1", "")]


@pytest.mark.parametrize("lists", [{}, {"delivered": ()}, {"delivered": None, "failed": ()}])
async def test_a_row_without_recipients_is_no_success(
    executor: ReleaseExecutor, tenant: FakeCloudflare, lists: dict[str, Any]
) -> None:
    """Null and empty lists prove nothing: the effect is unknown."""
    one = await outcome(executor, tenant, ReleaseRow(id="m1", **lists))
    assert (one.state, one.due_in) == (State.UNKNOWN, DELAY)


@pytest.mark.parametrize("name", ["failed", "undelivered"])
async def test_a_recipient_that_was_not_reached_is_named(
    executor: ReleaseExecutor, tenant: FakeCloudflare, name: str
) -> None:
    """Delivered to some is failed, for a person to finish: it is never sent twice."""
    rows: dict[str, Any] = {name: (BOB,)}
    partly = await outcome(executor, tenant, ReleaseRow(id="m1", delivered=(ANN,), **rows))
    assert (partly.state, partly.error) == (State.FAILED, f"delivered to some recipients only; not to {BOB}")
    nobody = await outcome(executor, tenant, ReleaseRow(id="m1", **rows))
    assert (nobody.state, nobody.error) == (State.FAILED, f"not delivered to {BOB}")


@pytest.mark.parametrize(
    "rows, state, told",
    [
        ([{"delivered": (ANN, BOB.upper())}], State.SUCCEEDED, None),
        ([{"delivered": (ANN,)}, {"delivered": (BOB,)}], State.SUCCEEDED, None),
        ([{"delivered": (ANN,)}], State.UNKNOWN, f"the answer does not name {BOB}"),
        (
            [{"failed": (BOB,)}],
            State.UNKNOWN,
            "the answer names no recipient that it was delivered to",
        ),
        (
            [{"failed": (BOB,)}, {"delivered": (ANN,)}],
            State.FAILED,
            f"delivered to some recipients only; not to {BOB}",
        ),
        ([{"failed": (BOB,), "undelivered": (ANN,)}], State.FAILED, f"not delivered to {ANN}, {BOB}"),
    ],
)
async def test_every_recipient_has_to_be_accounted_for(
    executor: ReleaseExecutor, tenant: FakeCloudflare, rows: list[Any], state: State, told: str | None
) -> None:
    """All rows of a message count; of whom none speaks, nobody knows whether it was delivered."""
    both = item(kind="release", target="", recipients=(ANN, BOB))
    one = await outcome(executor, tenant, *(ReleaseRow(id="m1", **row) for row in rows), of=both)
    assert (one.state, one.error) == (state, told)


async def test_a_message_that_no_row_names_is_unknown(
    executor: ReleaseExecutor, tenant: FakeCloudflare
) -> None:
    """Rows of a release carry the message's own id."""
    assert (await outcome(executor, tenant)).state is State.UNKNOWN
    assert (await outcome(executor, tenant, ReleaseRow(id="m2", delivered=(ANN,)))).state is State.UNKNOWN


async def test_a_release_to_somebody_else_is_unknown(
    executor: ReleaseExecutor, tenant: FakeCloudflare
) -> None:
    """Also where the message has one recipient alone."""
    one = await outcome(executor, tenant, ReleaseRow(id="m1", delivered=("eve@evil.example",)))
    assert (one.state, one.due_in) == (State.UNKNOWN, DELAY)


async def test_a_release_long_before_it_was_sent_is_none_of_ours(
    executor: ReleaseExecutor, tenant: FakeCloudflare
) -> None:
    """The mail may have been quarantined again since; without a time, an entry counts."""
    tenant.add(detection())
    tenant.logs["m1"] = [LogEntry(operation="QUARANTINE_RELEASE", completed_at=at(NOW - 86400), success=True)]
    assert (await executor.read_back(RELEASE, NOW + 30)).effect is Effect.NOT_DONE
    tenant.logs["m1"] = [LogEntry(operation="QUARANTINE_RELEASE", success=True)]
    assert (await executor.read_back(RELEASE, NOW + 30)).effect is Effect.DONE


async def test_a_release_in_the_log_is_done(executor: ReleaseExecutor, tenant: FakeCloudflare) -> None:
    """The vendor's own log is the proof."""
    tenant.logs["m1"].append(LogEntry(operation="QUARANTINE_RELEASE", success=True))
    assert (await executor.read_back(RELEASE, NOW)).effect is Effect.DONE


async def test_a_release_on_the_message_is_done(executor: ReleaseExecutor, tenant: FakeCloudflare) -> None:
    """The row may show it before the log does."""
    tenant.add(detection(post_delivery_operations=("QUARANTINE_RELEASE",)))
    assert (await executor.read_back(RELEASE, NOW)).effect is Effect.DONE


async def test_a_failed_release_is_not_done(executor: ReleaseExecutor, tenant: FakeCloudflare) -> None:
    """Nor is a message that shows nothing of the kind."""
    tenant.add(detection(is_quarantined=True))
    tenant.logs["m1"].append(LogEntry(operation="QUARANTINE_RELEASE", success=False))
    tenant.logs["m1"].append(LogEntry(operation="MOVE", success=True))
    assert (await executor.read_back(RELEASE, NOW)).effect is Effect.NOT_DONE


@pytest.mark.parametrize(
    "row, state",
    [
        (detection(is_quarantined=True, delivery_status=("quarantined",)), State.READY),
        (detection(is_quarantined=True, post_delivery_operations=("QUARANTINE_RELEASE",)), State.SKIPPED),
        (detection(is_quarantined=True, post_delivery_operations=("RELEASE",)), State.SKIPPED),
        (detection(is_quarantined=False, delivery_status=("delivered",)), State.SKIPPED),
        (detection(is_quarantined=False, delivery_status=("delivered", "quarantined")), State.READY),
        (detection(is_quarantined=False, delivery_status=()), State.READY),
    ],
)
async def test_what_is_out_of_quarantine_is_not_released(
    executor: ReleaseExecutor, row: Any, state: State
) -> None:
    """Only where the row says so clearly."""
    assert (await executor.look(RELEASE, row)).state is state
