"""The guard of a process: timers, memory limit, and the memory of what ended a process before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

from worker.model.events import Event
from worker.model.plans import sighting_of
from worker.playbooks.deciding import ACTIONS_LIMIT, Playbook
from worker.playbooks.guard import DEADLINE, NotRunAgainError
from worker.playbooks.loader import GUARDED as LOADING
from worker.playbooks.loader import Catalogue, catalogue_of
from worker.playbooks.loops import GUARDED as ASKING
from worker.watchdog import limits
from worker.watchdog.memory import Memory
from worker.watchdog.timers import LAST_RESORT, Timers

_GUARDED = (*ASKING, *LOADING)


class Watchdog:
    """Watches author code in this process.

    Args:
        memory: remembers over the process's end what could not be stopped; None: then it is not stopped either.
    """

    def __init__(
        self, memory: Memory | None = None, *, deadline: float = DEADLINE, last_resort: float = LAST_RESORT
    ) -> None:
        self._memory = memory
        self._timers = Timers(_GUARDED, memory.dump if memory else None, deadline, last_resort)
        self._hand = ""
        self._depth = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Author code that runs meanwhile is held to its bounds; 20 microseconds."""
        if self._depth or not self._timers.start():
            yield
            return
        self._depth += 1
        before = limits.tighten()
        try:
            yield
        finally:
            self._timers.stop()
            limits.loosen(before)
            self._depth -= 1

    @contextmanager
    def holding(self, hand: str) -> Iterator[None]:
        """Remembers what is run meanwhile. NotRunAgainError: it has ended a process."""
        if self._memory is None:
            yield
            return
        where = self._memory.barred(hand)
        if where is not None:
            raise NotRunAgainError(f"nothing could stop it at {where}: it ended the process that ran it")
        outer, self._hand = self._hand, hand
        self._memory.hold(hand)
        try:
            yield
        finally:
            self._hand = outer
            self._memory.hold(outer)

    def ward(self, catalogue: Catalogue) -> Catalogue:
        """The same playbooks; those that ended a process, or may have, note each event before they decide it."""
        if self._memory is None:
            return catalogue
        current = {_hand(playbook): playbook for playbook in catalogue.playbooks}
        versions: dict[str, list[str]] = {}
        for playbook in catalogue.playbooks:
            versions.setdefault(playbook.path.name, []).append(playbook.version)
        suspects = self._memory.suspected(versions)
        self._memory.forget(lambda hand: hand.startswith("event ") and _prefix(hand) not in current)
        known = {_prefix(hand) for hand in self._memory.hands()}
        return catalogue_of(
            catalogue,
            [
                replace(one, function=self._careful(one, hand))
                if hand in known or one.path.name in suspects
                else one
                for hand, one in current.items()
            ],
        )

    def _careful(self, playbook: Playbook, prefix: str) -> Callable[..., Any]:
        def function(event: Event, *context: object) -> object:
            with self.holding(f"{prefix} {type(event).__name__} {sighting_of(event).key}"):
                wanted = playbook.function(event, *context)
                # A generator runs the author's code only when it is read.
                return list(islice(wanted, ACTIONS_LIMIT + 1)) if isinstance(wanted, Iterator) else wanted

        return function


def _hand(playbook: Playbook) -> str:
    return f"event {playbook.id} {playbook.version}"


def _prefix(hand: str) -> str:
    return " ".join(hand.split(" ", 3)[:3])
