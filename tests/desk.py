"""A real ledger on a real database, with the shortest ways to put work in and to see what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from msgspec.structs import replace
from sqlalchemy import Connection, select

from tests.builders import ACCOUNT, ENFORCE, decided, poll
from tests.fakes import ManualClock
from worker.model.actions import Action, Mode, State
from worker.model.calls import Answered, Call, Outcome
from worker.model.ledger import Aside, Closed, Cursor, Limits
from worker.model.plans import Ceilings, Decided, Poll
from worker.store import schema
from worker.store.engine import Store
from worker.store.ledger import StoreLedger
from worker.store.people import reviews
from worker.store.trail import audit
from worker.store.trail.verification import verify

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Where tests of the ledger work."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.heard: list[Aside] = []
        self.ledger = StoreLedger(store, ACCOUNT, clock, batch=1000, tell=self.heard.append)
        self._polls = 0

    async def run(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """One store function in a transaction of its own."""
        return await self.store.run(function, *args, **kwargs)

    async def record(self, to: Poll, *events: Decided, read_at: float | None = -1.0, **more: Any) -> Any:
        """One page of an open poll, read just now; as intake does it, what was seen before is left out."""
        seen = await self.ledger.unseen([one.sighting for one in events])
        fresh = {(one.key, one.revision): one for one in seen}
        new = [
            replace(one, sighting=fresh[one.sighting.key, one.sighting.revision])
            for one in events
            if (one.sighting.key, one.sighting.revision) in fresh
        ]
        return await self.ledger.record(
            to,
            seen,
            new,
            rows=len(events),
            read_at=self.clock.now() if read_at == -1.0 else read_at,
            **{"keep_all": False, **more},
        )

    async def take_in(
        self,
        *events: Decided,
        ceilings: Ceilings = ENFORCE,
        advance: Cursor | None = None,
        read_at: float | None = -1.0,
    ) -> Closed:
        """A whole poll of one page."""
        self._polls += 1
        one = poll(f"poll{self._polls}", source=events[0].sighting.source if events else "detections")
        await self.record(one, *events, read_at=read_at)
        return await self.ledger.close(one, ceilings, advance)

    async def want(self, *actions: Action, ceilings: Ceilings = ENFORCE) -> Closed:
        """One enforcing playbook wants these, each on a message of its own."""
        wanted = [decided(one.message, one) for one in actions if one.message is not None]
        return await self.take_in(*wanted, ceilings=ceilings)

    async def rows(self, **equal: Any) -> list[dict[str, Any]]:
        """Every action as it stands, those of open plans included."""

        def read(conn: Connection) -> list[dict[str, Any]]:
            query = select(schema.actions).order_by(schema.actions.c.created_at, schema.actions.c.message_id)
            for name, value in equal.items():
                query = query.where(schema.actions.c[name] == value)
            return [dict(row) for row in conn.execute(query).mappings()]

        return await self.run(read)

    async def row(self, message_id: str = "m1", **equal: Any) -> dict[str, Any]:
        """The only action on a message."""
        (row,) = await self.rows(message_id=message_id, **equal)
        return row

    async def states(self) -> dict[str, list[str]]:
        """States by message, oldest action first."""
        found: dict[str, list[str]] = {}
        for row in await self.rows():
            found.setdefault(row["message_id"], []).append(row["state"])
        return found

    async def claim(
        self, *, most: int = 1000, calls: int = 10, budget: int = 600, mode: Mode = Mode.ENFORCE
    ) -> list[Call]:
        """Claims up to so many calls from every lane."""
        limits = Limits(Ceilings(mode), budget, 120.0)
        claimed: list[Call] = []
        for lane in await self.ledger.lanes(mode):
            claimed += (await self.ledger.claim(lane, limits, most=most, calls=calls)).calls
        return claimed

    async def settle(self, call: Call, state: State, **more: Any) -> int:
        """One answer for every action of a call."""
        outcomes = tuple(Outcome(item.action_id, state, **more) for item in call.items)
        return await self.ledger.settle(call, Answered(outcomes, "call.answered", 200))

    async def bring(
        self, state: State, *events: Decided, due_in: float | None = None
    ) -> list[dict[str, Any]]:
        """Actions that have been sent and have come to this state."""
        await self.take_in(*events)
        for call in await self.claim():
            await self.settle(call, state, due_in=due_in)
        return await self.rows()

    async def edit(self, action_id: str, **values: Any) -> None:
        """Sets columns of an action directly."""

        def write(conn: Connection) -> None:
            conn.execute(schema.actions.update().where(schema.actions.c.id == action_id).values(**values))

        await self.run(write)

    async def approve(self, *names: str, looked: bool = True) -> list[str]:
        """A person approves the actions on these messages in one go; `looked`: and they have been looked at."""
        ids = [(await self.row(name))["id"] for name in names]
        for one in ids:
            await self.edit(one, state=State.HELD)
        await self.run(reviews.approve, ACCOUNT, ids, "ann", self.clock.now())
        for one in ids if looked else ():
            await self.edit(one, verified_at=self.clock.now())
        return ids

    async def audit(self, *kinds: str) -> list[dict[str, Any]]:
        """Records of the log, of these kinds where named."""

        def read(conn: Connection) -> list[dict[str, Any]]:
            return [row for row in audit.records(conn, ACCOUNT) if not kinds or row["kind"] in kinds]

        return await self.run(read)

    async def intact(self) -> bool:
        """Whether the chain of the log is whole."""
        _, broken = await self.run(verify, ACCOUNT)
        return broken is None


def messages(call: Call) -> Sequence[str]:
    """The messages of a call."""
    return [item.message_id for item in call.items]
