"""What a person finds who asks for one message or one action: also what it shared with others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tests.builders import ACCOUNT, junk
from tests.desk import Desk
from worker.model.actions import State
from worker.store.people import reviews
from worker.store.trail import audit
from worker.store.views import queries


async def kinds(desk: Desk, message_id: str) -> list[str]:
    """The kinds of the records about a message, in order."""

    def read(conn: Connection) -> list[dict[str, Any]]:
        about = queries.about_message(conn, ACCOUNT, message_id)
        return list(audit.records(conn, ACCOUNT, about))

    return [row["kind"] for row in await desk.run(read) if row["kind"] != "plan"]


async def test_a_message_is_found_in_the_calls_that_it_shared(desk: Desk) -> None:
    """Intent and outcome of a bulk call name no single message, yet belong to each of its messages."""
    await desk.bring(State.SUCCEEDED, junk("m1"), junk("m2"))
    assert await kinds(desk, "m1") == ["decided", "intent", "outcome"]
    assert await kinds(desk, "m3") == []


async def test_an_actions_history_keeps_its_earlier_calls(desk: Desk) -> None:
    """After a retry in another call the first one's intent and outcome are still told, its neighbours are not."""
    first, second = await desk.bring(State.FAILED, junk("m1"), junk("m2"))
    await desk.run(reviews.retry, ACCOUNT, [first["id"]], "ann", desk.clock.now(), checked=False)
    await desk.edit(first["id"], verified_at=desk.clock.now())
    for call in await desk.claim():
        await desk.settle(call, State.SUCCEEDED)
    detail = await desk.run(queries.action_detail, ACCOUNT, first["id"])
    assert detail is not None
    history = detail["history"]
    assert [step["kind"] for step in history].count("intent") == 2
    assert [step["kind"] for step in history].count("outcome") == 2
    assert second["id"] not in str(history)


async def test_who_reads_only_the_beginning_leaves_the_connection_as_it_was(desk: Desk) -> None:
    """The trail is streamed; what is asked after it is not, and a server would keep the cursor that nobody closed."""
    await desk.take_in(junk("m1"), junk("m2"))

    def read(conn: Connection) -> bool:
        before = dict(conn.get_execution_options())
        next(audit.records(conn, ACCOUNT))
        next(queries.actions(conn, ACCOUNT))
        return dict(conn.get_execution_options()) == before

    assert await desk.run(read)
