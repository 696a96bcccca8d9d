"""What a playbook has shown while it could not act by itself: the proof that it may."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from worker.clock import iso
from worker.model.actions import Mode, State
from worker.store import schema
from worker.store.plans.shadows import TRIAL_OVER

_NOT_BY_ITSELF = (Mode.SHADOW, Mode.APPROVE)


def trial(conn: Connection, account_id: str, playbook: str, version: str) -> dict[str, Any]:
    """What one version of a playbook wanted in shadow or with approval: messages, kinds, states, the largest poll."""
    a, d = schema.actions, schema.decisions
    own = (
        d.c.account_id == account_id,
        d.c.playbook == playbook,
        d.c.mode.in_(_NOT_BY_ITSELF),
        a.c.state != State.OPEN,
    )
    mine = (*own, d.c.playbook_version == version)
    both = d.join(a, a.c.id == d.c.action_id)
    messages = func.count(func.distinct(a.c.message_id))
    matches, first, last = conn.execute(
        select(messages, func.min(d.c.decided_at), func.max(d.c.decided_at)).select_from(both).where(*mine)
    ).one()
    by_poll = select(messages.label("count")).select_from(both).where(*mine).group_by(d.c.poll_id).subquery()
    wishes = select(a.c.kind, a.c.target, messages).select_from(both).where(*mine)
    # What came of a message that was decided again is said by its later action.
    latest = func.coalesce(a.c.error, "") != TRIAL_OVER
    states = select(a.c.state, messages).select_from(both).where(*mine, latest)
    ordered = wishes.group_by(a.c.kind, a.c.target).order_by(a.c.kind, a.c.target)
    others = select(messages).select_from(both).where(*own, d.c.playbook_version != version)
    return {
        "version": version,
        "matches": matches,
        "first": iso(first) if first else None,
        "last": iso(last) if last else None,
        "wanted": [
            {"kind": kind, "target": target, "messages": count}
            for kind, target, count in conn.execute(ordered)
        ],
        "states": dict(conn.execute(states.group_by(a.c.state).order_by(a.c.state)).all()),
        "largest_poll": conn.execute(select(func.max(by_poll.c.count))).scalar_one() or 0,
        "matches_of_other_versions": conn.execute(others).scalar_one(),
    }
