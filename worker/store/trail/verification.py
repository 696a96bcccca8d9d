"""Whether the audit log is whole: every record as it was written, all of them, in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, exists, func, select
from sqlalchemy.exc import OperationalError

from worker.errors import Damaged, StoreError
from worker.store import schema
from worker.store.conditions import RESTORE
from worker.store.file.sqlite_file import any_bytes, as_filed, damage
from worker.store.trail.audit import GENESIS, record_hash, records


class Broken(NamedTuple):
    """The first record that does not fit the chain."""

    seq: int
    why: str


class Mark(NamedTuple):
    """What a checkpoint kept elsewhere says of an account's log: its last record at that time."""

    seq: int
    hash: str
    at: str


class Verified(NamedTuple):
    """How many records of an account's log are intact, and the first that is not, if any."""

    account_id: str
    records: int
    broken: Broken | None


def accounts(conn: Connection) -> list[str]:
    """Every account that has a log or the head of one."""
    return sorted(account for account in _named(conn) if _is_account(account))


def verify_all(conn: Connection, marks: Mapping[str, Sequence[Mark]]) -> list[Verified]:
    """Verifies every log that there is or, its account being among `marks`, should be."""
    named = _named(conn)
    ids = sorted({*marks, *(account for account in named if _is_account(account))})
    found = [Verified(account, *verify(conn, account, marks.get(account, ()))) for account in ids]
    why = "its account was changed to what no account is called"
    found += [Verified(ascii(one), 0, Broken(seq, why)) for one, seq in named.items() if not _is_account(one)]
    return found if any(one.broken for one in found) else [*found, *_moved_in_the_file(conn)]


def verify(conn: Connection, account_id: str, marks: Sequence[Mark] = ()) -> tuple[int, Broken | None]:
    """Number of intact records and the first that was edited, deleted, inserted or reordered, if any.

    Against `marks` a log shows too that was cut off at its end or written anew as a whole.
    """
    try:
        return _verify(conn, account_id, marks)
    except OperationalError as error:
        if "decode" not in str(error.orig).lower():
            raise
    # A text that is no UTF-8 any more: the driver refused the row, but which one it is has to be told.
    with any_bytes(conn):
        return _verify(conn, account_id, marks)


def require_whole(conn: Connection, account_id: str) -> None:
    """StoreError where the log is not whole: what is concluded from it would prove nothing."""
    _, broken = verify(conn, account_id)
    if broken is not None:
        raise StoreError(
            f"the audit log: record {broken.seq} is the first bad one: {broken.why}; see `worker audit verify`"
        )


def _verify(conn: Connection, account_id: str, marks: Sequence[Mark]) -> tuple[int, Broken | None]:
    count, previous = 0, GENESIS
    ahead = sorted(marks, reverse=True)
    confirmed = 0
    for row in records(conn, account_id):
        broken = _check(row, count + 1, previous)
        if broken:
            return count, broken
        count, previous = count + 1, row["hash"]
        while ahead and ahead[-1].seq <= count:
            mark = ahead.pop()
            if mark.seq == count and mark.hash != previous:
                return confirmed, Broken(count, _rewritten(mark, confirmed))
            confirmed = mark.seq
    if ahead and ahead[-1].seq > count:
        told = f"the checkpoint of {ahead[-1].at} names {ahead[-1].seq} records"
        return count, Broken(count + 1, f"record {count + 1} is missing: {told}")
    return count, _check_head(conn, account_id, count, previous)


def _check(row: dict[str, Any], seq: int, previous: str) -> Broken | None:
    if row["seq"] != seq:
        return Broken(seq, f"record {seq} is missing: the next one is {row['seq']}")
    # Only text and nothing: as JSON, bytes would pass for the text of their base64.
    if not all(value is None or type(value) is str for name, value in row.items() if name != "seq"):
        return Broken(seq, "a column of it is no text any more")
    if row["prev_hash"] != previous:
        return Broken(seq, "does not follow the record before it")
    try:
        fits = record_hash(row) == row["hash"]
    except UnicodeEncodeError:
        fits = False
    return None if fits else Broken(seq, "its content does not match its hash")


def _rewritten(mark: Mark, confirmed: int) -> str:
    which = "it" if mark.seq == confirmed + 1 else f"a record from {confirmed + 1} on"
    return f"is not the one that the checkpoint of {mark.at} names: {which} was written anew"


def _check_head(conn: Connection, account_id: str, count: int, last: str) -> Broken | None:
    if not count and conn.execute(select(exists().where(schema.actions.c.account_id == account_id))).scalar():
        return Broken(1, "record 1 is missing: the log is empty, but the ledger holds actions")
    h = schema.audit_head.c
    head = conn.execute(select(h.seq, h.hash).where(h.account_id == account_id)).first()
    if head is None:
        return Broken(count, "the head of the chain is missing") if count else None
    if head.seq != count:
        return Broken(count + 1, f"record {count + 1} is missing: the head names {head.seq} records")
    return None if head.hash == last else Broken(count, "the head of the chain names another hash")


def _named(conn: Connection) -> dict[Any, int]:
    """Whatever stands in an account's column, with the first record that it stands in."""
    found: dict[Any, int] = {}
    with any_bytes(conn):
        for table in (schema.audit_head, schema.audit):
            query = select(table.c.account_id, func.min(table.c.seq)).group_by(table.c.account_id)
            found.update((account, seq) for account, seq in conn.execute(query))
    return found


def _is_account(value: object) -> bool:
    return isinstance(value, str) and value.isascii()


def _moved_in_the_file(conn: Connection) -> list[Verified]:
    """The record whose key was changed in the file itself, past the index from which queries take it."""
    found = damage(conn, schema.audit) or damage(conn, schema.audit_head)
    if found is None:
        return []
    count: Counter[Any] = Counter()
    with any_bytes(conn):
        for account, seq in as_filed(conn, schema.audit, "account_id", "seq"):
            count[account] += 1
            if count[account] != seq:
                why = "its account or its number is another one in the table than in its index"
                return [Verified(str(account), 0, Broken(seq, why))]
    raise Damaged(f"database: {found}; the audit log's file is damaged; {RESTORE}")
