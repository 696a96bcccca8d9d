"""An explanation as lines and as JSON, with what the ledger has of the message."""

from __future__ import annotations

import json
import linecache
import time
from collections.abc import Iterator
from typing import Any

from worker.cli.common import Database
from worker.cli.printing import glance, say
from worker.deciding.explaining import Explanation, plain
from worker.model.plans import Ceilings
from worker.playbooks.conditions.base import Sight
from worker.store.views import prospects, queries

LEDGER = 20
"""Actions on the message that are shown, the newest."""


def ledger_json(told: Explanation, db: Database | None) -> dict[str, Any]:
    """What the ledger adds."""
    return {"caps": _caps(told, db), "actions": _actions(told, db)}


def _caps(told: Explanation, db: Database | None) -> dict[str, Any]:
    """What counts against the caps, and what is allowed."""
    if db is None:
        return {}
    ceilings: Ceilings = db.ceilings()
    _, used = db.run(prospects.foreseen, (), ceilings, time.time())
    mine = told.playbook.caps
    return {
        "per_poll": min(mine.per_poll, ceilings.per_poll),
        "hour": used.hour.get(told.playbook.id, 0),
        "per_hour": min(mine.per_hour, ceilings.per_hour),
        "hour_all": used.hour_all,
        "per_hour_all": ceilings.per_hour,
    }


def _actions(told: Explanation, db: Database | None) -> list[dict[str, Any]]:
    message = told.shown.sighting.message
    if db is None or message is None:
        return []
    return db.run(
        lambda *given, **more: list(queries.actions(*given, **more)), message_id=message.id, limit=LEDGER
    )


def tell(told: Explanation, db: Database | None) -> None:
    """In lines: what a person reads from top to bottom."""
    one, event, message = told.playbook, told.shown.sighting, told.shown.sighting.message
    say(f"playbook   {one.id} version {one.version}, {one.path}:{one.line}")
    about = "" if message is None or message.id == event.key else f" about message {message.id}"
    say(f"event      {event.key} ({event.source}){about}: {told.shown.origin}")
    if message is not None:
        say(
            f"message    {_value(message.final_disposition)} from {_value(message.sender)}: {_value(message.subject)}"
        )
    for line in _asked(told):
        say(line)
    for wish, clash in told.clashes():
        also = "; contradicts this one" if clash else ""
        names = ", ".join(f"{vote.playbook} ({vote.mode})" for vote in wish.votes)
        say(f"others     {names}: {wish.action.kind} {wish.action.target}".rstrip() + also)
    say(f"mode       {told.mode}: the lower of its level {one.mode} and WORKER_MODE {told.ceiling}")
    if caps := _caps(told, db):
        say(
            f"caps       {caps['hour']} of {caps['per_hour']} in the last hour, at most {caps['per_poll']} a poll; "
            f"all playbooks {caps['hour_all']} of {caps['per_hour_all']}"
        )
    if db is None:
        say("caps       not known, nor what was done to the message: there is no database yet")
    for row in _actions(told, db):
        why = row["error"] or row["reason"]
        say(
            f"ledger     {row['id']} {row['state']} {row['kind']} by {row['playbook']}, {row['updated_at']}: {why}"
        )
    say(f"so         {told.why()}")


def _asked(told: Explanation) -> Iterator[str]:
    """What came of asking the playbook alone."""
    account = told.account
    for name, value in told.params.items():
        yield f"param      {name} = {_value(value)}"
    for sight in account.when:
        yield from (f"when       {line}" for line in _lines(sight, ""))
    for name, value in account.read.items():
        yield f"read       {name} = {_value(value)}"
    if account.line is not None:
        code = linecache.getline(str(told.playbook.path), account.line).strip()
        yield f"returned   {told.playbook.path}:{account.line}  {code}"
    if account.failure:
        yield f"failed     {account.failure}"
    for action in account.wanted:
        yield f"wants      {action.kind} {action.target}".rstrip() + f": {action.reason}"


def _lines(sight: Sight, indent: str) -> Iterator[str]:
    saw = ", ".join(f"{name} = {_value(value)}" for name, value in sight.saw.items())
    told = "; ".join(filter(None, (saw, sight.why)))
    yield f"{'yes' if sight.holds else 'no '}  {indent}{sight.name}" + (f"  [{told}]" if told else "")
    for part in sight.parts:
        yield from _lines(part, indent + "  ")


def _value(value: Any) -> str:
    """As JSON, in one line; what JSON cannot say as text."""
    return glance(json.dumps(plain(value), ensure_ascii=False))
