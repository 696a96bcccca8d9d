"""The requests that carry a plan out: one for a thousand changes of a section where the vendor takes that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from worker.cloudflare import CLAIMED, Cloudflare
from worker.cloudflare.collection import MAX_BATCH
from worker.declared.planning import Change, Op
from worker.declared.sections import Batch, Section
from worker.declared.tenant import collection
from worker.errors import Refused

NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Call:
    """One request: a batch, or one change alone."""

    section: Section
    changes: tuple[Change, ...]
    batch: bool

    def of(self, op: Op) -> list[Change]:
        """Its changes of one kind."""
        return [one for one in self.changes if one.op is op]

    def told(self) -> list[dict[str, Any]]:
        """What is to be done, as the audit log keeps it."""
        return [
            {"op": one.op, "entry": one.label, "id": one.id or None, "line": one.line}
            | {"before": dict(one.before), "after": dict(one.after), "made_by": one.made_by or None}
            for one in self.changes
        ]


def calls_of(section: Section, changes: Sequence[Change]) -> Iterator[Call]:
    """The requests for these changes, in order."""
    if section.batch is Batch.ALL:
        by_op = [[one for one in changes if one.op is op] for op in Op]
        for start in range(0, max(map(len, by_op)), MAX_BATCH):
            part = [one for several in by_op for one in several[start : start + MAX_BATCH]]
            yield Call(section, tuple(part), batch=True)
        return
    alone = list(changes)
    if section.batch is Batch.DELETES:
        gone = [one for one in changes if one.op is Op.DELETE]
        for start in range(0, len(gone), MAX_BATCH):
            yield Call(section, tuple(gone[start : start + MAX_BATCH]), batch=True)
        alone = [one for one in changes if one.op is not Op.DELETE]
    yield from (Call(section, (one,), batch=False) for one in alone)


async def send(cloudflare: Cloudflare, call: Call) -> None:
    """Sends the request, once. The caller has taken it from the budget."""
    there, section = collection(cloudflare, call.section), call.section
    if call.batch:
        deletes = [one.id for one in call.of(Op.DELETE)]
        if section.batch is Batch.DELETES:
            await there.batch(deletes=deletes, lane=CLAIMED)
            return
        patches = {one.id: section.change(**one.after) for one in call.of(Op.EDIT)}
        posts = [section.new(**one.after) for one in call.of(Op.ADD)]
        await there.batch(deletes=deletes, patches=patches, posts=posts, lane=CLAIMED)
        return
    (one,) = call.changes
    if one.op is Op.ADD:
        await there.create(section.new(**one.after), lane=CLAIMED)
    elif one.op is Op.EDIT:
        await there.edit(one.id, section.change(**one.after), lane=CLAIMED)
    else:
        await _delete(there, one.id)


async def _delete(there: Any, entry_id: str) -> None:
    try:
        await there.delete(entry_id, lane=CLAIMED)
    except Refused as error:
        if error.status != NOT_FOUND:  # somebody else was first
            raise
