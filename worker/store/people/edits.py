"""Calls by which a person changes the tenant's settings: each has its intent in the audit log before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from worker.clock import Clock
from worker.model.ledger import Pause, UnderWay
from worker.store import flags
from worker.store.engine import Store
from worker.store.trail.audit import Entry, append

UNDER_WAY = "settings_call"
FRESH_SECONDS = 2.0
"""How long after its intent a call may be sent: a pause may have come since."""


def begin(
    conn: Connection, account_id: str, now: float, call: UnderWay, body: dict[str, Any]
) -> Pause | None:
    """Writes the intent down, unless the brake is on: then the pause, and nothing may be sent."""
    pause = flags.paused(conn, account_id)
    if pause is not None:
        return pause
    flags.set_value(conn, account_id, UNDER_WAY, call._asdict(), now)
    append(conn, account_id, now, [Entry("settings_intent", body, call_id=call.call_id)])
    return None


def answered(conn: Connection, account_id: str, now: float, call_id: str, body: dict[str, Any]) -> None:
    """What came back; whether it had an effect is known by it."""
    flags.forget(conn, account_id, UNDER_WAY)
    append(conn, account_id, now, [Entry("settings_outcome", body, call_id=call_id)])


def lost(conn: Connection, account_id: str, now: float, call_id: str, body: dict[str, Any]) -> None:
    """No usable answer came: the call stays under way until the tenant was looked at."""
    append(conn, account_id, now, [Entry("settings_outcome", body, call_id=call_id)])


def looked(conn: Connection, account_id: str, now: float, call_id: str, body: dict[str, Any]) -> None:
    """The tenant has shown what a call without an answer did."""
    flags.forget(conn, account_id, UNDER_WAY)
    append(conn, account_id, now, [Entry("settings_read_back", body, call_id=call_id)])


def under_way(conn: Connection, account_id: str) -> UnderWay | None:
    """The call of which nobody knows what it did, if there is one."""
    value = flags.get(conn, account_id, UNDER_WAY)
    return UnderWay(**value) if value else None


class Edits:
    """These calls as a command makes them: each method is one durable transaction."""

    def __init__(
        self, store: Store, account_id: str, clock: Clock, brake: Callable[[], Pause | None]
    ) -> None:
        self._store = store
        self._account_id = account_id
        self._clock = clock
        self._brake = brake

    async def begin(self, call_id: str, section: str, body: dict[str, Any]) -> Pause | float:
        """The moment on the monotonic clock until which the call may be sent, or the pause that forbids it."""
        call = UnderWay(call_id, section, self._clock.now(), str(body["by"]))

        def write(conn: Connection) -> Pause | float:
            # Here, beside the pause of the ledger: what is written down was not paused a moment before.
            pause = self._brake() or begin(conn, self._account_id, call.at, call, body)
            return pause or self._clock.monotonic() + FRESH_SECONDS

        return await self._store.run(write)

    async def answered(self, call_id: str, body: dict[str, Any]) -> None:
        await self._store.run(answered, self._account_id, self._clock.now(), call_id, body)

    async def lost(self, call_id: str, body: dict[str, Any]) -> None:
        await self._store.run(lost, self._account_id, self._clock.now(), call_id, body)

    async def looked(self, call_id: str, body: dict[str, Any]) -> None:
        await self._store.run(looked, self._account_id, self._clock.now(), call_id, body)

    async def under_way(self) -> UnderWay | None:
        return await self._store.run(under_way, self._account_id)
