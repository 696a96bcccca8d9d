from __future__ import annotations

from typing import Any

import pytest

from tests.builders import NOW, at, call, decided, detection, item
from tests.desk import Desk
from tests.fakes import FakeCloudflare
from worker.cloudflare import LogEntry, Submission
from worker.executors.base import Effect
from worker.executors.reclassify import ReclassifyExecutor
from worker.model.actions import Reclassify, State

WISH = item(kind="reclassify", target="SPAM")


@pytest.fixture
def executor(tenant: FakeCloudflare, desk: Desk) -> ReclassifyExecutor:
    """Asks the fake tenant."""
    return ReclassifyExecutor(tenant.client, desk.ledger, 30.0)


def entry(seconds: float | None, **changes: Any) -> LogEntry:
    """A submission in the message's log."""
    fields: dict[str, Any] = {
        "operation": "SUBMISSION",
        "started_at": None if seconds is None else at(seconds),
        "requested_disposition": "SPAM",
    }
    return LogEntry(**fields | changes)


def ticket(**changes: Any) -> Submission:
    """A submission in the team's list."""
    fields: dict[str, Any] = {
        "submission_id": "s1",
        "original_postfix_id": "postfix-m1",
        "requested_disposition": "SPAM",
    }
    return Submission(**fields | changes)


async def read_back(executor: ReclassifyExecutor, now: float = NOW + 30) -> Effect:
    """What a look shows of a request that was submitted at NOW."""
    return (await executor.read_back(WISH, now)).effect


async def test_the_202_is_success(executor: ReclassifyExecutor, tenant: FakeCloudflare) -> None:
    """The request was taken; its confirmation comes later."""
    answered = await executor.execute(call(WISH))
    assert [(one.state, one.due_in) for one in answered.outcomes] == [(State.SUCCEEDED, 30.0)]
    assert (answered.status, tenant.effects) == (202, [("reclassify", "m1", "SPAM")])


def test_one_message_a_call_and_two_looks_before_another(executor: ReclassifyExecutor) -> None:
    """The API takes one id, and a second request would be a second ticket at the vendor."""
    assert (executor.most, executor.proofs) == (1, 2)


@pytest.mark.parametrize("asked", ["SPAM", None])
async def test_the_request_in_the_log_is_done(
    executor: ReclassifyExecutor, tenant: FakeCloudflare, asked: str | None
) -> None:
    """Also where the log does not say what was asked for."""
    tenant.logs["m1"].append(entry(NOW + 1, requested_disposition=asked))
    assert await read_back(executor) is Effect.DONE


@pytest.mark.parametrize(
    "other",
    [
        entry(NOW - 301),
        entry(NOW + 1, requested_disposition="NONE"),
        entry(NOW + 1, success=False),
        entry(NOW + 1, operation="MOVE"),
        entry(NOW - 120, submission_type="User", submission_id="s-user"),
        entry(None, submission_type="USER", requested_disposition=None),
    ],
)
async def test_other_entries_are_not_our_request(
    executor: ReclassifyExecutor, tenant: FakeCloudflare, other: LogEntry
) -> None:
    """An old one, another verdict, a refused one, another operation, a user's own report."""
    tenant.logs["m1"].append(other)
    assert await read_back(executor) is Effect.NOT_DONE


@pytest.mark.parametrize(
    "shown, effect",
    [
        ({"submission_id": "s-user"}, Effect.NOT_DONE),
        ({"submission_id": "s-team"}, Effect.DONE),
        ({}, Effect.DONE),
        ({"submission_id": "s-user", "submission_type": "Team"}, Effect.DONE),
    ],
)
async def test_the_report_that_is_passed_on_is_not_taken_for_the_passing_on(
    executor: ReclassifyExecutor, tenant: FakeCloudflare, shown: dict[str, Any], effect: Effect
) -> None:
    """Where the log does not say who submitted, the id of the user's report does; what the team asked for counts."""
    escalation = item(kind="reclassify", target="SPAM", params={"escalated_submission_id": "s-user"})
    tenant.logs["m1"].append(entry(NOW - 120, **shown))
    assert (await executor.read_back(escalation, NOW + 30)).effect is effect


