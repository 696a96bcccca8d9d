"""What is confirmed later: which answers may be another message's."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy.event import listen, remove

from tests.builders import decided, detection
from tests.desk import Desk
from worker.model.actions import Reclassify, State
from worker.model.calls import Item


async def wanted(desk: Desk, *messages: tuple[str, str, str]) -> list[Item]:
    """A verdict of each of these was wanted and taken: message, postfix id, verdict."""
    items: list[Item] = []
    for name, postfix_id, verdict in messages:
        message = replace(detection(name), postfix_id=postfix_id)
        await desk.take_in(decided(message, Reclassify(message, to=verdict)))
        for call in await desk.claim():
            items += call.items
            await desk.settle(call, State.SUCCEEDED)
    return items


async def test_two_messages_of_one_name(desk: Desk) -> None:
    """The same verdict of two copies of one mail; another verdict, or another mail, is told apart."""
    items = await wanted(
        desk, ("m1", "p1", "SPAM"), ("m2", "p1", "SPAM"), ("m3", "p1", "NONE"), ("m4", "p2", "SPAM")
    )
    assert await desk.ledger.shared_names(items) == {("p1", "SPAM")}
    assert await desk.ledger.shared_names(items[2:]) == set()


async def test_its_look_is_one_into_an_index(desk: Desk) -> None:
    """However many verdicts there have been in years: the ledger forgets none."""
    items = await wanted(desk, ("m1", "p1", "SPAM"))
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    listen(desk.store.engine, "before_cursor_execute", note)
    await desk.ledger.shared_names(items)
    remove(desk.store.engine, "before_cursor_execute", note)
    ((statement, values),) = [one for one in asked if one[0].startswith("SELECT")]
    steps = await desk.run(
        lambda conn, *one: conn.exec_driver_sql(*one).all(), f"EXPLAIN QUERY PLAN {statement}", values
    )
    assert "USING INDEX ix_actions_confirmed (account_id=? AND postfix_id=?)" in steps[0][-1]
