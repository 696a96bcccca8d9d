"""What somebody does to the log with a database client, or with an editor for files: nothing of it stays unseen."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, insert, text
from sqlalchemy.exc import DatabaseError

from tests.builders import ACCOUNT, NOW
from worker.errors import Damaged, StoreError
from worker.store import schema
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.trail.audit import Entry, append, records
from worker.store.trail.verification import Broken, verify_all

COUNT = 6
TEXTS = [name for name in schema.audit.c.keys() if name != "seq"]  # noqa: SIM118 - not a dict
# `YWJj` is also the base64 of three bytes.
ENTRIES = [
    Entry("decided", {"n": n, "subject": "Gr\u00fc\u00dfe\u2028"}, "plan", f"action{n}", "call", "YWJj")
    for n in range(1, COUNT + 1)
]
many = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A log of COUNT records, none of which has an empty column."""
    engine = sqlite_engine(tmp_path / "worker.db")
    transact(engine, migrate)
    transact(engine, lambda conn: append(conn, ACCOUNT, NOW, ENTRIES))
    yield engine
    engine.dispose()


@pytest.fixture
def conn(engine: Engine) -> Iterator[Connection]:
    """A transaction that is never committed."""
    with engine.connect() as conn:
        yield conn


def first_bad(conn: Connection) -> Broken | None:
    """What verification names first, in the account's own log if anything there."""
    found = sorted(verify_all(conn, {ACCOUNT: ()}), key=lambda one: one.account_id != ACCOUNT)
    return next((one.broken for one in found if one.broken), None)


def value(conn: Connection, seq: int, column: str) -> bytes:
    """A column's bytes."""
    query = text(f"SELECT CAST({column} AS BLOB) FROM audit WHERE seq = :seq")  # noqa: S608
    return bytes(conn.execute(query, {"seq": seq}).scalar_one())


def put(conn: Connection, seq: int, column: str, data: bytes, kind: str = "TEXT") -> None:
    """Writes a column's bytes, valid UTF-8 or not."""
    query = text(f"UPDATE audit SET {column} = CAST(:data AS {kind}) WHERE seq = :seq")  # noqa: S608
    conn.execute(query, {"data": data, "seq": seq})


def found_when(conn: Connection, seq: int, column: str, data: bytes, kind: str = "TEXT") -> Broken | None:
    """What is found of one changed column, after which it is as before."""
    with conn.begin_nested() as savepoint:
        put(conn, seq, column, data, kind)
        found = first_bad(conn)
        savepoint.rollback()
    return found


def test_the_log_itself_is_whole(conn: Connection) -> None:
    """Or finding a fault would prove nothing."""
    assert first_bad(conn) is None


@many
@given(data=st.data(), seq=st.integers(1, COUNT), column=st.sampled_from(TEXTS), other=st.integers(1, 255))
def test_any_byte_that_was_changed_is_found(
    conn: Connection, data: st.DataObject, seq: int, column: str, other: int
) -> None:
    """In any column of any record, to any other value, be it text or not; the record is named."""
    was = value(conn, seq, column)
    at = data.draw(st.integers(0, len(was) - 1), "position")
    kind = data.draw(st.sampled_from(["TEXT", "BLOB"]), "type")
    edited = was[:at] + bytes([was[at] ^ other]) + was[at + 1 :]
    found = found_when(conn, seq, column, edited, kind)
    assert found is not None
    assert found.seq == seq


@many
@given(seq=st.integers(1, COUNT), column=st.sampled_from(TEXTS), data=st.data(), more=st.binary(max_size=4))
def test_bytes_that_were_put_in_or_taken_out_are_found(
    conn: Connection, data: st.DataObject, seq: int, column: str, more: bytes
) -> None:
    """A longer or shorter value too."""
    was = value(conn, seq, column)
    start = data.draw(st.integers(0, len(was)), "start")
    end = data.draw(st.integers(start, min(len(was), start + 4)), "end")
    edited = was[:start] + more + was[end:]
    if edited == was:
        return
    found = found_when(conn, seq, column, edited)
    assert found is not None
    assert found.seq == seq


def test_bytes_that_read_like_the_text_in_json_are_found(conn: Connection) -> None:
    """JSON writes bytes as base64, and so these three like the text `YWJj`."""
    assert value(conn, 3, "message_id") == b"YWJj"
    found = found_when(conn, 3, "message_id", b"abc", "BLOB")
    assert found == Broken(3, "a column of it is no text any more")


@pytest.mark.parametrize("number", ["-3", "0", "2", "7", "3.5", "X'33'", "'3x'", "4294967299"])
def test_a_changed_number_is_found(conn: Connection, number: str) -> None:
    """Even one of another type, or one that is taken."""
    conn.execute(text("CREATE TABLE loose AS SELECT * FROM audit"))
    conn.execute(text("DROP TABLE audit"))
    conn.execute(text("ALTER TABLE loose RENAME TO audit"))
    conn.execute(text(f"UPDATE audit SET seq = {number} WHERE seq = 3"))  # noqa: S608
    found = first_bad(conn)
    assert found is not None
    assert found.seq <= 3