async def test_the_request_in_the_list_of_submissions_is_done(
    executor: ReclassifyExecutor, tenant: FakeCloudflare
) -> None:
    """On whatever page: the message's log may lag behind."""
    tenant.per_page = 2
    tenant.tickets += [ticket(original_postfix_id=f"other{n}") for n in range(4)] + [ticket()]
    assert await read_back(executor) is Effect.DONE
    assert [one["page"] for one in tenant.asked("submissions")] == [1, 2, 3]
    assert {one["type"] for one in tenant.asked("submissions")} == {"TEAM"}


@pytest.mark.parametrize(
    "other", [ticket(original_postfix_id="postfix-m2"), ticket(requested_disposition="NONE")]
)
async def test_other_submissions_are_not_our_request(
    executor: ReclassifyExecutor, tenant: FakeCloudflare, other: Submission
) -> None:
    """Another message, or another verdict."""
    tenant.tickets.append(other)
    assert await read_back(executor) is Effect.NOT_DONE


@pytest.mark.parametrize("others_target", ["SPAM", "NONE"])
async def test_a_submission_that_may_be_another_messages_is_no_proof(
    executor: ReclassifyExecutor, tenant: FakeCloudflare, desk: Desk, others_target: str
) -> None:
    """It names a postfix id, which messages share: where we want the same of both, the message's own log decides."""
    one, other = (detection(name, postfix_id="postfix-m1") for name in ("m1", "m2"))
    await desk.take_in(
        decided(one, Reclassify(one, to="SPAM")), decided(other, Reclassify(other, to=others_target))
    )
    tenant.tickets.append(ticket())
    if others_target == "NONE":
        assert await read_back(executor) is Effect.DONE
        return
    assert await read_back(executor) is Effect.CANNOT_TELL
    tenant.logs["m1"].append(entry(NOW + 1))
    assert await read_back(executor) is Effect.DONE
    tenant.tickets.clear()
    tenant.logs.clear()
    assert await read_back(executor, NOW + 60) is Effect.NOT_DONE


async def test_a_message_without_postfix_id_matches_no_submission(
    executor: ReclassifyExecutor, tenant: FakeCloudflare
) -> None:
    """Nothing equals nothing is no proof."""
    from msgspec.structs import replace  # noqa: PLC0415 - only here

    tenant.tickets.append(ticket(original_postfix_id=""))
    assert (await executor.read_back(replace(WISH, postfix_id=""), NOW + 30)).effect is Effect.NOT_DONE


async def test_the_list_is_never_asked_for_the_future(
    executor: ReclassifyExecutor, tenant: FakeCloudflare
) -> None:
    """Also where the clock was set back after the submission."""
    tenant.clock.jump(-86400)
    assert await read_back(executor, tenant.clock.now()) is Effect.NOT_DONE
    assert all(one["start"] <= at(tenant.clock.now()) for one in tenant.asked("submissions"))


async def test_a_request_under_a_clock_that_ran_ahead_is_still_found(
    executor: ReclassifyExecutor, tenant: FakeCloudflare
) -> None:
    """The vendor's log has the right time; ours was set right after the submission."""
    tenant.clock.jump(-3600)
    tenant.logs["m1"].append(entry(tenant.clock.now() - 30))
    assert await read_back(executor, tenant.clock.now()) is Effect.DONE


@pytest.mark.parametrize("verdict, state", [("SPAM", State.SKIPPED), ("NONE", State.READY)])
async def test_a_message_of_that_verdict_is_not_reclassified(
    executor: ReclassifyExecutor, verdict: str, state: State
) -> None:
    """The state that is wanted holds already."""
    assert (await executor.look(WISH, detection(final_disposition=verdict))).state is state
