"""A gate that is always open, for commands that send a handful of reads."""

from __future__ import annotations

from collections.abc import Callable

from worker.ports import Lane, Observation


class Ungated:
    """Implements `ports.Gate`; remembers the vendor's clock. `book` is told of each request before it goes."""

    server_time: float | None = None

    def __init__(self, book: Callable[[], object] | None = None) -> None:
        self._book = book

    async def admit(self, lane: Lane) -> None:
        """At once."""
        del lane
        if self._book is not None:
            self._book()

    def observe(self, seen: Observation) -> None:
        """Keeps the newest time that the vendor told."""
        if seen.server_time is not None:
            self.server_time = seen.server_time