ROWS = st.one_of(
    st.lists(st.integers(1, COUNT), max_size=COUNT + 2),
    st.permutations(range(1, COUNT + 1)),
    st.integers(0, COUNT).map(lambda length: list(range(1, length + 1))),
)


@many
@given(order=ROWS, renumber=st.booleans(), head=st.booleans())
def test_records_in_any_other_order_or_number_are_found(
    conn: Connection, order: Sequence[int], renumber: bool, head: bool
) -> None:
    """Dropped, swapped, doubled, numbered anew or not: only the log as it was passes, and its true beginning."""
    was = {row["seq"]: row for row in records(conn, ACCOUNT)}
    rows = [was[seq] | ({"seq": at} if renumber else {}) for at, seq in enumerate(order, 1)]
    if len({row["seq"] for row in rows}) < len(rows):
        return  # the primary key forbids it
    with conn.begin_nested() as savepoint:
        conn.execute(delete(schema.audit))
        if rows:
            conn.execute(insert(schema.audit), rows)
        if head and rows:  # a careful forger
            last = max(rows, key=lambda row: int(row["seq"]))
            conn.execute(schema.audit_head.update().values(seq=last["seq"], hash=last["hash"]))
        found = first_bad(conn)
        savepoint.rollback()
    rows.sort(key=lambda row: int(row["seq"]))
    true_beginning = rows == [was[seq] for seq in was if seq <= len(rows)]
    # What a checkpoint is for: a log cut off with its head looks whole.
    whole = true_beginning and (len(rows) == COUNT or (head and bool(rows)))
    assert (found is None) == whole, found


def test_another_head_is_found(conn: Connection) -> None:
    """Every byte of it counts as well."""
    for column, other in [("account_id", "f" * 32), ("hash", "0" * 64), ("seq", COUNT + 1), ("seq", 0)]:
        with conn.begin_nested() as savepoint:
            conn.execute(schema.audit_head.update().values({column: other}))
            assert first_bad(conn) is not None, column
            savepoint.rollback()


def test_any_byte_that_was_changed_in_the_file_is_found(engine: Engine, tmp_path: Path) -> None:
    """With an editor for files, past SQLite: also where a query would not look, as an index has the value too."""
    engine.dispose()
    whole = (tmp_path / "worker.db").read_bytes()
    start, end = _record(whole)
    for at in range(start, end):
        spoiled = bytearray(whole)
        spoiled[at] ^= 1
        assert _spoiled(tmp_path / "spoiled", bytes(spoiled)), at - start


def test_an_index_that_was_changed_in_the_file_is_damage(engine: Engine, tmp_path: Path) -> None:
    """Every record is as it was, yet who looks for an action by its id no longer finds it."""
    engine.dispose()
    whole = (tmp_path / "worker.db").read_bytes()
    own = whole.index(b"action4", _record(whole)[0])
    (index,) = (at for at in _places(whole, b"action4") if at != own)
    (tmp_path / "worker.db").write_bytes(whole[:index] + b"option4" + whole[index + 7 :])
    spoiled = sqlite_engine(tmp_path / "worker.db")
    with pytest.raises(Damaged, match="ix_audit_action"):
        transact(spoiled, first_bad)
    spoiled.dispose()


def _places(file: bytes, word: bytes) -> Iterator[int]:
    at = file.find(word)
    while at >= 0:
        yield at
        at = file.find(word, at + 1)


def _record(file: bytes) -> tuple[int, int]:
    """Where the fourth record lies: its columns, from the account to its hash."""
    body = file.index(b'"n":4')
    end = file.index(b"}", body) + 1 + 64 + 64
    return file.rindex(ACCOUNT.encode(), 0, body), end


def _spoiled(folder: Path, file: bytes) -> bool:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / "worker.db").write_bytes(file)
    engine = sqlite_engine(folder / "worker.db")
    try:
        return transact(engine, first_bad) is not None
    except (StoreError, DatabaseError):
        return True  # SQLite itself says that the file is damaged
    finally:
        engine.dispose()


@pytest.mark.soak
def test_every_byte_to_every_value(conn: Connection) -> None:
    """The property above without chance: each byte of each column of each record, to each other value.

    TAMPER_STEP=16 tries every sixteenth value only.
    """
    step = int(os.environ.get("TAMPER_STEP", "1"))
    tried = 0
    for seq in range(1, COUNT + 1):
        for column in TEXTS:
            was = value(conn, seq, column)
            for at in range(len(was)):
                for other in range(1, 256, step):
                    edited = was[:at] + bytes([was[at] ^ other]) + was[at + 1 :]
                    found: Any = found_when(conn, seq, column, edited)
                    assert found is not None and found.seq == seq, (seq, column, at, other)  # noqa: PT018
                    tried += 1
    assert tried > 100_000 // step
