from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from tests.acceptance.books import states
from tests.builders import ACCOUNT, NOW, decided, detection, junk, vote
from tests.desk import Desk
from worker.errors import StoreError
from worker.model.actions import Mode, State
from worker.model.calls import Answered, Outcome
from worker.model.ledger import Look
from worker.store import flags, schema
from worker.store.people import reviews
from worker.store.trail import audit
from worker.store.trail.audit import Entry, append
from worker.store.trail.verification import Broken, accounts, verify

T, H = schema.audit, schema.audit_head
COUNT = 7
PLACES = {"first": 1, "middle": 4, "last": COUNT}
OTHER = "f" * 32
SAMPLES: dict[str, Any] = {
    "account_id": OTHER,
    "seq": 100,
    "at": "2030-01-01T00:00:00.000000Z",
    "kind": "approved",
    "plan_id": "other-plan",
    "action_id": "other-action",
    "call_id": "other-call",
    "message_id": "other-message",
    "body": '{"n":99}',
    "prev_hash": "a" * 64,
    "hash": "b" * 64,
}


@pytest.fixture
async def chain(desk: Desk) -> Desk:
    """A log of COUNT records, in two transactions."""
    entries = [Entry("decided", {"n": n}, "plan", f"action{n}", "call", f"m{n}") for n in range(1, COUNT + 1)]
    await desk.run(append, ACCOUNT, NOW, entries[:3])
    await desk.run(append, ACCOUNT, NOW + 1, entries[3:])
    return desk


async def broken(desk: Desk, tamper: Callable[[Connection], Any]) -> Broken | None:
    """What verification finds after somebody has tampered."""
    await desk.run(tamper)
    return (await desk.run(verify, ACCOUNT))[1]


async def test_an_untouched_log_is_intact(chain: Desk) -> None:
    """Every record is counted; so is an empty log."""
    assert await chain.run(verify, ACCOUNT) == (COUNT, None)
    assert await chain.run(verify, OTHER) == (0, None)


def test_every_column_is_tried() -> None:
    """A new column without a sample would be one that nobody proves to be protected."""
    assert set(SAMPLES) == set(T.c.keys())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("column", SAMPLES)
async def test_a_change_in_any_column_of_any_record_is_found(chain: Desk, column: str, place: str) -> None:
    """And the first record that does not fit is named."""
    seq = PLACES[place]
    found = await broken(
        chain, lambda c: c.execute(update(T).where(T.c.seq == seq).values({column: SAMPLES[column]}))
    )
    assert found is not None
    assert found.seq == seq


@pytest.mark.parametrize("column", ["plan_id", "action_id", "call_id", "message_id"])
@pytest.mark.parametrize("value", [None, ""])
async def test_an_emptied_column_is_found(chain: Desk, column: str, value: str | None) -> None:
    """Nothing and an empty text are two things."""
    found = await broken(chain, lambda c: c.execute(update(T).where(T.c.seq == 4).values({column: value})))
    assert found is not None


@pytest.mark.parametrize("column", ["kind", "body", "at", "hash", "prev_hash", "message_id"])
async def test_the_same_bytes_as_another_type_are_found(chain: Desk, column: str) -> None:
    """SQLite lets a text become a blob that compares as something else."""

    def blob(conn: Connection) -> None:
        conn.exec_driver_sql(f"UPDATE audit SET {column} = CAST({column} AS BLOB) WHERE seq = 4")  # noqa: S608

    found = await broken(chain, blob)
    assert found is not None
    assert found.seq == 4


@pytest.mark.parametrize("place", PLACES)
async def test_a_deleted_record_is_found(chain: Desk, place: str) -> None:
    """At the end too: the head names how many there are."""
    seq = PLACES[place]
    found = await broken(chain, lambda c: c.execute(delete(T).where(T.c.seq == seq)))
    assert found is not None
    assert found.seq == seq
    assert "missing" in found.why


async def test_an_inserted_record_is_found(chain: Desk) -> None:
    """Even one whose own hash is right."""

    def insert_one(conn: Connection) -> None:
        last = dict(conn.execute(select(T).where(T.c.seq == COUNT)).mappings().one())
        forged = last | {"seq": COUNT + 1, "prev_hash": last["hash"]}
        forged["hash"] = audit.record_hash(forged)
        conn.execute(insert(T).values(forged))

    assert (await broken(chain, insert_one)) is not None


async def test_swapped_records_are_found(chain: Desk) -> None:
    """The order is part of the chain."""

    def swap(conn: Connection) -> None:
        for old, new in ((3, 1003), (4, 3), (1003, 4)):
            conn.execute(update(T).where(T.c.seq == old).values(seq=new))

    found = await broken(chain, swap)
    assert found is not None
    assert found.seq == 3


