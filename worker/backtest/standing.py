"""What a judge remembers of what it has let through: the caps' windows, and the latest actions on messages. Bounded."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.model.actions import State
from worker.model.admission import Existing
from worker.model.caps import DAY, HOUR, SLACK, Usage
from worker.model.events import Detection
from worker.model.history import HISTORY_LIMIT, SENDER_DAYS, History, PastAction
from worker.model.kinds import kind_of
from worker.model.patterns import sender_of

REMEMBERED = 20_000
"""Messages and subjects of which the actions are remembered: those that were acted on last."""


class Window:
    """Actions of the last hour or day, by playbook and in all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._entries: deque[tuple[float, Mapping[str, int], int]] = deque()
        self._by: Counter[str] = Counter()
        self._all = 0

    def add(self, at: float, by: Mapping[str, int], count: int) -> None:
        """So many were let through at that time; an action of several playbooks counts for each."""
        self._entries.append((at, by, count))
        self._by.update(by)
        self._all += count

    def used(self, now: float) -> tuple[dict[str, int], int]:
        """As `Usage` wants it."""
        while self._entries and self._entries[0][0] <= now - self._seconds:
            _, by, count = self._entries.popleft()
            self._by.subtract(by)
            self._all -= count
        return dict(self._by), self._all


class Windows:
    """Hour and day of the kinds that share their caps."""

    def __init__(self) -> None:
        self._hour, self._day = Window(HOUR + SLACK), Window(DAY + SLACK)

    def add(self, at: float, by: Mapping[str, int], count: int) -> None:
        self._hour.add(at, by, count)
        self._day.add(at, by, count)

    def usage(self, now: float) -> Usage:
        """What was let through before."""
        return Usage(*self._hour.used(now), *self._day.used(now))


class Standing(NamedTuple):
    """One action that was let through or held, and whose it was."""

    existing: Existing
    playbooks: tuple[str, ...]


class Remembered:
    """The latest actions by what they act on."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._by_about: OrderedDict[str, list[Standing]] = OrderedDict()

    def on(self, abouts: Iterable[str]) -> list[Standing]:
        """The actions on these."""
        return [one for about in dict.fromkeys(abouts) for one in self._by_about.get(about, ())]

    def add(self, one: Standing) -> None:
        """Another one; what it reverses of the tenant's settings stands in nobody's way any more."""
        about, kind = one.existing.about, kind_of(one.existing.kind)
        others = self._by_about.pop(about, [])
        if kind.has_subject:
            others = [other for other in others if other.existing.kind not in kind.opposes]
        self._by_about[about] = [*others, one][-HISTORY_LIMIT:]
        if len(self._by_about) > self._most:
            self._by_about.popitem(last=False)


class Past:
    """What playbooks are shown of what was done before: to a message, and because of other mail of its sender."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._of: OrderedDict[tuple[str, str], deque[tuple[str, PastAction]]] = OrderedDict()

    def add(self, message: Detection, action: PastAction) -> None:
        """Another one."""
        for key, most in (
            (("message", message.id), HISTORY_LIMIT),
            (("sender", sender_of(message)), 2 * HISTORY_LIMIT),
        ):
            if key[1]:
                known = self._of.pop(key, deque[tuple[str, PastAction]](maxlen=most))
                known.appendleft((message.id, action))
                self._of[key] = known
        while len(self._of) > 2 * self._most:
            self._of.popitem(last=False)

    def of(self, message: Detection, now: datetime) -> History | None:
        """As a context has it, newest first; None where there is nothing."""
        own = [action for _, action in self._of.get(("message", message.id), ())]
        since = now - timedelta(days=SENDER_DAYS)
        others = [
            action
            for message_id, action in self._of.get(("sender", sender_of(message)), ())
            if message_id != message.id and action.at > since
        ]
        return History(tuple(own), tuple(others[:HISTORY_LIMIT])) if own or others else None


def standing_state(state: State) -> State:
    """What is let through is taken to have been done at once."""
    return State.SUCCEEDED if state is State.READY else state
