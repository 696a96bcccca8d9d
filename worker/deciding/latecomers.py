"""Parked events that wait for something to be fetched: one event for all playbooks that wait, and who waits on. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from worker.model.ledger import Parked, Postponed
from worker.model.plans import Decided

Group = tuple[Parked, frozenset[str]]
"""One event, by one of its rows, and the playbooks for which it is parked."""


def by_event(rows: Sequence[Parked]) -> list[Group]:
    """Each event once: playbooks that agree on it share one action."""
    found: dict[tuple[str, str, str], tuple[Parked, set[str]]] = {}
    for row in rows:
        found.setdefault(_identity(row), (row, set()))[1].add(row.playbook)
    return [(row, frozenset(playbooks)) for row, playbooks in found.values()]


def told_apart(
    rows: Sequence[Parked], decided: Sequence[Decided]
) -> tuple[list[Parked], list[Decided], list[Postponed]]:
    """The rows that are decided now, their decisions, and those that wait on because fetching failed once more.

    Rows for which nothing was tried are in none of them: they stay as they are.
    """
    mine = {(*_identity(row), row.playbook): row for row in rows}
    postponed: list[Postponed] = []
    settled: list[Decided] = []
    for one in decided:
        at = (one.sighting.source, one.sighting.key, one.sighting.revision)
        late = [failure for failure in one.failures if failure.waits_for]
        for failure in late:
            row = mine.pop((*at, failure.playbook))
            if failure.tries != row.tries:
                postponed.append(Postponed(row, failure.error, failure.again_in or 0.0, failure.tries))
        rest = tuple(failure for failure in one.failures if not failure.waits_for)
        settled.append(replace(one, failures=rest) if late else one)
    return list(mine.values()), settled, postponed


def _identity(row: Parked) -> tuple[str, str, str]:
    return row.source, row.key, row.revision