async def test_a_rewritten_record_with_a_new_hash_is_found(chain: Desk) -> None:
    """Its successor still names the old hash."""

    def rewrite(conn: Connection) -> None:
        row = dict(conn.execute(select(T).where(T.c.seq == 4)).mappings().one()) | {"body": "{}"}
        conn.execute(update(T).where(T.c.seq == 4).values(body="{}", hash=audit.record_hash(row)))

    found = await broken(chain, rewrite)
    assert found is not None
    assert found.seq == 5


@pytest.mark.parametrize("values", [{"seq": COUNT - 1}, {"seq": COUNT + 1}, {"hash": "c" * 64}])
async def test_a_tampered_head_is_found(chain: Desk, values: dict[str, Any]) -> None:
    """It must name the last record and its hash."""
    assert await broken(chain, lambda c: c.execute(update(H).values(values))) is not None


async def test_a_missing_head_is_found(chain: Desk) -> None:
    """A log cannot lose it by itself."""
    assert await broken(chain, lambda c: c.execute(delete(H))) == Broken(
        COUNT, "the head of the chain is missing"
    )


async def test_a_dropped_tail_is_found(chain: Desk) -> None:
    """As long as the head is not cut back too, which only an exported checkpoint shows."""
    found = await broken(chain, lambda c: c.execute(delete(T).where(T.c.seq > 3)))
    assert found is not None
    assert found.seq == 4


async def test_a_log_that_was_emptied_is_found(chain: Desk) -> None:
    """Its head is still there."""
    assert await broken(chain, lambda c: c.execute(delete(T))) is not None


async def test_a_record_is_written_with_what_it_records_or_not_at_all(chain: Desk) -> None:
    """One transaction: no pause without its record and no record without its pause."""

    def pause_then_fail(conn: Connection) -> None:
        flags.pause(conn, ACCOUNT, "drill", "ann", NOW)
        raise StoreError("the power went")

    with pytest.raises(StoreError):
        await chain.run(pause_then_fail)
    assert await chain.ledger.paused() is None
    assert await chain.run(verify, ACCOUNT) == (COUNT, None)


async def test_accounts_have_chains_of_their_own(chain: Desk) -> None:
    """Each begins at one and is verified alone."""
    await chain.run(append, OTHER, NOW, [Entry("pause", {})])
    assert await chain.run(verify, OTHER) == (1, None)
    assert await chain.run(accounts) == [ACCOUNT, OTHER]


async def test_records_are_found_by_what_they_are_about(chain: Desk) -> None:
    """In their order; the last ones where so asked."""

    def seqs(**equal: Any) -> Callable[[Connection], list[int]]:
        return lambda conn: [row["seq"] for row in audit.records(conn, ACCOUNT, **equal)]

    assert await chain.run(seqs(message_id="m3")) == [3]
    assert await chain.run(seqs(call_id="call", last=2)) == [COUNT - 1, COUNT]
    assert await chain.run(seqs(kind="approved")) == []


async def test_nothing_to_append_writes_nothing(desk: Desk) -> None:
    """Not even a head."""
    await desk.run(append, ACCOUNT, NOW, [])
    assert await desk.run(accounts) == []


async def test_the_log_alone_tells_every_actions_state(desk: Desk) -> None:
    """Whatever became of it: what was shadowed, held or skipped is on record like what was done."""
    await desk.take_in(junk("shadow", vote(mode=Mode.SHADOW)))
    await desk.take_in(junk("purge", to="RecoverableItemsPurges"), junk("late", to="RecoverableItemsPurges"))
    await desk.take_in(
        *(junk(name) for name in ("done", "refused", "lost", "found", "gone", "again", "foreign"))
    )
    ids = {row["message_id"]: row["id"] for row in await desk.rows()}
    looks = [Look(ids["gone"], State.SKIPPED, "gone"), Look(ids["foreign"], State.HELD, "moved by ann")]
    await desk.ledger.apply_looks(86400.0, looks)
    changed = decided(detection("again", final_disposition="SPAM"), changed=True)
    await desk.take_in(changed)
    for call in await desk.claim():
        ends = {"refused": State.FAILED, "lost": State.UNKNOWN, "found": State.UNKNOWN}
        outcomes = tuple(
            Outcome(one.action_id, ends.get(one.message_id, State.SUCCEEDED), None, 30.0)
            for one in call.items
        )
        await desk.ledger.settle(call, Answered(outcomes, "call.answered", 200))
    await desk.ledger.settle_read_back(Outcome(ids["found"], State.SUCCEEDED), counted=True)
    await desk.run(reviews.reject, ACCOUNT, [ids["purge"]], "ann", desk.clock.now())
    desk.clock.pass_time(100_000)
    await desk.ledger.expire()

    told = dict(states([{**row, "body": json.loads(row["body"])} for row in await desk.audit()]))
    ledger = {row["id"]: str(row["state"]) for row in await desk.rows()}
    assert told == ledger
    assert set(ledger.values()) == {
        "shadowed", "rejected", "expired", "succeeded", "failed", "unknown", "skipped",
    }  # fmt: skip
