"""A gate that is always open, for commands that send a handful of reads."""

from __future__ import annotations

from worker.ports import Lane, Observation


class Ungated:
    """Implements `ports.Gate`; remembers the vendor's clock."""

    server_time: float | None = None

    async def admit(self, lane: Lane) -> None:
        """At once."""

    def observe(self, seen: Observation) -> None:
        """Keeps the newest time that the vendor told."""
        if seen.server_time is not None:
            self.server_time = seen.server_time
