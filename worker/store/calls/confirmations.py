"""Actions that the vendor took for later: what its own records say of them afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, text, update

from worker.model.actions import State
from worker.model.calls import Item
from worker.model.kinds import confirmed_lanes
from worker.model.ledger import Confirmation
from worker.store import schema
from worker.store.calls.claims import ITEM_COLUMNS, item
from worker.store.prepared import Prepared
from worker.store.tools import chunks
from worker.store.trail.audit import Entry, append

_A = schema.actions.c
_LANES = confirmed_lanes()
_NOTE = Prepared(
    update(schema.actions)
    .where(_A.id == bindparam("action"), _A.state == State.SUCCEEDED)
    .values(due_at=bindparam("to_due"), read_backs=_A.read_backs + 1)
)


def shared_names(conn: Connection, account_id: str, items: Sequence[Item]) -> set[tuple[str, str]]:
    """Of the postfix ids and targets of these, those for which the same verdict was wanted of several messages.

    Whatever has become of it: after a restore nobody here knows what was sent.
    """
    wanted = {(one.postfix_id, one.target) for one in items if one.postfix_id}
    found: set[tuple[str, str]] = set()
    for part in chunks({name for name, _ in wanted}):
        query = (
            select(_A.postfix_id, _A.target)
            .where(_A.account_id == account_id, text(schema.CONFIRMED), _A.postfix_id.in_(part))
            .group_by(_A.postfix_id, _A.target)
            .having(func.count(_A.message_id.distinct()) > 1)
        )
        found.update((row.postfix_id, row.target) for row in conn.execute(query))
    return found & wanted


def due_confirmations(conn: Connection, account_id: str, now: float, most: int) -> list[Item]:
    """Reclassifications and submissions that were taken and are to be looked for now, the oldest first."""
    query = (
        select(*ITEM_COLUMNS)
        .where(
            _A.account_id == account_id,
            _A.state == State.SUCCEEDED,
            _A.lane.in_(_LANES),
            _A.due_at <= now,
        )
        .order_by(_A.due_at, _A.id)
        .limit(most)
    )
    return [item(row) for row in conn.execute(query).mappings()]


def confirm(conn: Connection, account_id: str, now: float, seen: Sequence[Confirmation]) -> None:
    """Records what was found, and what was looked for in vain for the last time; the others are due again."""
    _NOTE.many(
        conn,
        [
            {"action": one.action_id, "to_due": None if one.again_in is None else now + one.again_in}
            for one in seen
        ],
    )
    append(
        conn,
        account_id,
        now,
        [
            Entry("confirmed" if one.found else "unconfirmed", one.found, action_id=one.action_id)
            for one in seen
            if one.again_in is None
        ],
    )
