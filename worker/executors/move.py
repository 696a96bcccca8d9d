"""Move: up to a thousand messages a call, one row of the answer for each message and recipient.

A row names no investigate id (API reference, Investigate move): rows are correlated by Message-ID and recipient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from worker.clock import VendorTime
from worker.cloudflare import Cloudflare, LogEntry, MoveRow
from worker.errors import BadAnswer, Refused
from worker.executors.base import Effect, ReadBack, latest, moment, ready, skipped, unmatched
from worker.executors.trail import SKEW_SECONDS, Trail
from worker.model.actions import PARTLY, SOME_MOVED, State
from worker.model.calls import Answered, Call, Item, Outcome, bare
from worker.model.events import Detection
from worker.model.ledger import Look
from worker.ports import Lane, Ledger

PATIENT_READS = 5
"""Read-backs after which a move that no log explains is shown to a person."""
UNTOLD = ""
"""The folder of a message that was moved, where the vendor's log does not show it."""
LOGGED_LATER = "somebody moved the message; the vendor's log is given time to say where to"


class MoveExecutor:
    """Moves messages to the call's folder in every recipient's mailbox."""

    kind = "move"
    parallel = 2
    proofs = 1
    shows = True

    def __init__(
        self,
        cloudflare: Cloudflare,
        ledger: Ledger,
        read_back_delay: float,
        most: int,
        vendor_time: VendorTime | None = None,
    ) -> None:
        self._cloudflare = cloudflare
        self._ledger = ledger
        self._delay = read_back_delay
        self.most = most
        self._vendor_time = vendor_time

    async def execute(self, call: Call) -> Answered:
        answer = await self._cloudflare.investigate.move(
            [item.message_id for item in call.items], call.target
        )
        outcomes = match(call.items, answer.rows, self._delay)
        return Answered(outcomes, "call.answered", 200, answer.ray)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the last move in the vendor's log, or one since the submission, went to the target."""
        moves = await self._moves(item, Lane.READ_BACK)
        seen = {"moves": [[entry.folder, str(entry.completed_at), entry.success] for entry in moves[-5:]]}
        since = min(item.submitted_at or now, now) - SKEW_SECONDS
        for entry in reversed(moves):
            at = moment(entry.completed_at) or moment(entry.started_at)
            if entry.folder == item.target and (entry is moves[-1] or (at is not None and at >= since)):
                if entry.success is False:
                    return ReadBack(Effect.NOT_DONE, seen)
                partly = entry is moves[-1] and await self._failed_for_some(item)
                return ReadBack(Effect.PARTLY if partly else Effect.DONE, seen)
        return ReadBack(Effect.NOT_DONE, seen)

    async def _failed_for_some(self, item: Item) -> bool:
        """The log has one entry for all recipients; that the last move failed for some, the message itself shows."""
        if len(item.recipients) <= 1:
            return False
        try:
            row = await self._cloudflare.investigate.get(
                item.message_id, submission=item.is_submission, lane=Lane.READ_BACK
            )
        except (Refused, BadAnswer):
            # The message is not shown: what the log says is all that can be known.
            return False
        return "move_failed" in row.delivery_status

    async def look(self, item: Item, row: Detection) -> Look:
        """Already there: skipped. Moved elsewhere by somebody else: held for a person."""
        if not row.has_moved:
            return ready(item)
        moves = [entry for entry in await self._moves(item, Lane.ACTION) if entry.success is not False]
        ours = await self._ledger.our_moves(item.message_id)
        trail = Trail(moves, ours, self._vendor_time)
        if not trail.shows_ours() and 0 <= ours[-1].age < PATIENT_READS * self._delay:
            why = "the vendor's log does not show the worker's own last move yet"
            return Look(item.action_id, State.READY, why, again_in=self._delay)
        if not moves:
            return self._unlogged(item)
        if moves[-1].folder == item.target:
            if self._may_be_its_own(item, moves[-1]):
                why = "its own request, whose answer was lost, may have had its effect late"
                return Look(item.action_id, State.UNKNOWN, why, again_in=0.0)
            return skipped(item, f"already in {item.target}")
        why = trail.elsewhere(item)
        look = Look(item.action_id, State.HELD, why) if why else ready(item)
        return look._replace(origin=moves[-1].folder)

    def _may_be_its_own(self, item: Item, entry: LogEntry) -> bool:
        """Whether the entry may be of an earlier request of the action; not for ever, should no read-back say so."""
        if not item.attempts or item.submitted_at is None or item.read_backs >= PATIENT_READS:
            return False
        sent, at = item.submitted_at, moment(entry.completed_at) or moment(entry.started_at)
        earliest = self._vendor_time.earliest(sent) if self._vendor_time else sent
        return at is None or at >= earliest - SKEW_SECONDS

    async def _moves(self, item: Item, lane: Lane) -> list[LogEntry]:
        log = await self._cloudflare.investigate.action_log(item.message_id, lane=lane)
        return latest(entry for entry in log if entry.operation == "MOVE")

    def _unlogged(self, item: Item) -> Look:
        if item.approved_at is not None and item.origin == UNTOLD:
            return ready(item)
        if item.submitted_at is None and item.error != LOGGED_LATER:
            # As long as the log may lag: who was first may have done what is wanted.
            return Look(item.action_id, State.READY, LOGGED_LATER, again_in=self._delay)
        if item.submitted_at is None or item.read_backs >= PATIENT_READS:
            why = "somebody moved the message; the vendor's log does not say where yet"
            return Look(item.action_id, State.HELD, why, origin=UNTOLD)
        # Perhaps our own move, whose answer was lost: no person has to decide, the log has to catch up.
        why = "the message shows a move that the vendor's log does not show yet"
        return Look(item.action_id, State.UNKNOWN, why, again_in=self._delay)


