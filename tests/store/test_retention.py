"""Old rows go; what keeps the worker from acting twice, and what is not finished, stays."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, select, update

from tests.builders import ACCOUNT, ENFORCE, NOW, at, decided, detection, junk, poll, vote, wish
from tests.desk import Desk
from worker.model.actions import Mode, Move, State, Submit
from worker.model.calls import Outcome
from worker.model.entries import BlockSender
from worker.model.ledger import Cursor, Keep
from worker.model.plans import Failure
from worker.model.telling import Notify
from worker.store import entries, retention, schema
from worker.store.people import reviews
from worker.store.people.undo import Order, Wanted, undo

DAY = 86400.0
KEEP = Keep(90 * DAY, 2 * DAY)
TABLES = ("events", "evidence", "decisions", "actions", "plans", "polls", "quarantine", "parked")


async def age(desk: Desk, days: float) -> None:
    """Time goes by, and polling goes on."""
    desk.clock.pass_time(days * DAY)
    now = desk.clock.now()
    for source in ("detections", "phishguard"):
        last = poll(f"later-{source}-{now}", source=source, start=now - 60, end=now)
        await desk.record(last)
        await desk.ledger.close(last, ENFORCE, Cursor(now, NOW, now))


async def prune(desk: Desk, keep: Keep = KEEP, most: int = 2000) -> dict[str, int]:
    """One whole pass; what went."""
    removed: dict[str, int] = {}
    for _ in range(1000):
        one = await desk.ledger.prune(keep, most, desk.clock.now())
        if one.removed:
            removed[one.table] = removed.get(one.table, 0) + one.removed
        if one.done:
            return removed
    raise AssertionError("a pass does not end")


async def counts(desk: Desk) -> dict[str, int]:
    """Rows in each table."""

    def count(conn: Connection) -> dict[str, int]:
        tables = schema.metadata.tables
        return {
            name: conn.execute(select(func.count()).select_from(tables[name])).scalar_one() for name in TABLES
        }

    return await desk.run(count)


async def settle(desk: Desk, **states: State) -> None:
    """Messages' actions end in these states now."""

    def write(conn: Connection) -> None:
        a = schema.actions
        for message, state in states.items():
            values = {"state": state, "updated_at": desk.clock.now(), "due_at": None}
            conn.execute(update(a).where(a.c.message_id == message).values(values))

    await desk.run(write)


async def test_old_rows_go(desk: Desk) -> None:
    """Seen-keys, evidence, votes, plans, polls and actions that came to nothing; the audit log stays whole."""
    shadow = wish(Move(detection("m1"), to="JunkEmail"), vote(mode=Mode.SHADOW))
    await desk.take_in(decided(detection("m1"), shadow), junk("m2"), junk("m3"))
    await settle(desk, m2=State.FAILED, m3=State.DEAD)
    await age(desk, 91)
    assert await prune(desk) == {
        "events": 3,
        "evidence": 3,
        "decisions": 3,
        "actions": 3,
        "plans": 1,
        "polls": 1,
    }
    left = await counts(desk)
    assert {name: count for name, count in left.items() if count} == {"polls": 2}
    assert await desk.intact()


async def test_young_rows_stay(desk: Desk) -> None:
    """To the day."""
    await desk.take_in(junk("m1"))
    await settle(desk, m1=State.FAILED)
    await age(desk, 89)
    before = await counts(desk)
    assert await prune(desk) == {}
    assert await counts(desk) == before


