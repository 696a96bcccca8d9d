"""An older ledger: what it knows to be in doubt, and how it is recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import ACCOUNT, NOW, at, decided, detection, junk
from tests.desk import Desk
from worker.errors import StoreError, UsageError
from worker.model.actions import Reclassify
from worker.store import flags, losses, witness
from worker.store.files import beside

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


async def test_an_empty_ledger_where_one_was_is_refused(desk: Desk, database: Path) -> None:
    """The error says how to go on."""
    witness.write(database, witness.Head(ACCOUNT, 7, "0" * 64))
    with pytest.raises(UsageError, match=r"had 7 audit records: restore a backup, `worker restore FILE`"):
        await desk.ledger.suspicion()


async def test_a_head_that_cannot_be_written_is_the_databases_condition(desk: Desk, database: Path) -> None:
    """Readiness then says so."""
    beside(database, witness.SUFFIX).mkdir()
    with pytest.raises(StoreError, match=r"worker\.db\.head.*writable"):
        await desk.ledger.keep_head()
