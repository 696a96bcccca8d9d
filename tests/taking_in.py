"""The shortest ways to let an intake take in a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.builders import NOW, playbook, poll, sighting
from worker.cloudflare import BadRow
from worker.intake import Intake
from worker.model.actions import Move
from worker.model.events import Detection, Event, message_of
from worker.model.ledger import Cursor
from worker.model.plans import DETECTIONS, Poll, Sighting
from worker.playbooks.deciding import Playbook
from worker.pollers.source import Page, Source, Take

Build = Callable[..., Intake]


class Given:
    """A source that holds back what the test says."""

    def __init__(self, name: str = DETECTIONS) -> None:
        self.name = name
        self.asked: list[list[str]] = []
        self.hold_back: set[str] = set()

    async def read(self, poll: Any, take: Take) -> None:
        raise NotImplementedError

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        self.asked.append([one.key for one in fresh])
        return [one for one in fresh if one.key not in self.hold_back]


async def pages(source: Source, poll: Poll) -> list[list[str]]:
    """The keys of the events that each page of a source hands over."""
    found: list[list[str]] = []

    async def take(page: Page) -> None:
        found.append([one.key for one in page.sightings])

    await source.read(poll, take)
    return found


def junk(version: str = "v1", on: type[Event] = Detection, **more: Any) -> Playbook:
    """A playbook that wants every message in Junk."""

    def decide(event: Any) -> Any:
        message = message_of(event)
        return message and Move(message, to="JunkEmail")

    return playbook(decide, version=version, on=on, **more)


def broken(version: str = "v1", **more: Any) -> Playbook:
    """A playbook that can decide nothing."""

    def decide(_: Any) -> Any:
        raise ValueError

    return playbook(decide, version=version, **more)


def page(*events: Any, bad: Sequence[BadRow] = ()) -> Page:
    """One page as a source read it."""
    return Page(tuple(sighting(one) for one in events), tuple(bad), len(events) + len(bad), NOW)


async def take(intake: Intake, *pages: Page, source: Given | None = None, close: bool = True) -> None:
    """One poll with these pages."""
    given = source or Given()
    one = poll(source=given.name)
    for each in pages:
        await intake.take(given, one, each, last_chance=False)
    if close:
        await intake.close(one, Cursor(NOW, NOW - 900, NOW))
