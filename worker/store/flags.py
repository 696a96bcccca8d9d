"""What the account remembers across restarts: pause, the vendor's 429, when it ends."""

from __future__ import annotations

import math
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select

from worker.model.actions import State
from worker.model.ledger import Pause
from worker.store import schema
from worker.store.prepared import Prepared, put
from worker.store.tools import from_json, to_json
from worker.store.trail.audit import Entry, append

_VALUE = Prepared(
    select(schema.settings.c.value).where(
        schema.settings.c.account_id == bindparam("account"), schema.settings.c.name == bindparam("setting")
    )
)
PAUSE = "pause"
PAUSE_FILE = "pause_file"
BLOCKED_UNTIL = "blocked_until"
DAEMON = "daemon"
CAPS_LOWERED = "caps_lowered"
"""When a worker last began under lower caps of the operator's than the one before it."""
_OPERATORS_CAPS = ("cap_per_hour", "cap_per_day")
FAILING = "failing:"
"""Before the name of a source."""
PROBE = "probe"
NO_REASON = "no reason given"


def get(conn: Connection, account_id: str, name: str) -> Any:
    """The value of one setting, or None."""
    text = _VALUE(conn, account=account_id, setting=name).scalar_one_or_none()
    return None if text is None else from_json(text)


def set_value(conn: Connection, account_id: str, name: str, value: Any, now: float) -> None:
    """Stores one setting; the value is any JSON."""
    row = {"account_id": account_id, "name": name, "value": to_json(value), "updated_at": now}
    put(conn, schema.settings, [row])


def introduce(conn: Connection, account_id: str, daemon: dict[str, Any], now: float) -> None:
    """What the worker that begins says of itself, for commands and for the next one."""
    known = get(conn, account_id, DAEMON)
    if known and any(_cap(daemon, name) < _cap(known, name) for name in _OPERATORS_CAPS):
        a = schema.actions.c
        newest = select(func.max(a.admitted_at)).where(a.account_id == account_id, a.state == State.READY)
        # A clock that was set may have dated what the one before let through after now.
        set_value(conn, account_id, CAPS_LOWERED, max(now, conn.scalar(newest) or now), now)
    set_value(conn, account_id, DAEMON, daemon, now)


def _cap(daemon: dict[str, Any], name: str) -> float:
    allowed: float | None = daemon.get(name)
    return math.inf if allowed is None else allowed


def note_source(conn: Connection, account_id: str, now: float, source: str, since: float, error: str) -> None:
    """Why a source cannot be read, and since when, a restart in between or not; nothing where it can be (again)."""
    if error:
        known = get(conn, account_id, FAILING + source)
        noted = {"since": known["since"] if known else since, "error": error}
        set_value(conn, account_id, FAILING + source, noted, now)
    else:
        forget(conn, account_id, FAILING + source)


def forget(conn: Connection, account_id: str, name: str) -> None:
    """Removes one setting."""
    table = schema.settings
    conn.execute(delete(table).where(table.c.account_id == account_id, table.c.name == name))


def paused(conn: Connection, account_id: str) -> Pause | None:
    """The pause in force by a command or a signal, if any."""
    value = get(conn, account_id, PAUSE)
    return Pause(**value) if value else None


def pause(conn: Connection, account_id: str, reason: str, by: str, now: float, how: str = "command") -> None:
    """No new mutating request starts from here on, until `resume`. What pauses already goes on since then.

    Who gives no reason leaves the one that there is, and who gave it.
    """
    known = paused(conn, account_id)
    noted = Pause(reason or NO_REASON, known.since if known else now, by, how)
    if known and not reason:
        noted = known
    set_value(conn, account_id, PAUSE, noted._asdict(), now)
    append(conn, account_id, now, [Entry("pause", {"reason": reason or NO_REASON, "by": by, "how": how})])


def note_pause_file(conn: Connection, account_id: str, found: Pause | None, now: float) -> None:
    """The log tells that the file PAUSE came or went, once each, over restarts too; the file itself is the brake."""
    if (get(conn, account_id, PAUSE_FILE) is None) is (found is None):
        return
    if found is None:
        forget(conn, account_id, PAUSE_FILE)
        append(conn, account_id, now, [Entry("resume", {"by": "removal of the file", "how": "file"})])
    else:
        set_value(conn, account_id, PAUSE_FILE, found._asdict(), now)
        body = {"reason": found.reason, "by": found.by, "how": found.how}
        append(conn, account_id, now, [Entry("pause", body)])


def resume(conn: Connection, account_id: str, by: str, now: float) -> bool:
    """Lifts the pause; False where there was none."""
    if paused(conn, account_id) is None:
        return False
    forget(conn, account_id, PAUSE)
    append(conn, account_id, now, [Entry("resume", {"by": by})])
    return True


def block_until(conn: Connection, account_id: str, until: float, now: float) -> None:
    """Nothing is sent before `until`: the vendor answered 429. Never shortens a block in force."""
    current = get(conn, account_id, BLOCKED_UNTIL) or 0.0
    if until > current:
        set_value(conn, account_id, BLOCKED_UNTIL, until, now)


def blocked_until(conn: Connection, account_id: str) -> float:
    """When the vendor may be asked again; 0 where nothing is known."""
    return float(get(conn, account_id, BLOCKED_UNTIL) or 0.0)
