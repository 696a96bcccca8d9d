from __future__ import annotations

from pathlib import Path

from sqlalchemy import delete

from tests.builders import ACCOUNT, NOW, junk
from tests.desk import Desk
from worker.store import flags, schema
from worker.store.engine import READS, sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.trail import audit
from worker.store.trail.audit import Entry
from worker.store.trail.verification import verify


def test_a_reader_that_takes_its_time_holds_up_no_writer(tmp_path: Path) -> None:
    """`worker audit export | less` must not stop the daemon, nor the brake."""
    file = tmp_path / "worker.db"
    daemon, command, brake = (sqlite_engine(file) for _ in range(3))
    transact(daemon, migrate)
    many = [Entry("note", {"number": number}) for number in range(5000)]
    transact(daemon, lambda conn: audit.append(conn, ACCOUNT, NOW, many))
    with command.connect() as conn:
        rows = audit.records(conn.execution_options(**{READS: True}), ACCOUNT)
        assert next(rows)["seq"] == 1
        transact(brake, lambda conn: flags.pause(conn, ACCOUNT, "look", "ann", NOW))
        transact(daemon, lambda conn: audit.append(conn, ACCOUNT, NOW, many[:1]))
        assert sum(1 for _ in rows) == 4999
    assert transact(brake, lambda conn: flags.paused(conn, ACCOUNT)) is not None
    for engine in (daemon, command, brake):
        engine.dispose()


async def test_an_emptied_log_beside_a_ledger_is_found(desk: Desk) -> None:
    """Without a single record nothing says how many there were, but the ledger does."""
    await desk.take_in(junk())
    await desk.run(lambda conn: [conn.execute(delete(table)) for table in (schema.audit, schema.audit_head)])
    count, broken = await desk.run(verify, ACCOUNT)
    assert (count, broken and broken.seq) == (0, 1)
