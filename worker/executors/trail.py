"""The moves of a message as the vendor's log tells them, beside our own: whose hand was the last, and what came before.

The log is dated by the vendor's clock, our moves by ours; each counts, for either may be wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from worker.clock import VendorTime
from worker.cloudflare import LogEntry
from worker.executors.base import moment
from worker.model.calls import Item
from worker.model.ledger import OurMove
from worker.model.undoing import OwnMove, in_effect

SKEW_SECONDS = 60.0
"""How far the vendor's clock may be behind what we believe of it when its log is compared with a submission."""


@dataclass(frozen=True, slots=True)
class Trail:
    """Both oldest first; of the log only what took effect. Without `vendor_time` its clock is taken for ours."""

    moves: Sequence[LogEntry]
    ours: Sequence[OurMove]
    vendor_time: VendorTime | None = None

    def shows_ours(self) -> bool:
        """Whether the log has caught up with the worker's own last move, if there was one."""
        return not self.ours or bool(self._begins(self.ours[-1]))

    def elsewhere(self, item: Item) -> str:
        """Why the message is not where the decision took it to be; empty where it is, or where a person knew."""
        last = self.moves[-1]
        if self._approver_knew(item, last):
            return ""
        if not self.ours or last.folder != self.ours[-1].folder:
            return f"moved to {last.folder} by {last.requested_by or 'somebody else'}"
        if why := self._another_hand(last):
            return why
        undone = next((one for one in self.ours if one.action_id == item.cause), None)
        if undone is None:
            return ""
        if undone.action_id not in in_effect([_own(one) for one in self.ours]):
            return f"{self.ours[-1].action_id} has moved it on to {last.folder} since: undo that one first"
        # The way back was assumed, or somebody moved the message just before we did.
        before = next((folder for folder in self._before(undone) if folder != item.target), None)
        return f"the vendor's log shows it in {before} before {item.cause}" if before else ""

    def _approver_knew(self, item: Item, last: LogEntry) -> bool:
        """Whether the action was held because the message is in this folder, and let go after it had come there.

        Who approves what waits for another reason, a cap or the mode, is not told where the message is. A move that
        either clock puts after the approval is one that nobody knew of.
        """
        at = moment(last.completed_at)
        before = item.approved_at is not None and (at is None or at <= min(self._dated(item.approved_at)))
        return before and item.origin == last.folder

    def _another_hand(self, last: LogEntry) -> str:
        """Why the last move may be another's although it led to where we had moved the message: they want it there.

        Whatever its verdict has become since.
        """
        ours = self.ours[-1]
        begins = self._begins(ours) or self._to(ours.folder)
        names = {name for index in begins if (name := self.moves[index].requested_by)}
        if not last.requested_by or names <= {last.requested_by}:
            return ""
        if last.requested_by in names:
            hands = " and by ".join(sorted(names))
            return f"moved to {last.folder} by {hands}: which of them was the worker, the times do not tell"
        return f"moved to {last.folder} by {last.requested_by}, after the worker had"

    def _before(self, ours: OurMove) -> list[str]:
        """The folder before our own move, which may have been sent more than once, by each clock that shows one."""
        found = []
        for begin in self._begins(ours) or self._to(ours.folder)[-1:]:
            folders = [entry.folder for entry in self.moves[:begin]]
            found.append(next((folder for folder in reversed(folders) if folder != ours.folder), None))
        return [folder for folder in found if folder]

    def _begins(self, ours: OurMove) -> list[int]:
        """Where in the log our own move begins, by each clock that shows it."""
        firsts = []
        for since in self._dated(ours.at):
            after = (
                index for index in self._to(ours.folder) if self._may_follow(index, since - SKEW_SECONDS)
            )
            firsts.append(next(after, None))
        return sorted({index for index in firsts if index is not None})

    def _to(self, folder: str) -> list[int]:
        return [index for index, entry in enumerate(self.moves) if entry.folder == folder]

    def _may_follow(self, index: int, since: float) -> bool:
        entry = self.moves[index]
        at = moment(entry.completed_at) or moment(entry.started_at)
        return at is None or at >= since

    def _dated(self, at: float) -> Collection[float]:
        """One of our moments by our clock and by the vendor's."""
        if self.vendor_time is None:
            return {at}
        return {self.vendor_time.earliest(at), self.vendor_time.latest(at)}


def _own(one: OurMove) -> OwnMove:
    return OwnMove(one.action_id, one.cause, one.folder, None)
