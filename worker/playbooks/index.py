"""Whom to ask about an event: what a playbook's conditions want is looked up, so that most are not asked at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from worker.model.events import Event
from worker.playbooks.conditions.base import Test, best, cheap_first
from worker.playbooks.conditions.fields import Field, OneOf
from worker.playbooks.deciding import Playbook

Column = Sequence[int]
"""Places of events in a page, in their order."""


class Asked(NamedTuple):
    """A playbook with what to ask it about."""

    playbook: Playbook
    column: Column
    tests: tuple[Test, ...]
    """What still has to hold before its function is called."""


class Index:
    """The playbooks on one type of event, by what they look for. Built once for each generation."""

    def __init__(self, on: type[Event], playbooks: Sequence[Playbook]) -> None:
        self._playbooks: list[tuple[Playbook, tuple[Test, ...]]] = []
        tables: dict[Field, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._found: set[int] = set()
        for number, playbook in enumerate(playbooks):
            keys = best(one.keys() for one in playbook.when)
            # What was looked up need not be asked once more.
            left = [one for one in playbook.when if not isinstance(one, OneOf) or one.keys() != keys]
            self._playbooks.append((playbook, tuple(one.test(on) for one in cheap_first(left))))
            if keys is None:
                continue
            self._found.add(number)
            for key in keys[1]:
                tables[keys[0]][key].append(number)
        self._tables = [(field.reader(on), field.keys, table) for field, table in tables.items()]

    def columns(self, events: Sequence[Event], only: Collection[str] | None = None) -> Iterator[Asked]:
        """Each playbook that may want something, with the places of the events to ask it about."""
        found = self._look_up(events)
        for number, (playbook, tests) in enumerate(self._playbooks):
            if only is not None and playbook.id not in only:
                continue
            if number not in self._found:
                yield Asked(playbook, range(len(events)), tests)
            elif places := found.get(number):
                yield Asked(playbook, places[0] if len(places) == 1 else sorted({*chain(*places)}), tests)

    def _look_up(self, events: Sequence[Event]) -> dict[int, list[list[int]]]:
        found: dict[int, list[list[int]]] = defaultdict(list)
        for read, keys, table in self._tables:
            same: dict[Any, list[int]] = defaultdict(list)
            for place, event in enumerate(events):
                same[read(event)].append(place)
            for value, places in same.items():
                for key in keys(value):
                    for number in table.get(key, ()):
                        found[number].append(places)
        return found