async def test_what_an_entry_said_of_itself_goes_when_it_has_ended(desk: Desk) -> None:
    """It quotes the playbook's reason. One that stands keeps it: an edit of a person shows by it."""
    for number in range(2):
        await desk.want(
            BlockSender(detection(f"m{number}"), sender=f"evil{number}.example", reason="salaries")
        )
    await settle(desk, m0=State.SUCCEEDED, m1=State.SUCCEEDED)
    rows = await desk.rows()
    made = [Outcome(row["id"], State.SUCCEEDED, made=row["id"], comments="salaries") for row in rows]
    await desk.run(entries.remember, ACCOUNT, made)
    wanted = Wanted((rows[0]["id"],))
    await desk.run(undo, ACCOUNT, wanted, Order("ann", None, ENFORCE, 250), desk.clock.now(), dry=False)
    (removal,) = await desk.rows(kind="remove_entry")
    assert "salaries" in removal["params"]
    await desk.edit(removal["id"], state=State.SUCCEEDED)
    await desk.ledger.take_back(ENFORCE)
    await age(desk, 91)
    await prune(desk)
    (removal,) = await desk.rows(kind="remove_entry")
    assert "salaries" not in removal["params"]

    def kept(conn: Connection) -> dict[str, str]:
        e = schema.entries.c
        return {row.entry_id: row.comments for row in conn.execute(select(e.entry_id, e.comments))}

    assert await desk.run(kept) == {rows[0]["id"]: "", rows[1]["id"]: "salaries"}


async def test_a_young_ledger_is_not_walked(desk: Desk) -> None:
    """Its first pass is over at once; the one that comes when something may be old is a whole one."""
    await desk.take_in(junk("m1"))
    await settle(desk, m1=State.FAILED)
    assert (await desk.ledger.prune(KEEP, 1, desk.clock.now())).done
    await age(desk, 91)
    assert (await prune(desk, most=1))["actions"] == 1


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.REJECTED])
async def test_what_was_done_is_never_done_again(desk: Desk, state: State) -> None:
    """The action stays and bars its twin, without what it knew of people."""
    await desk.take_in(junk("m1"))
    await settle(desk, m1=state)
    await age(desk, 200)
    removed = await prune(desk)
    assert "actions" not in removed
    row = await desk.row()
    assert (row["state"], row["recipients"], row["reason"], row["sender"]) == (state, "[]", "", None)
    assert removed["events"] == 1
    await desk.take_in(junk("m1"))
    assert await desk.states() == {"m1": [state]}


async def test_what_was_told_grows_old_and_is_not_told_again(desk: Desk) -> None:
    """Text and addresses in the parameters go as evidence does; what bars the twin stays."""
    telling = decided(detection("m1"), Notify(detection("m1"), text="From mallory@evil.example"))
    await desk.take_in(telling, decided(detection("m2"), Submit(detection("m2"), to="SPAM")), junk("m3"))
    await settle(desk, m1=State.SUCCEEDED, m2=State.SUCCEEDED, m3=State.SUCCEEDED)
    await age(desk, 200)
    await prune(desk)
    params = {row["message_id"]: row["params"] for row in await desk.rows()}
    assert params == {"m1": "{}", "m2": "{}", "m3": '{"destination":"JunkEmail"}'}
    await desk.take_in(telling)
    assert (await desk.states())["m1"] == [State.SUCCEEDED]


@pytest.mark.parametrize("state", [State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN])
async def test_unfinished_work_keeps_all_that_belongs_to_it(desk: Desk, state: State) -> None:
    """However old it is."""
    await desk.take_in(junk("m1"))
    await settle(desk, m1=state)
    await age(desk, 200)
    removed = await prune(desk)
    assert removed == {"events": 1, "polls": 1}
    assert (await counts(desk))["evidence"] == 1


async def test_parked_events_keep_their_evidence(desk: Desk) -> None:
    """They are decided from it when their playbook is mended, whenever that is."""
    await desk.take_in(decided(detection("m1"), failures=[Failure("junk", "v1", "ValueError")]))
    await age(desk, 200)
    await prune(desk)
    assert [row.key for row in await desk.ledger.parked_events("detections", "junk", "v1", 10)] == ["m1"]


async def test_a_seen_key_outlives_every_window(desk: Desk) -> None:
    """After a long stop the next window reaches back to the last poll: what it shows must still be known."""
    await desk.take_in(junk("m1"), advance=Cursor(NOW, NOW, NOW))
    desk.clock.pass_time(200 * DAY)
    assert "events" not in await prune(desk)
    await age(desk, 1)
    desk.clock.pass_time(retention.EVERY)
    assert (await prune(desk))["events"] == 1


