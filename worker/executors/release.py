"""Release from quarantine: may deliver twice, so it is never sent again without a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from worker.cloudflare import Cloudflare, LogEntry, ReleaseRow
from worker.executors.base import Effect, ReadBack, moment, ready, skipped, unmatched
from worker.model.actions import PARTLY_RELEASED, State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.ports import Lane

SKEW_SECONDS = 300.0
"""How far the vendor's clock may be behind ours when its log is compared with a submission."""
RELEASED = frozenset({"QUARANTINE_RELEASE", "RELEASE"})


class ReleaseExecutor:
    """Releases messages to their recipients."""

    kind = "release"
    # One lost answer must not leave more behind than a person can look through.
    most = 20
    parallel = 2
    proofs = 0
    shows = False

    def __init__(self, cloudflare: Cloudflare, read_back_delay: float) -> None:
        self._cloudflare = cloudflare
        self._delay = read_back_delay

    async def execute(self, call: Call) -> Answered:
        answer = await self._cloudflare.investigate.release([item.message_id for item in call.items])
        rows: dict[str, list[ReleaseRow]] = defaultdict(list)
        for row in answer.rows:
            rows[row.id].append(row)
        outcomes = tuple(self._outcome(item, rows[item.message_id]) for item in call.items)
        return Answered(outcomes, "call.answered", 200, answer.ray)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the vendor's log shows a release since it was sent, or the message itself shows one."""
        log = await self._cloudflare.investigate.action_log(item.message_id, lane=Lane.READ_BACK)
        since = min(item.submitted_at or now, now) - SKEW_SECONDS
        releases = [entry for entry in log if entry.operation in RELEASED and _at(entry, since) >= since]
        seen = {"releases": [[str(entry.completed_at), entry.success] for entry in releases], "read_at": now}
        if any(entry.success is not False for entry in releases):
            return ReadBack(Effect.DONE, seen)
        row = await self._cloudflare.investigate.get(
            item.message_id, submission=item.is_submission, lane=Lane.READ_BACK
        )
        shown = RELEASED & set(row.post_delivery_operations)
        return ReadBack(Effect.DONE if shown else Effect.NOT_DONE, {**seen, "operations": sorted(shown)})

    async def look(self, item: Item, row: Detection) -> Look:
        """Released already, or delivered and in no quarantine: nothing to do."""
        if RELEASED & set(row.post_delivery_operations):
            return skipped(item, "already released")
        if not row.is_quarantined and row.is_delivered and "quarantined" not in row.delivery_status:
            return skipped(item, "not in quarantine any more")
        return ready(item)

    def _outcome(self, item: Item, rows: Sequence[ReleaseRow]) -> Outcome:
        """Success only where every recipient of the message has it; the rows together speak of one message."""
        if not rows:
            return unmatched(item, "the answer does not name this message", self._delay)
        good = {name for row in rows for name in row.delivered or ()}
        refused = {name for row in rows for name in (*(row.failed or ()), *(row.undelivered or ()))}
        missing = _missing(item, good | refused)
        if refused and (good or not missing):
            scope = f"{PARTLY_RELEASED}; not to" if good else "not delivered to"
            return Outcome(item.action_id, State.FAILED, f"{scope} {', '.join(sorted(refused | missing))}")
        if not good:
            why = "the answer names no recipient that it was delivered to"
            return unmatched(item, why, self._delay)
        if others := missing or _strange(item, good):
            return unmatched(item, f"the answer does not name {', '.join(sorted(others))}", self._delay)
        return Outcome(item.action_id, State.SUCCEEDED)


def _at(entry: LogEntry, otherwise: float) -> float:
    """When it began, or ended; where the log does not say, it is not held against it."""
    return moment(entry.started_at) or moment(entry.completed_at) or otherwise


def _missing(item: Item, named: Collection[str]) -> set[str]:
    """Recipients of whom the answer says nothing; a row that names the message speaks for its only one."""
    if len(item.recipients) < 2:  # noqa: PLR2004 - an only one
        return set()
    known = {name.casefold() for name in named}
    return {name for name in item.recipients if name.casefold() not in known}


def _strange(item: Item, good: Collection[str]) -> set[str]:
    """The message's only recipient, where it was delivered to somebody else, by name."""
    known = {name.casefold() for name in good if name}
    return {name for name in item.recipients if known and name.casefold() not in known}
