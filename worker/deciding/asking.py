"""What one playbook says of a page of events, and who may not be asked any more. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from msgspec.structs import replace

from worker.model.actions import Action
from worker.model.events import Event
from worker.model.history import History
from worker.model.known import Known, Late, Views, view
from worker.model.plans import Failure, Sighting
from worker.playbooks.context import Context
from worker.playbooks.deciding import Playbook, PlaybookFailure, WaitsError
from worker.playbooks.index import Asked, Column
from worker.playbooks.loops import answers

T = TypeVar("T")

PATIENCE = 3
"""How often a playbook may overrun its deadline in one page; the page's other events are parked for it unasked."""
_UNASKED = f"not asked: it has overrun its deadline {PATIENCE} times in this page"


class Quarantine(Protocol):
    """Who may be asked. True while somebody has failed since it last could decide."""

    def __bool__(self) -> bool: ...

    def asks(self, playbook: Playbook) -> bool:
        """Whether to ask about the next event; `failed` or `succeeded` follows where so."""
        ...

    def unasked(self, playbook: Playbook) -> Failure:
        """What is said of an event that the playbook was not asked about."""
        ...

    def failed(self, playbook: Playbook, why: str, *, at_once: bool) -> None: ...

    def succeeded(self, playbook: Playbook) -> None: ...

    def forgo(self, playbook: Playbook) -> None:
        """It was asked, and what it said tells nothing of it."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """Events of one type, each with what it is decided beside."""

    sightings: Sequence[Sighting]
    events: Sequence[Event]
    contexts: Sequence[Context]
    views: Views

    @classmethod
    def of(
        cls,
        sightings: Sequence[Sighting],
        plain: Context,
        histories: Mapping[str, History],
        views: Views,
    ) -> Self:
        """Beside nearly all of them stands the same."""
        contexts = [plain] * len(sightings)
        for place, sighting in enumerate(sightings) if histories else ():
            if sighting.message is not None and sighting.message.id in histories:
                own, others = histories[sighting.message.id]
                contexts[place] = replace(plain, history=own, sender_history=others)
        return cls(sightings, [one.event for one in sightings], contexts, views)

    def known(self, place: int) -> Known | None:
        """What has been fetched about the message of the event at this place."""
        message = self.sightings[place].message if self.views else None
        return None if message is None else self.views.get(message.id)

    def shown(self, playbook: Playbook, column: Column) -> Sequence[Event]:
        """The events at these places as the playbook sees them."""
        if self.views and playbook.needs:
            seen = ((self.events[place], self.known(place)) for place in column)
            return [event if known is None else view(event, known, playbook.needs) for event, known in seen]
        return self._at(self.events, column)

    def beside(self, column: Column) -> Sequence[Context]:
        """What stands beside the events at these places."""
        return self._at(self.contexts, column)

    def _at(self, values: Sequence[T], column: Column) -> Sequence[T]:
        return values if len(column) == len(values) else [values[place] for place in column]


def ask(
    asked: Asked, page: Page, quarantine: Quarantine | None
) -> Iterator[tuple[int, tuple[Action, ...] | Failure]]:
    """What the playbook says of the events at these places, where it wants something or cannot tell."""
    playbook, column, tests = asked
    overran = 0
    while column:
        # Nearly always nobody has failed since, and nobody has to be looked up.
        careful = bool(quarantine)
        if quarantine is not None and careful and not quarantine.asks(playbook):
            yield column[0], quarantine.unasked(playbook)
            column = column[1:]
            continue
        if overran >= PATIENCE:
            yield column[0], Failure(playbook.id, playbook.version, _UNASKED)
            column = column[1:]
            continue
        now, column = (column[:1], column[1:]) if careful else (column, ())
        for number, answer in answers(playbook, tests, page.shown(playbook, now), page.beside(now)):
            place = now[number]
            if isinstance(answer, tuple):
                yield place, answer
                continue
            overran += isinstance(answer, PlaybookFailure) and answer.overran
            yield (
                place,
                _failure(playbook, answer, quarantine, page.known(place), at_once=overran >= PATIENCE),
            )
            # From here on it may not be asked any more.
            column = column if careful else now[number + 1 :]
            break
        else:
            if quarantine is not None and careful:
                # Where a condition does not hold, its function was not asked: that it did not fail tells nothing.
                event, context = page.shown(playbook, now)[0], page.beside(now)[0]
                asked_it = all(test(event, context) for test in tests)
                (quarantine.succeeded if asked_it else quarantine.forgo)(playbook)


def _failure(
    playbook: Playbook,
    error: WaitsError | PlaybookFailure,
    quarantine: Quarantine | None,
    known: Known | None,
    *,
    at_once: bool,
) -> Failure:
    if isinstance(error, WaitsError):
        if quarantine is not None:
            quarantine.forgo(playbook)
        return _waiting(playbook, error.need, known)
    if quarantine is not None:
        quarantine.failed(playbook, str(error), at_once=at_once)
    return Failure(playbook.id, playbook.version, str(error))


def _waiting(playbook: Playbook, need: str, known: Known | None) -> Failure:
    late = known.late.get(need) if known is not None else None
    why, again_in, tries = late or Late("it has not been fetched")
    return Failure(
        playbook.id,
        playbook.version,
        f"waits for {need}: {why}",
        waits_for=need,
        again_in=again_in,
        tries=tries,
    )
