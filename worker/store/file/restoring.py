"""An older copy takes the ledger's place: marked as such before it has the name, nothing removed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from worker.clock import iso
from worker.errors import StoreError, UsageError
from worker.model.ledger import Pause, TimeMark
from worker.store import flags, redating
from worker.store.calls import losses
from worker.store.engine import reading_engine, sqlite_engine, transact
from worker.store.file import files, witness
from worker.store.file.soundness import check
from worker.store.migrate import migrate
from worker.store.trail.verification import accounts

Lost = tuple[witness.Head | None, Pause | None]


def restore(
    copy: Path, database: Path, account_id: str | None, delay: float, here: TimeMark, by: str
) -> dict[str, Any]:
    """Puts `copy` in the place of `database`, which no worker runs on. Returns what was done, for people.

    `delay`: seconds after which the vendor's log shows what was done. `here`: the time as this machine has it, which
    the copy follows. A copy that is the database itself, as after a whole volume was rolled back, is only marked.
    """
    lost = _what_is_lost(database)
    fresh = files.beside(database, ".restoring")
    source = reading_engine(copy)
    try:
        files.copy(source, fresh)
    finally:
        source.dispose()
    engine = sqlite_engine(fresh)
    try:
        marked = _mark(engine, account_id, lost, delay, here, by, str(copy))
        head = transact(engine, partial(_head, account_id=account_id))
    finally:
        engine.dispose()
    files.sync(fresh)
    kept = files.put_aside(database, here.seen)
    files.put_in_place(fresh, database)
    if head is not None:
        witness.write(database, head)
    return {"kept": kept.name if kept else None, "accounts": marked}


def _what_is_lost(database: Path) -> dict[str, Lost]:
    """How far the replaced database had come, and whether it was paused, as far as it can still be read."""
    if not database.exists():
        return {}
    try:
        engine = sqlite_engine(database)
        try:
            check(engine, 1.0)
            return transact(engine, _read_lost)
        finally:
            engine.dispose()
    except (StoreError, UsageError):
        return {}


def _read_lost(conn: Connection) -> dict[str, Lost]:
    return {head.account_id: (head, flags.paused(conn, head.account_id)) for head in witness.heads(conn)}


def _mark(
    engine: Engine,
    account_id: str | None,
    lost: dict[str, Lost],
    delay: float,
    here: TimeMark,
    by: str,
    name: str,
) -> list[dict[str, Any]]:
    """In every account that the copy or the replaced database knows, or that is set."""

    def mark(conn: Connection) -> list[dict[str, Any]]:
        migrate(conn)
        known = {*accounts(conn), *lost, *filter(None, [account_id])}
        return [
            _mark_account(conn, one, lost.get(one, (None, None)), delay, here, by, name)
            for one in sorted(known)
        ]

    return transact(engine, mark)


def _mark_account(
    conn: Connection, account_id: str, lost: Lost, delay: float, here: TimeMark, by: str, name: str
) -> dict[str, Any]:
    head, pause = lost
    now, known = here.seen, redating.mark(conn, account_id)
    redating.follow(conn, account_id, known.step_to(here) if known else 0.0, here)
    told = {"by": by, "copy": name, "replaced": head._asdict() if head else None}
    unfinished = losses.begin(conn, account_id, now, delay, "restored by `worker restore`", told)
    if pause is not None and flags.paused(conn, account_id) is None:
        # A brake that was pulled after the copy was made is not let go by going back to it.
        flags.pause(conn, account_id, pause.reason, pause.by, now)
    loss = losses.current(conn, account_id, now)
    return {
        "account_id": account_id,
        "complete_until": iso(loss.since) if loss else None,
        "unfinished": unfinished,
        "paused": flags.paused(conn, account_id) is not None,
    }


def _head(conn: Connection, account_id: str | None) -> witness.Head | None:
    known = {head.account_id: head for head in witness.heads(conn)}
    return known.get(account_id or "") or next(iter(known.values()), None)