def match(items: Sequence[Item], rows: Sequence[MoveRow], delay: float) -> tuple[Outcome, ...]:
    """One outcome for each item: success only where every recipient of the message has a row that says so."""
    by_message: dict[str, list[MoveRow]] = defaultdict(list)
    for row in rows:
        by_message[bare(row.message_id)].append(row)
    alone = len(items) == 1
    outcomes = []
    for item in items:
        # Nearly always the answer names a message by its Message-ID alone.
        name = bare(item.rfc_message_id)
        mine: Sequence[MoveRow] = by_message.get(name, ()) if name else ()
        if len(mine) != 1 or bare(item.message_id) in by_message:
            mine = _rows_of(item, by_message, rows, alone=alone)
        if len(mine) == len(item.recipients) == 1 and _says_done(mine[0], item):
            outcomes.append(Outcome(item.action_id, State.SUCCEEDED))
        else:
            outcomes.append(_outcome(item, mine, delay))
    return tuple(outcomes)


def _rows_of(
    item: Item, by_message: dict[str, list[MoveRow]], rows: Sequence[MoveRow], *, alone: bool
) -> Sequence[MoveRow]:
    names = (bare(item.rfc_message_id), bare(item.message_id))
    mine = [row for name in dict.fromkeys(names) if name for row in by_message.get(name, ())]
    if not mine and alone:
        # The only message of the call: rows that name no message can be about nothing else.
        return [row for row in rows if not row.message_id]
    return mine


def _outcome(item: Item, rows: Sequence[MoveRow], delay: float) -> Outcome:
    if not rows:
        return unmatched(item, "the answer does not name this message", delay)
    expected = {address.lower() for address in item.recipients}
    good = {_address(row) for row in rows if row.success}
    bad = [row for row in rows if not row.success]
    moved_elsewhere = [row for row in rows if row.success and row.destination not in (None, "", item.target)]
    if moved_elsewhere:
        return unmatched(item, f"the answer names {moved_elsewhere[0].destination} as its folder", delay)
    refused = {_address(row) for row in bad}
    missing = expected - good - refused
    if bad and not good and (not missing or "" in refused):
        return Outcome(item.action_id, State.FAILED, f"refused for every recipient: {_why(bad)}")
    if bad and good:
        names = ", ".join(sorted({name or "an unnamed recipient" for name in refused} | missing))
        return Outcome(item.action_id, State.FAILED, f"{PARTLY}; not for {names}: {_why(bad)}")
    if missing and not (good == {""} and len(expected) == 1):
        why = f"the answer does not name {', '.join(sorted(missing))}"
        # The others were acted on: whatever the log shows, it is not sent again.
        return unmatched(item, f"{SOME_MOVED}: {why}" if good else why, delay)
    return Outcome(item.action_id, State.SUCCEEDED)


def _says_done(row: MoveRow, item: Item) -> bool:
    """Most messages have one recipient, and most rows say at once that all is well."""
    return row.success and row.recipient == item.recipients[0] and row.destination == item.target


def _why(rows: Sequence[MoveRow]) -> str:
    return next((row.status for row in rows if row.status), "no reason given")


def _address(row: MoveRow) -> str:
    return (row.recipient or "").lower()
