"""A run over history: groups events into polls as the worker would have, page by page, and hands on what came of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from worker.backtest.judging import Judge, Judged
from worker.backtest.seen import Seen
from worker.model.plans import Decided

PAGE = 1000
"""Events that are decided together."""


class Hands(NamedTuple):
    """Who takes what a run brings about; `other` is what the playbooks of another revision say of the same events."""

    page: Callable[[Sequence[Seen], Sequence[Decided], Sequence[Decided] | None], None]
    closed: Callable[[Sequence[Judged]], None]


class Run:
    """Takes events in the order of their times and decides them, poll after poll.

    `interval`: seconds between the polls that are played. Each source has polls of its own, as the worker has.
    """

    def __init__(self, judge: Judge, hands: Hands, interval: float, other: Judge | None = None) -> None:
        self._judge = judge
        self._other = other
        self._hands = hands
        self._interval = interval
        self._pages: dict[str, list[Seen]] = defaultdict(list)
        self._poll: int | None = None
        self.polls = 0

    def take(self, events: Iterable[Seen]) -> None:
        """Some more events; those that come after later ones fall into the current poll."""
        for one in events:
            number = math.floor(one.at / self._interval)
            if self._poll is None or number > self._poll:
                self._close()
                self._poll = number
            page = self._pages[one.sighting.source]
            page.append(one)
            if len(page) >= PAGE:
                self._decide(one.sighting.source, page)

    def finish(self) -> None:
        """Closes the last poll."""
        self._close()
        self._poll = None

    @property
    def _now(self) -> float:
        """When the current poll ends."""
        return ((self._poll or 0) + 1) * self._interval

    def _close(self) -> None:
        for source, page in self._pages.items():
            self.polls += 1
            self._decide(source, page)
            self._hands.closed(self._judge.close(source, self._now))
            if self._other is not None:
                self._other.close(source, self._now)
        self._pages.clear()

    def _decide(self, source: str, page: list[Seen]) -> None:
        if not page:
            return
        decided = self._judge.page(source, page, self._now)
        other = self._other.page(source, page, self._now) if self._other is not None else None
        self._hands.page(page, decided, other)
        page.clear()
