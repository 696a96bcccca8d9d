"""What the demo did, worked out from the ledger and from the tenant, which must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from .demo_run import DemoError, Tenant, Worker
from .rows import parse_rfc3339

ACTED, HELD = "succeeded", "held"
_EFFECTS = {"move": "move", "release": "release", "reclassify": "reclassify", "submit": "reclassify"}
"""Kinds of actions that reach mail, each with what the tenant calls its effect."""
_WRONG = ("failed", "unknown", "dead")


@dataclass(frozen=True, slots=True)
class Line:
    """One playbook; an action that two playbooks agree on counts for its owner alone."""

    playbook: str
    matched: int
    acted: int
    held: int
    other: str
    """States that are neither, such as `2 skipped`."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one demo. Times in seconds."""

    lines: tuple[Line, ...]
    used: int
    limit: int
    seen: int
    """Requests that the tenant counted."""
    backlog: float | None
    """From the worker's first request to the last effect on the backlog, None without any."""
    latencies: tuple[float, ...]
    """From visible to effect, for new mail that a playbook on detections moved."""
    records: int
    """Audit records, verified."""

    def latency(self, percent: int) -> float:
        """A percentile of the latencies, of which there are at least two."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


def summarise(tenant: Tenant, worker: Worker, rules: Path) -> Summary:
    """Reads everything once the worker has stopped. DemoError where anything is not as it should be."""
    requests, effects = tenant.requests(), tenant.effects()
    actions = worker.command("actions", "list")
    _check_actions(actions)
    _check_effects(actions, effects)
    budget = worker.command("status")["budget"]
    audit = worker.command("audit", "verify")
    first = requests[0]["at"]
    old, new = _delays(tenant, effects, first)
    return Summary(
        lines=_lines(actions, rules),
        used=budget["used"],
        limit=budget["limit"],
        seen=len(requests),
        backlog=max(old) - first if old else None,
        latencies=tuple(new),
        records=sum(account["records"] for account in audit["accounts"]),
    )


def _check_actions(actions: Sequence[dict[str, Any]]) -> None:
    states = Counter(action["state"] for action in actions)
    if wrong := {state: count for state, count in states.items() if state in _WRONG}:
        example = next(action for action in actions if action["state"] in wrong)
        raise DemoError(
            f"actions that did not work out: {wrong}; the first: {example['id']}, {example['error']}"
        )
    if not states[ACTED]:
        raise DemoError(f"the worker did nothing: {dict(states) or 'no action at all'}")


def _check_effects(actions: Sequence[dict[str, Any]], effects: Sequence[dict[str, Any]]) -> None:
    """What the ledger believes is what happened, each thing once."""
    happened = Counter((effect["kind"], effect["id"]) for effect in effects)
    believed = Counter(
        (_EFFECTS[action["kind"]], action["message_id"])
        for action in actions
        if action["state"] == ACTED and action["kind"] in _EFFECTS
    )
    if happened != believed:
        more, less = (happened - believed).total(), (believed - happened).total()
        raise DemoError(
            f"ledger and tenant differ: {more} effects without an action, {less} the other way round"
        )


def _delays(
    tenant: Tenant, effects: Sequence[dict[str, Any]], first: float
) -> tuple[list[float], list[float]]:
    """Times of the effects on mail that was there at the first request; seconds from visible to effect of mail since.

    Reported mail is left out: what moves it is the report, which comes later.
    """
    scanned, reported = tenant.scan_times(), tenant.reported()
    old: list[float] = []
    new: list[float] = []
    for effect in effects:
        visible = parse_rfc3339(scanned[effect["id"]]) / 1000
        if effect["id"].partition("-")[0] in reported:
            continue
        if visible < first:
            old.append(effect["at"])
        else:
            new.append(effect["at"] - visible)
    return old, new


def _lines(actions: Sequence[dict[str, Any]], rules: Path) -> tuple[Line, ...]:
    # A playbook's id follows from its file's name (rules/README.md); those without a match show too.
    names = {path.stem.replace("_", "-") for path in rules.glob("[!_]*.py")}
    states: dict[str, Counter[str]] = {name: Counter() for name in names}
    for action in actions:
        states.setdefault(action["playbook"], Counter())[action["state"]] += 1
    return tuple(
        Line(
            name,
            counts.total(),
            counts[ACTED],
            counts[HELD],
            ", ".join(f"{count} {state}" for state, count in counts.items() if state not in (ACTED, HELD)),
        )
        for name, counts in sorted(states.items())
    )
