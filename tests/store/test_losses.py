"""An older ledger: what it knows to be in doubt, and how it is recognised."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.builders import ACCOUNT, NOW, at, decided, detection, junk
from tests.desk import Desk
from worker.errors import StoreError, UsageError
from worker.model.actions import Reclassify
from worker.model.ledger import TimeMark
from worker.store import flags, redating, schema
from worker.store.calls import losses
from worker.store.engine import sqlite_engine, transact
from worker.store.file import files, witness
from worker.store.file.backups import opened
from worker.store.file.files import beside
from worker.store.file.restoring import restore

DELAY = 30.0
HOUR = 3600.0


async def test_nothing_unfinished_counts_as_seen(desk: Desk) -> None:
    """It is looked at when the vendor's log has caught up; what is parked for a person is read back once more."""
    await desk.take_in(junk("m1"), junk("m2"), junk("m3"))
    await desk.take_in(junk("m4", to="RecoverableItemsPurges"))
    desk.clock.pass_time(HOUR)
    unfinished = await desk.ledger.begin_loss(DELAY, "test")
    assert unfinished == {"ready": 3, "held": 1}
    for row in await desk.rows():
        assert row["verified_at"] is None
        assert row["due_at"] == (NOW + HOUR + DELAY if row["state"] == "ready" else None)
    assert await desk.ledger.loss() == (NOW, NOW + HOUR)
    assert await desk.intact()


async def test_what_is_decided_anew_on_old_mail_is_looked_at_first(desk: Desk) -> None:
    """Mail that came after the restore is not."""
    await desk.take_in(junk("m0"))
    desk.clock.pass_time(HOUR)
    await desk.ledger.begin_loss(DELAY, "test")
    old = detection("m1", scanned_at=at(NOW + HOUR - 60))
    new = detection("m2", scanned_at=at(NOW + HOUR + 60))
    desk.clock.pass_time(120)
    await desk.take_in(*(decided(one, Reclassify(one, to="NONE")) for one in (old, new)))
    assert (await desk.row("m1"))["verified_at"] is None
    assert (await desk.row("m2"))["verified_at"] == desk.clock.now()


async def test_a_second_restore_widens_the_first(desk: Desk) -> None:
    """Until the vendor has forgotten it."""
    await desk.take_in(junk())
    desk.clock.pass_time(HOUR)
    await desk.ledger.begin_loss(DELAY, "first")
    desk.clock.pass_time(HOUR)
    await desk.ledger.begin_loss(DELAY, "second")
    assert await desk.ledger.loss() == (NOW, NOW + 2 * HOUR)
    desk.clock.pass_time(losses.LONGEST)
    assert await desk.ledger.loss() is None


@pytest.fixture
def database(desk: Desk) -> Path:
    """Where the ledger lies."""
    return Path(str(desk.store.engine.url.database))


async def test_the_ledger_that_ran_here_last_is_recognised(desk: Desk) -> None:
    """Also when it has gone on since its worker last left word."""
    assert await desk.ledger.suspicion() is None
    await desk.ledger.keep_head()
    await desk.ledger.introduce({"pid": 1})
    assert await desk.ledger.suspicion() is None
    await desk.take_in(junk("m1"))
    await desk.ledger.keep_head()
    await desk.take_in(junk("m2"))
    assert await desk.ledger.suspicion() is None


async def test_an_older_ledger_is_noticed(desk: Desk, database: Path) -> None:
    """It lacks the record that its worker last saw, or has another in its place."""
    await desk.take_in(junk("m1"))
    for head in (witness.Head(ACCOUNT, 99, "0" * 64), witness.Head(ACCOUNT, 1, "0" * 64)):
        witness.write(database, head)
        assert "older than what ran here last" in (await desk.ledger.suspicion() or "")


async def test_a_ledger_from_elsewhere_is_noticed(desk: Desk, database: Path) -> None:
    """One on which a worker has run, though not here; commands before the first start leave records too."""
    await desk.run(flags.pause, ACCOUNT, "drill", "ann", NOW)
    assert await desk.ledger.suspicion() is None
    await desk.ledger.introduce({"pid": 1})
    assert "not here" in (await desk.ledger.suspicion() or "")
    witness.write(database, witness.Head(ACCOUNT, 0, ""))
    assert await desk.ledger.suspicion() is None
    beside(database, witness.SUFFIX).write_text("{torn")
    assert "not here" in (await desk.ledger.suspicion() or "")