async def test_a_source_that_is_polled_no_more_keeps_nothing(desk: Desk) -> None:
    """Its cursor stands still for good once no playbook wants its events."""
    old = poll("old", source="submissions")
    await desk.record(old)
    await desk.ledger.close(old, ENFORCE, Cursor(NOW, NOW, NOW))
    await desk.take_in(junk("m1"))
    await age(desk, 200)
    assert "events" not in await prune(desk)
    desk.clock.pass_time(retention.EVERY)
    polled = KEEP._replace(sources=("detections", "phishguard"))
    assert (await prune(desk, polled))["events"] == 1


async def test_a_seen_key_outlives_the_vendors_memory(desk: Desk) -> None:
    """However short the operator keeps the rest; a message from the future is as young as it says."""
    await desk.take_in(junk("m1"), junk("m2", scanned_at=at(NOW + 40 * DAY)))
    await settle(desk, m1=State.SKIPPED, m2=State.SKIPPED)
    await age(desk, 30)
    removed = await prune(desk, Keep(2 * DAY, DAY))
    assert (removed["evidence"], "events" in removed) == (2, False)
    await age(desk, 2)
    assert (await prune(desk, Keep(2 * DAY, DAY)))["events"] == 1


async def test_a_pass_goes_on_where_it_was(desk: Desk) -> None:
    """In batches of any size, over restarts; the next pass comes hours later."""
    await desk.take_in(*(junk(f"m{number}") for number in range(7)))
    await settle(desk, **{f"m{number}": State.SKIPPED for number in range(7)})
    await age(desk, 91)
    sizes = []
    while not (one := await desk.ledger.prune(KEEP, 3, desk.clock.now())).done:
        sizes.append((one.table, one.removed))
    assert sizes[:3] == [("events", 3), ("events", 3), ("events", 1)]
    assert sum(removed for table, removed in sizes if table == "actions") == 7
    await age(desk, 0)
    assert (await desk.ledger.prune(KEEP, 3, desk.clock.now())).done
    assert (await desk.ledger.prune(KEEP, 3, desk.clock.now())).table == ""
    desk.clock.pass_time(retention.EVERY)
    assert (await desk.ledger.prune(KEEP, 3, desk.clock.now())).table == "events"


async def test_approvals_go_with_what_they_let_go(desk: Desk) -> None:
    """Not while one of their actions is unfinished."""
    await desk.take_in(junk("m1", to="RecoverableItemsPurges"), junk("m2", to="RecoverableItemsPurges"))
    for message in ("m1", "m2"):
        row = await desk.row(message)
        verdicts, _ = await desk.run(reviews.approve, ACCOUNT, [row["id"]], "ann", desk.clock.now())
        assert verdicts[0].ok
    await settle(desk, m1=State.SUCCEEDED)
    await age(desk, 92)
    assert (await prune(desk))["approvals"] == 1
    left = await desk.run(
        lambda conn: conn.execute(select(schema.approved_actions.c.action_id)).scalars().all()
    )
    assert left == [(await desk.row("m2"))["id"]]


async def test_rows_that_could_not_be_read_go_too(desk: Desk) -> None:
    """They quote mail."""
    await age(desk, 0)
    bad = [BadDouble(f"d{number}") for number in range(3)]
    await desk.ledger.quarantine("detections", bad)
    await age(desk, 91)
    assert (await prune(desk, most=2))["quarantine"] == 3


async def test_other_accounts_rows_are_theirs(desk: Desk) -> None:
    """Each account's worker goes by its own setting."""
    await desk.take_in(junk("m1"))
    await settle(desk, m1=State.FAILED)
    await age(desk, 91)
    other = await desk.run(retention.step, "f" * 32, desk.clock.now(), KEEP, 2000)
    while not other.done:
        assert other.table in ("events", "plans") or other.removed == 0
        other = await desk.run(retention.step, "f" * 32, desk.clock.now(), KEEP, 2000)
    left = await counts(desk)
    assert (left["actions"], left["evidence"], left["decisions"], left["plans"]) == (1, 1, 1, 1)
    assert (await desk.row())["account_id"] == ACCOUNT


class BadDouble:
    """A row that could not be read."""

    row_id: str | None = None
    reason = "test"
    raw = "raw"

    def __init__(self, digest: str) -> None:
        self.digest = digest
