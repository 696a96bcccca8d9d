"""The playbooks in force: one generation after another, each playbook at the level that people gave it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from worker.model.levels import Level, Levels, is_outdated, level_of
from worker.ops.logs import get_logger
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue, catalogue_of
from worker.playbooks.problems import Problem

log = get_logger()


class Rulebook:
    """What is in force now. Whoever has begun with one edition goes on with it; `serial` tells them apart."""

    def __init__(self, loaded: Catalogue) -> None:
        self.loaded = loaded
        self.current = loaded
        self.generation = 1
        self.serial = 0
        self._levels: Levels = {}

    def adopt(self, loaded: Catalogue) -> None:
        """The next generation of playbooks."""
        self.loaded = loaded
        self.generation += 1
        self._edit()

    def note(self, levels: Levels) -> list[Level]:
        """What is recorded of the levels now; returns what is new of that."""
        changed = [one for name, one in sorted(levels.items()) if self._levels.get(name) != one]
        if changed:
            self._levels = levels
            self._edit()
        return changed

    def outdated(self) -> dict[str, Level]:
        """Promotions to enforce that were for other code than what is loaded."""
        known = {one.id: one for one in self.loaded.playbooks}
        return {
            name: record
            for name, record in self._levels.items()
            if name in known and is_outdated(known[name].version, known[name].mode, record)
        }

    def _edit(self) -> None:
        self.current = catalogue_of(self.loaded, map(self._at_its_level, self.loaded.playbooks))
        self.serial += 1

    def _at_its_level(self, playbook: Playbook) -> Playbook:
        level = level_of(playbook.id, playbook.version, playbook.mode, self._levels)
        return playbook if level is playbook.mode else replace(playbook, mode=level)


def tell_refused(problems: Iterable[Problem]) -> None:
    """Names in the log what is wrong with the files, a line for each problem."""
    for problem in problems:
        log.error(
            "playbook.refused",
            file=f"{problem.path}:{problem.line}",
            playbook=problem.playbook,
            reason=str(problem),
        )