async def test_a_copy_of_the_moment_before_a_request_is_noticed(desk: Desk, database: Path) -> None:
    """However soon after the copy the request went out, and the worker died: word is left before it goes."""
    await desk.take_in(junk("m1"))
    await desk.ledger.keep_head()
    copy = database.with_name("copy.db")
    files.copy(desk.store.engine, copy)
    (call,) = await desk.claim()
    assert call.items
    assert await desk.ledger.suspicion() is None
    with opened(copy) as engine:
        why = transact(engine, partial(witness.suspicion, database=database))
    assert "older than what ran here last" in (why or "")


async def test_word_is_left_forwards_only(desk: Desk, database: Path) -> None:
    """A second of housekeeping that was slower than a request takes nothing back."""
    await desk.take_in(junk("m1"))
    await desk.claim()
    left = witness.read(database)
    slow = witness.Head(ACCOUNT, 1, "0" * 64)
    await desk.ledger._leave_word(slow)
    assert witness.read(database) == left != slow


async def test_an_empty_ledger_where_one_was_is_refused(desk: Desk, database: Path) -> None:
    """The error says how to go on."""
    witness.write(database, witness.Head(ACCOUNT, 7, "0" * 64))
    with pytest.raises(UsageError, match=r"had 7 audit records: restore a backup, `worker restore FILE`"):
        await desk.ledger.suspicion()


async def test_a_head_that_cannot_be_written_is_the_databases_condition(desk: Desk, database: Path) -> None:
    """Readiness then says so; what is claimed goes out, and is not left behind as if it had."""
    beside(database, witness.SUFFIX).mkdir()
    with pytest.raises(StoreError, match=r"worker\.db\.head.*writable"):
        await desk.ledger.keep_head()
    await desk.take_in(junk("m1"))
    assert len(await desk.claim()) == 1


def here(desk: Desk, offset: float) -> TimeMark:
    """The machine's time, of one start of it."""
    return TimeMark("monday", offset, desk.clock.now())


@pytest.mark.parametrize("wrong", [-365 * 24 * HOUR, -2 * HOUR, 365 * 24 * HOUR])
async def test_a_clock_that_was_wrong_at_the_restore_is_followed(desk: Desk, wrong: float) -> None:
    """Mail up to then is in doubt, and no other."""
    await desk.take_in(junk())
    desk.clock.pass_time(HOUR)
    await desk.ledger.follow_clock(wrong, here(desk, 0.0))
    desk.clock.jump(wrong)
    await desk.ledger.begin_loss(DELAY, "test")
    desk.clock.jump(-wrong)
    await desk.ledger.follow_clock(-wrong, here(desk, 0.0))
    desk.clock.pass_time(HOUR)
    loss = await desk.ledger.loss()
    assert loss is not None
    assert loss.until == NOW + HOUR
    assert NOW - losses.LONGEST <= loss.since <= NOW


async def test_a_copy_follows_the_clock_before_it_is_restored(desk: Desk, tmp_path: Path) -> None:
    """Whoever starts on it finds it dated by this machine's time, and dates nothing twice."""
    await desk.take_in(junk())
    await desk.ledger.follow_clock(0.0, here(desk, 0.0))
    step = 24 * HOUR
    desk.clock.jump(step)
    copy, placed = tmp_path / "copy.db", tmp_path / "placed.db"
    files.copy(desk.store.engine, copy)
    restore(copy, placed, ACCOUNT, DELAY, here(desk, step), "ann")
    engine = sqlite_engine(placed)
    try:
        row = transact(engine, lambda conn: conn.execute(select(schema.actions)).mappings().one())
        known = transact(engine, partial(redating.mark, account_id=ACCOUNT))
        loss = transact(engine, partial(losses.current, account_id=ACCOUNT, now=desk.clock.now()))
    finally:
        engine.dispose()
    assert row["due_at"] == desk.clock.now() + DELAY
    assert known is not None
    assert known.step_to(here(desk, step)) == 0.0
    assert loss == (NOW, desk.clock.now())
