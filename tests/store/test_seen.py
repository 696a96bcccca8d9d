"""The seen-set lies on the disk in the order of time, as mail does in the vendor's lists."""

from __future__ import annotations

from pathlib import Path

from tests.builders import ACCOUNT, NOW, detection, sighting
from worker.simulator import SimulatorConfig
from worker.simulator.tenant import Tenant
from worker.store import seen
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.tools import event_id, evidence_id

MESSAGES, PAGE = 12_000, 100


def test_a_page_of_the_list_touches_a_few_leaves_of_the_tree(tmp_path: Path) -> None:
    """Of a day's keys those of a few minutes are neighbours; scattered, each of them would write a page of its own."""
    tenant = Tenant(SimulatorConfig(messages=MESSAGES, reports=0, span=86_000.0, clock=lambda: NOW))
    names = [one.row.id for one in tenant.newest_first(0, tenant.now_ms)]
    events = [sighting(detection(name)) for name in names]
    file = tmp_path / "worker.db"
    engine = sqlite_engine(file)
    try:
        transact(engine, migrate)
        late = events[MESSAGES // 2 : MESSAGES // 2 + PAGE]
        transact(
            engine, lambda conn: seen.add(conn, ACCOUNT, NOW, [one for one in events if one not in late])
        )
        engine.raw_connection().cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        transact(engine, lambda conn: seen.add(conn, ACCOUNT, NOW, late))
        written = (file.parent / f"{file.name}-wal").stat().st_size // 4096
        assert 0 < written <= PAGE // 4
        assert len(transact(engine, lambda conn: seen.known(conn, ACCOUNT, events))) == MESSAGES
    finally:
        engine.dispose()


def test_names_that_begin_alike_are_told_apart() -> None:
    """The beginning only says where a key lies; what differs later, in account, source or revision, is another key."""
    keys = [
        event_id(ACCOUNT, "detections", "4Njp3P0STMz2c02Q"),
        event_id(ACCOUNT, "detections", "4Njp3P0STMz2c02R"),
        event_id(ACCOUNT, "phishguard", "4Njp3P0STMz2c02Q"),
        event_id("f" * 32, "detections", "4Njp3P0STMz2c02Q"),
        evidence_id(ACCOUNT, "detections", "4Njp3P0STMz2c02Q", "SPAM"),
        evidence_id(ACCOUNT, "detections", "4Njp3P0STMz2c02Q", "BULK"),
    ]
    assert len(set(keys)) == len(keys)
    assert {key[:4] for key in keys} == {b"4Njp"}


def test_any_name_has_a_key() -> None:
    """Short ones, none and those of other scripts, all of the same length."""
    keys = [event_id(ACCOUNT, "phishguard", name) for name in ("", "7", "77", "ключ", "鍵", "a" * 900)]
    assert {len(key) for key in keys} == {16}
    assert len(set(keys)) == len(keys)
