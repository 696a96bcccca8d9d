"""What one poll may fetch for playbooks, so that neither polls nor actions wait long for it. Does no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from worker.model.plans import Poll

SECONDS = 20.0
"""How long fetching may hold up one poll."""
FAILURES = 5
"""In a row, after which one poll fetches nothing more."""
WEIGHT = 64 * 2**20
"""Bytes that one poll fetches, as JSON."""
NO_TIME = "the poll's time for fetching is used up"


@dataclass(slots=True)
class Allowance:
    """Of one poll. `messages`: for each playbook."""

    messages: int
    seconds: float
    weight: int = WEIGHT
    failures: int = 0
    _granted: set[tuple[str, str]] = field(default_factory=set)
    _used: Counter[str] = field(default_factory=Counter)

    def used_up(self) -> str:
        """Why nothing more may be fetched; empty while something may."""
        if self.seconds <= 0:
            return NO_TIME
        if self.failures >= FAILURES:
            return f"fetching has failed {FAILURES} times in a row"
        return "the poll has fetched as much as fits into memory" if self.weight <= 0 else ""

    def grants(self, playbooks: Iterable[str], message_id: str) -> bool:
        """Whether something may be fetched of the message for one of the playbooks; counts it for all of them."""
        return True in {self._grants(playbook, message_id) for playbook in playbooks}

    def _grants(self, playbook: str, message_id: str) -> bool:
        if (playbook, message_id) in self._granted:
            return True
        if self._used[playbook] >= self.messages:
            return False
        self._used[playbook] += 1
        self._granted.add((playbook, message_id))
        return True


class Allowances:
    """One for each poll; of each source only the current one is remembered."""

    def __init__(self, messages: int, seconds: float) -> None:
        self.messages = messages
        self._seconds = seconds
        self._current: dict[str, tuple[str, Allowance]] = {}

    def of(self, poll: Poll) -> Allowance:
        """What is left of this poll's; a new poll has it whole."""
        poll_id, allowance = self._current.get(poll.source, ("", None))
        if allowance is None or poll_id != poll.id:
            allowance = Allowance(self.messages, self._seconds)
            self._current[poll.source] = (poll.id, allowance)
        return allowance
