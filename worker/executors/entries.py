"""Entries of the tenant's settings: made, and taken back again.

Each carries the id of its action in its comment, so that a lost answer can be read back and nothing of anybody else's
is ever touched.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from worker.cloudflare import Cloudflare
from worker.cloudflare.collection import MAX_BATCH
from worker.errors import BadAnswer, Refused, VendorError
from worker.executors.base import (
    FEW,
    POSTPONED_SECONDS,
    Effect,
    ReadBack,
    alone,
    not_sent,
    not_there,
    ready,
    skipped,
    unmatched,
)
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.entries import MARK, UnblockSender
from worker.model.kinds import REMOVE, kind_of
from worker.model.ledger import Look
from worker.ops.logs import get_logger
from worker.ops.text import safe
from worker.ports import Lane, Ledger
from worker.retry import unusable_delay

if TYPE_CHECKING:
    from worker.executors.shelves import Shelf

log = get_logger()

MANY = 100
"""Entries of one request: a lost answer must not leave too many in doubt."""
ENTRIES_AT_ONCE = {"block_sender": MANY, "allow_sender": MANY, "trust_domain": MANY, "protect_identity": 1}
"""Of those that are made. The registry has no batch."""
AT_ONCE = 8
"""Entries that are read side by side."""
SINGLE_READS = 50
"""Actions that are looked up one by one in one round where the list cannot be believed; the others wait for the next."""
REASON_LENGTH = 500
"""Characters of the reason in a comment."""


class _OnShelf:
    """What has to do with entries: what touches their collections is loaded when it is first used."""

    shows = True
    parallel = 2

    def __init__(self, cloudflare: Cloudflare, read_back_delay: float) -> None:
        self._cloudflare = cloudflare
        self._delay = read_back_delay

    def _shelf(self, name: str) -> Shelf:
        from worker.executors.shelves import SHELVES  # noqa: PLC0415 - only a worker with such actions needs it

        return SHELVES[name]

    async def _survey(
        self, name: str, items: Sequence[Item], judge: Callable[[Item, list[Any] | None], Awaitable[Look]]
    ) -> list[Look]:
        """Judges each by the list of the collection, if that is worth it; one that nobody can tell of keeps no other."""
        listed: list[Any] | None = None
        if len(items) > FEW:
            try:
                listed = await self._shelf(name).everything(self._cloudflare, Lane.ACTION)
            except BadAnswer:
                items = items[:SINGLE_READS]
        looks: list[Look] = []
        for start in range(0, len(items), AT_ONCE):
            part = items[start : start + AT_ONCE]
            looks += await asyncio.gather(*(alone(item, judge(item, listed)) for item in part))
        return looks


class MakeEntry(_OnShelf):
    """Adds entries to one collection: one request for many, where the vendor takes that."""

    # The second entry for the same sender would be one too many to take back: look twice.
    proofs = 2

    def __init__(self, kind: str, most: int, cloudflare: Cloudflare, read_back_delay: float) -> None:
        super().__init__(cloudflare, read_back_delay)
        self.kind = kind
        self.most = most
        self._name = kind_of(kind).collection

    async def execute(self, call: Call) -> Answered:
        shelf = self._shelf(self._name)
        try:
            bodies = [shelf.body(item.params, _comment(item)) for item in call.items]
            rows = await shelf.create(self._cloudflare, bodies)
        except ValueError as error:
            # Nothing was sent; halves find the one that is at fault.
            raise Refused(f"{self.kind}: no entry can be made of it: {error}") from None
        outcomes = tuple(self._outcome(item, rows, shelf) for item in call.items)
        return Answered(outcomes, "call.answered")

    def _outcome(self, item: Item, rows: Sequence[Any], shelf: Shelf) -> Outcome:
        mine = [row for row in rows if shelf.is_of(row, item.action_id)]
        if not mine and len(rows) == 1 and shelf.is_same(rows[0], item.params) and not rows[0].comments:
            mine = list(rows)
        if len(mine) != 1:
            # Without its id it could be neither undone nor taken back in time: the list will show it.
            return unmatched(item, "the answer does not show the entry", self._delay)
        return Outcome(item.action_id, State.SUCCEEDED, made=mine[0].id, comments=mine[0].comments or "")

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the collection has an entry that bears the action's id; without it, it may be anybody's."""
        shelf = self._shelf(self._name)
        rows = await shelf.find(self._cloudflare, item.params, Lane.READ_BACK)
        mine = [row for row in rows if shelf.is_of(row, item.action_id)]
        if not mine:
            # The vendor may compare, or write, patterns in a way of its own: only all of them prove that it is not there.
            rows = await shelf.everything(self._cloudflare, Lane.READ_BACK)
            mine = [row for row in rows if shelf.is_of(row, item.action_id)]
        ids = [row.id for row in mine]
        seen = {"entries": ids, "looked_through": len(rows), "read_at": now}
        if not mine:
            return ReadBack(Effect.NOT_DONE, seen)
        if len(mine) > 1:
            log.error(
                "entry.twice", action_id=item.action_id, kind=item.kind, target=item.target, entries=ids
            )
        return ReadBack(Effect.DONE, seen, made=ids[0], comments=_as_made(_comment(item), mine[0].comments))

    async def survey(self, items: Sequence[Item], now: float) -> list[Look]:
        """There already: skipped. An entry of somebody else that says otherwise is left as it is."""
        shelf = self._shelf(self._name)

        async def judge(item: Item, listed: list[Any] | None) -> Look:
            rows = listed
            if rows is None:
                rows = await shelf.find(self._cloudflare, item.params, Lane.ACTION)
                if item.submitted_at is not None and not any(
                    shelf.is_of(row, item.action_id) for row in rows
                ):
                    # It was sent before: as in a read-back, only all of them prove that it is not there.
                    rows = await shelf.everything(self._cloudflare, Lane.ACTION)
            return self._judge(item, rows, shelf, now)

        return await self._survey(self._name, items, judge)

    def _judge(self, item: Item, rows: Sequence[Any], shelf: Shelf, now: float) -> Look:
        if any(shelf.is_of(row, item.action_id) for row in rows):
            # An earlier request of this very action had its effect late: a read-back takes it over, and ends it in time.
            why = "the vendor shows an entry of this action already"
            return Look(item.action_id, State.UNKNOWN, why, again_in=0.0)
        until = item.params.get("expires_at")
        if until is not None and datetime.fromisoformat(until).timestamp() <= now:
            return skipped(item, f"it was to last until {until} only")
        alike = [row for row in rows if shelf.is_alike(row, item.params)]
        if same := next((row for row in alike if shelf.is_same(row, item.params)), None):
            return skipped(item, f"already there: entry {same.id} of {shelf.maker(same)}")
        if alike:
            whose = f"entry {alike[0].id} of {shelf.maker(alike[0])}"
            return skipped(
                item, f"{whose} says otherwise about it and is left as it is; edit it in the dashboard"
            )
        return ready(item)


