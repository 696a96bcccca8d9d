"""A hundred rules on 20,000 events: whole decisions of the worker against bare predicates and rule engines.

matching.py [--events N] [--rounds N] [--page N]
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import rule_engine

from benchmarks.support import rulesets
from benchmarks.support.panther_event import PantherEvent
from benchmarks.support.verdict import judge
from worker.model.actions import Mode
from worker.model.admission import Candidate, rule
from worker.model.caps import Usage
from worker.model.events import EVENT_TYPES, Detection
from worker.model.plans import Ceilings, sighting_of
from worker.pipeline import decide
from worker.playbooks import Caps, Move
from worker.playbooks.context import Lists
from worker.playbooks.deciding import Playbook
from worker.playbooks.loader import Catalogue

Found = set[tuple[str, str]]
"""Rule and event."""
Contestant = Callable[[], Found]
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SLOW = 400
"""Events of which rule-engine is shown the first: all of them would take minutes."""
CEILINGS = Ceilings(Mode.ENFORCE, per_poll=10**6, per_hour=10**6)


def bare(events: Sequence[Detection]) -> Contestant:
    """A list of functions, and a loop."""
    rules = rulesets.predicates()

    def run() -> Found:
        found = []
        for event in events:
            for name, matches in rules:
                if matches(event):
                    found.append((name, event))
        return {(name, event.id) for name, event in found}

    return run


def panther(events: Sequence[Detection]) -> Contestant:
    """Each rule's functions on a read-only mapping; of a hit, title, dedup and context."""
    rules = rulesets.panther()
    rows = [
        msgspec.to_builtins(event) | {"sender": event.sender, "sender_domain": event.sender_domain}
        for event in events
    ]

    def run() -> Found:
        found = set()
        for row in rows:
            event = PantherEvent(row)
            for name, module in rules:
                if module["rule"](event):
                    module["title"](event), module["dedup"](event), module["alert_context"](event)
                    found.add((name, row["id"]))
        return found

    return run


def engine(events: Sequence[Detection]) -> Contestant:
    """The package rule-engine, its rules compiled beforehand, on plain mappings."""
    rules = [(f"r{number}", rule_engine.Rule(one.engine)) for number, one in enumerate(rulesets.rules())]
    rows = [
        msgspec.to_builtins(event) | {"sender": event.sender, "sender_domain": event.sender_domain}
        for event in events
    ]

    def run() -> Found:
        return {(name, row["id"]) for row in rows for name, one in rules if one.matches(row)}

    return run


def worker(events: Sequence[Detection], page: int, *, declared: bool) -> Contestant:
    """Whole decisions, page by page as polls: votes, agreement, then caps and contradictions of each plan."""
    catalogue = _catalogue(declared=declared)
    pages = [[sighting_of(one) for one in events[at : at + page]] for at in range(0, len(events), page)]

    def run() -> Found:
        found = set()
        for sightings in pages:
            decided = decide(sightings, catalogue, Mode.ENFORCE, NOW)
            candidates = [
                Candidate(
                    f"{one.sighting.key} {number}",
                    one.sighting.key,
                    wish.action.kind,
                    wish.action.target,
                    wish.votes,
                )
                for one in decided
                for number, wish in enumerate(one.wishes)
            ]
            rulings = rule(candidates, (), Usage(), CEILINGS, len(sightings))
            assert len(rulings.rulings) == len(candidates)
            found |= {(vote.playbook, one.about) for one in candidates for vote in one.votes}
        return found

    return run


def _catalogue(*, declared: bool) -> Catalogue:
    conditions = [one.when for one in rulesets.rules()]
    playbooks = tuple(
        _playbook(name, _always(name) if declared else function, conditions[number] if declared else ())
        for number, (name, function) in enumerate(rulesets.functions())
    )
    return Catalogue(
        playbooks, (), Lists(), {kind: playbooks if kind is Detection else () for kind in EVENT_TYPES}
    )


def _always(name: str) -> Callable[[Detection], Move]:
    return lambda message: Move(message, to="JunkEmail", reason=name)


def _playbook(name: str, function: Callable[..., Any], when: Any) -> Playbook:
    caps = Caps(per_poll=10**6, per_hour=10**6)
    path = Path(__file__)
    plain = False
    return Playbook(
        name,
        Detection,
        Mode.ENFORCE,
        "",
        caps,
        (),
        function,
        plain,
        "v1",
        "",
        path,
        1,
        frozenset(),
        when,
    )


def main() -> None:
    """Alternates over the rounds, and refuses to compare what does not find the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--page", type=int, default=1000)
    chosen = parser.parse_args()
    events = rulesets.events(chosen.events)
    few = events[:SLOW]
    contestants: dict[str, tuple[Contestant, int]] = {
        "bare predicates": (bare(events), len(events)),
        "plain playbooks": (worker(events, chosen.page, declared=False), len(events)),
        "playbooks with when": (worker(events, chosen.page, declared=True), len(events)),
        "Panther-style": (panther(events), len(events)),
        "rule-engine": (engine(few), len(few)),
    }
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    expected: Found = set()
    for number in range(chosen.rounds):
        for name, (run, count) in list(contestants.items())[:: 1 if number % 2 == 0 else -1]:
            gc.collect()
            began = time.process_time()
            found = run()
            rates[name].append(count / (time.process_time() - began))
            expected = expected or found
            assert found == {one for one in expected if count == len(events) or int(one[1][1:]) < count}, name
    print(
        f"100 rules, {chosen.events} events, {len(expected)} hits; events/s of computing, median of {chosen.rounds}"
    )
    for name, measured in rates.items():
        print(
            f"{name:<22}{statistics.median(measured):>12,.0f}  ({min(measured):,.0f} to {max(measured):,.0f})"
        )
    for name, least in (("plain playbooks", 1.0), ("playbooks with when", 2.0)):
        each = [mine / theirs for mine, theirs in zip(rates[name], rates["bare predicates"], strict=True)]
        ratio = statistics.median(each)
        judge(
            f"{name} / bare predicates: {ratio:.2f} ({min(each):.2f} to {max(each):.2f}), target {least:g}",
            good=ratio >= least,
        )


if __name__ == "__main__":
    main()
