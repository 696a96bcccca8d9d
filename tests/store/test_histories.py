"""What a playbook may know of what was done before: to its message, and because of other mail of the sender."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update
from sqlalchemy.event import listen, remove

from tests.builders import ACCOUNT, ENFORCE, NOW, decided, detection, junk, vote
from tests.desk import Desk
from worker.model.actions import Mode, Move, State
from worker.model.entries import BlockSender
from worker.model.history import History
from worker.store import schema
from worker.store.people.undo import Order, Wanted, undo
from worker.store.views import histories

MALLORY = "mallory@evil.example"
DAY = 86400


async def history(desk: Desk, message_id: str = "new", sender: str = MALLORY) -> History:
    """What is known when a message of this sender comes."""
    found = await desk.ledger.histories({message_id: sender, "other": "nobody@new.example"})
    assert "other" not in found
    return found.get(message_id, History())


async def set_all(desk: Desk, state: State) -> None:
    """Every action has come to this."""
    await desk.run(lambda conn: conn.execute(update(schema.actions).values(state=state)))


async def test_what_was_done_to_the_message_is_newest_first_and_bounded(desk: Desk) -> None:
    """However often it was acted on."""
    for number in range(22):
        verdict = "SPAM" if number % 2 else "MALICIOUS"
        await desk.take_in(decided(detection(final_disposition=verdict), Move(detection(), to="Inbox")))
        desk.clock.pass_time(1)
    await set_all(desk, State.FAILED)
    past = (await history(desk, "m1")).message
    assert len(past) == 20
    assert past == tuple(sorted(past, key=lambda one: one.at, reverse=True))
    assert past[0].at.timestamp() == NOW + 21


async def test_a_senders_history_is_that_of_his_other_mail(desk: Desk) -> None:
    """Whatever the case of the address; what was done to the message itself is its own history."""
    block = decided(detection("m2"), BlockSender(detection("m2")))
    await desk.bring(State.SUCCEEDED, junk("m1", sender="Mallory@Evil.example"), block)
    await desk.take_in(junk("m3", sender="ann@corp.example"))
    assert {(one.kind, one.state) for one in (await history(desk)).sender} == {
        ("move", "succeeded"),
        ("block_sender", "ready"),
    }
    own = await history(desk, "m1")
    assert [one.kind for one in own.message] == ["move"]
    assert [one.kind for one in own.sender] == ["block_sender"]
    assert await history(desk, sender="") == History()


async def test_trials_and_what_came_to_nothing_are_no_history(desk: Desk) -> None:
    """A playbook in shadow mode must not change what another one sees."""
    await desk.take_in(junk("m1", vote(mode=Mode.SHADOW)), junk("m2"))
    assert len((await history(desk)).sender) == 1
    for state in (State.SKIPPED, State.EXPIRED, State.OPEN):
        await set_all(desk, state)
        assert await history(desk) == History()


async def test_a_senders_history_is_bounded_in_time_and_number(desk: Desk) -> None:
    """A month, twenty actions, and a look at no more than the sender's last thousand."""
    await desk.take_in(*[junk(f"m{number}") for number in range(30)])
    assert len((await history(desk)).sender) == 20
    desk.clock.pass_time(29 * DAY)
    assert len((await history(desk)).sender) == 20
    await desk.take_in(*[junk(f"n{number}") for number in range(histories.SENDER_ROWS)])
    await desk.run(
        lambda conn: conn.execute(
            update(schema.actions).where(schema.actions.c.message_id >= "n").values(state=State.SKIPPED)
        )
    )
    assert await history(desk) == History()
    desk.clock.pass_time(2 * DAY)
    assert await history(desk) == History()


async def test_what_is_taken_back_belongs_to_the_history_too(desk: Desk) -> None:
    """Who sees that a sender was blocked has to see that this was undone."""
    (row, *_) = await desk.bring(State.SUCCEEDED, junk("m1"))
    order = Order("ann", None, ENFORCE, 1000)
    await desk.run(undo, ACCOUNT, Wanted((row["id"],)), order, desk.clock.now(), dry=False)
    assert sorted(one.playbook for one in (await history(desk)).sender) == ["junk", "undo"]


async def test_a_page_costs_two_looks_into_an_index(desk: Desk) -> None:
    """However many senders it has, and however much there is in the ledger."""
    await desk.take_in(*[junk(f"m{number}", sender=f"s{number}@evil.example") for number in range(10)])
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        asked.append((statement, values))

    listen(desk.store.engine, "before_cursor_execute", note)
    found = await desk.ledger.histories({f"n{number}": f"s{number}@evil.example" for number in range(500)})
    remove(desk.store.engine, "before_cursor_execute", note)
    assert sorted(found) == sorted(f"n{number}" for number in range(10))
    asked = [one for one in asked if one[0].startswith("SELECT")]
    assert len(asked) == 2
    for statement, values in asked:
        steps = await desk.run(
            lambda conn, *one: conn.exec_driver_sql(*one).all(), f"EXPLAIN QUERY PLAN {statement}", values
        )
        assert not [step for *_, step in steps if step.startswith(("SCAN actions", "SCAN one"))]