class _TakeBack(_OnShelf):
    """Deletes entries by their ids; what is gone already is as good."""

    # The same entry cannot be deleted twice: one look without effect is enough to send it again.
    proofs = 1
    most = MANY

    async def _delete(self, call: Call, name: str, ids: Sequence[Sequence[str]]) -> Answered:
        """The entries of each of the call's actions. One that is gone spoils the request of all, so halves find it."""
        wanted = list(dict.fromkeys(chain.from_iterable(ids)))
        if len(wanted) > MAX_BATCH:
            raise Refused(f"{len(wanted)} entries in one request, at most {MAX_BATCH} may be")
        try:
            gone = await self._shelf(name).delete(self._cloudflare, wanted)
        except Refused as error:
            if not not_there(error) or len(call.items) > 1:
                raise
            outcome = await self._without(call.items[0], name, wanted)
            return Answered((outcome,), "call.answered", error.status, error.ray, str(error))
        outcomes = tuple(
            Outcome(item.action_id, State.SUCCEEDED)
            if gone.issuperset(mine)
            else unmatched(item, "the answer does not show that the entry is gone", self._delay)
            for item, mine in zip(call.items, ids, strict=True)
        )
        return Answered(outcomes, "call.answered")

    async def _without(self, item: Item, name: str, ids: Sequence[str]) -> Outcome:
        """What becomes of the action whose request was answered with 404: nothing was deleted."""
        again_in = unusable_delay(POSTPONED_SECONDS, item.refusals)
        try:
            left = await self._left(item, name, ids, Lane.ACTION)
        except VendorError as error:
            why = f"404, but nothing else can be had either: {error}"
            return Outcome(item.action_id, State.READY, why, again_in)
        if left:
            return Outcome(item.action_id, State.READY, f"404, but {', '.join(left)} is there", again_in)
        return Outcome(item.action_id, State.SKIPPED, "the entry was gone already")

    async def _left(self, item: Item, name: str, ids: Iterable[str], lane: Lane) -> list[str]:
        """Those of the entries that are still there."""
        return [one for one in ids if await self._row(item, name, one, lane) is not None]

    async def _row(self, item: Item, name: str, entry_id: str, lane: Lane, *, proven: bool = False) -> Any:
        """The entry, or None where it is not there; `proven`: a list of its collection has just not shown it either.

        A gateway in trouble answers 404 to everything: it is believed where it finds the collection.
        """
        shelf = self._shelf(name)
        try:
            return await shelf.get(self._cloudflare, entry_id, lane)
        except Refused as error:
            if not not_there(error):
                raise
        if proven:
            return None
        rows = await shelf.find(self._cloudflare, item.params.get("made", item.params), lane)
        return next((row for row in rows if row.id == entry_id), None)


