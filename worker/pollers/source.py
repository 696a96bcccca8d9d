"""What a source of events is to the poller and the intake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from worker.model.plans import Poll, Sighting
from worker.ports import BadRow


@dataclass(frozen=True, slots=True)
class Page:
    """One page as a source read it; `rows` counts good and bad ones, it was asked for at `read_at` and is no younger."""

    sightings: tuple[Sighting, ...]
    bad: tuple[BadRow, ...]
    rows: int
    read_at: float


Take = Callable[[Page], Awaitable[None]]


class Source(Protocol):
    """Where events come from."""

    name: str

    async def read(self, poll: Poll, take: Take) -> None:
        """Hands every page of the window to `take`, in any order. VendorError where one cannot be had."""
        ...

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Adds to new events what the list does not carry; leaves out those that have to wait."""
        ...