class RemoveEntry(_TakeBack):
    """Takes back exactly the entry that an action has made, where nobody has changed it since."""

    kind = REMOVE

    async def execute(self, call: Call) -> Answered:
        # The collection is part of the lane: all of a call have the same one.
        name = call.items[0].params["collection"]
        return await self._delete(call, name, [_ids(item) for item in call.items])

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the entry is not there any more."""
        left = await self._left(item, item.params["collection"], _ids(item), Lane.READ_BACK)
        return ReadBack(Effect.NOT_DONE if left else Effect.DONE, {"left": left, "read_at": now})

    async def survey(self, items: Sequence[Item], now: float) -> list[Look]:
        """Gone, or changed by somebody else since: nothing is taken back."""
        del now
        # The collection is part of the lane: all of a look have the same one.
        return await self._survey(items[0].params["collection"], items, self._judge)

    async def _judge(self, item: Item, listed: list[Any] | None) -> Look:
        params = item.params
        shelf, made, entry_id = self._shelf(params["collection"]), params["made"], params["entry_id"]
        rows = await shelf.find(self._cloudflare, made, Lane.ACTION) if listed is None else listed
        row = next((row for row in rows if row.id == entry_id), None)
        # Pages that shift while they are read may leave one out: it is asked for by its id.
        row = row or await self._row(item, params["collection"], entry_id, Lane.ACTION, proven=True)
        # An answer that was lost may have left a second one, which nobody has seen until now.
        others = [one for one in rows if one.id != entry_id and shelf.is_of(one, item.cause)]
        there = [one for one in (row, *others) if one is not None]
        mine = [one for one in there if shelf.is_as_made(one, made, item.cause)]
        if others:
            ids = [one.id for one in there]
            log.error("entry.twice", action_id=item.cause, kind=item.kind, target=item.target, entries=ids)
        if mine:
            return ready(item)._replace(origin=json.dumps([one.id for one in mine]))
        if there:
            return skipped(item, f"entry {there[0].id} was changed by somebody since, and is left as it is")
        return skipped(item, f"entry {entry_id} is gone: it has been deleted meanwhile")


def _ids(item: Item) -> list[str]:
    """The entries that the action has made, as the last look has found them."""
    found: list[str] = json.loads(item.origin) if item.origin else [item.params["entry_id"]]
    return found


class Unblock(_TakeBack):
    """Takes back what a worker blocked; what a person blocked stays blocked."""

    kind = UnblockSender.kind

    def __init__(self, cloudflare: Cloudflare, ledger: Ledger, read_back_delay: float) -> None:
        super().__init__(cloudflare, read_back_delay)
        self._ledger = ledger

    async def execute(self, call: Call) -> Answered:
        if not all(item.origin for item in call.items):
            return not_sent(call, "it is not known which entry to delete: it is looked for again")
        ids = [[entry["id"] for entry in json.loads(item.origin or "")] for item in call.items]
        return await self._delete(call, _BLOCKED, ids)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when none of the entries is there any more."""
        ids = sorted(entry["id"] for entry in json.loads(item.origin or "[]"))
        # Each by its id: what the vendor's filter does not show may be there all the same.
        left = await self._left(item, _BLOCKED, ids, Lane.READ_BACK)
        return ReadBack(Effect.NOT_DONE if left else Effect.DONE, {"left": left, "read_at": now})

    async def survey(self, items: Sequence[Item], now: float) -> list[Look]:
        """Not blocked, or by a person: skipped. What will be deleted is written down before it is."""
        del now
        return await self._survey(_BLOCKED, items, self._judge)

    async def _judge(self, item: Item, listed: list[Any] | None) -> Look:
        shelf = self._shelf(_BLOCKED)
        alike = [row for row in listed or () if shelf.is_alike(row, item.params)]
        if not alike:
            # As above: what no page shows is asked for.
            rows = await shelf.find(self._cloudflare, item.params, Lane.ACTION)
            alike = [row for row in rows if shelf.is_alike(row, item.params)]
        if not alike:
            return skipped(item, "not blocked")
        # An entry that the ledger does not know, with a worker's mark, is of one that was restored or lies elsewhere.
        made = await self._ledger.made(_BLOCKED, [row.id for row in alike])
        ours = [row for row in alike if shelf.is_ours(row) and _is_untouched(row, shelf, made)]
        if not ours:
            return skipped(
                item, f"blocked by entry {alike[0].id}, a person's or edited by one: left as it is"
            )
        origin = json.dumps([shelf.told(row) for row in ours], sort_keys=True)
        return ready(item)._replace(origin=origin)


def _is_untouched(row: Any, shelf: Shelf, made: Mapping[str, Mapping[str, Any] | None]) -> bool:
    """Whether no person has made the worker's entry theirs, as far as the ledger knows of it."""
    if row.id not in made:
        return True
    known = made[row.id]
    return known is not None and shelf.is_as_made(row, known)


_BLOCKED = kind_of("block_sender").collection


def _as_made(sent: str, shown: str | None) -> str:
    """What the entry said of itself when it was made, hours ago perhaps: a word behind what was sent is a person's."""
    sent, shown = " ".join(sent.split()), " ".join((shown or "").split())
    return sent if shown.startswith(sent) else shown


def _comment(item: Item) -> str:
    """What people read beside the entry: whose it is, and why it is there."""
    until = f" until {item.params['expires_at'][:10]}" if "expires_at" in item.params else ""
    why = f": {safe(item.reason, REASON_LENGTH)}" if item.reason else ""
    return f"{MARK}{item.action_id} ({item.playbook}){until}{why}"
