"""How a plan for the tenant's settings is shown: field by field, for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from worker.cli.printing import print_json, say
from worker.declared.planning import Change, Op, Plan

_SIGNS = {Op.DELETE: "-", Op.EDIT: "~", Op.ADD: "+"}


def print_plan(plan: Plan, file: str, to: TextIO | None = None) -> None:
    """The changes, then how many there are."""
    section = ""
    for one in plan.changes:
        if one.section.name != section:
            section = one.section.name
            say(section, to)
        for line in _lines(one, file):
            say(line, to)
    for note in plan.notes:
        say(f"note: {note}", to)
    say(summary(plan), to)


def summary(plan: Plan) -> str:
    """The plan in one line."""
    if not plan.changes:
        return "nothing differs"
    counts = [f"{plan.count(op)} to {op}" for op in (Op.ADD, Op.EDIT, Op.DELETE)]
    return f"plan: {', '.join(counts)}"


def _lines(one: Change, file: str) -> Iterator[str]:
    where = f"  ({file}:{one.line})" if one.line else f"  (id {one.id})"
    made = f"  made by the worker, action {one.made_by}" if one.made_by else ""
    yield f"  {_SIGNS[one.op]} {one.label}{where}{made}"
    names = one.after if one.op is not Op.DELETE else one.before
    for name in names:
        if one.op is Op.EDIT:
            yield f"      {name}: {_value(one.before.get(name))} -> {_value(one.after[name])}"
        elif name not in one.section.key:
            yield f"      {name}: {_value(names[name])}"


def _value(value: Any) -> str:
    """As JSON has it, ASCII alone."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def changes(plan: Plan) -> list[dict[str, Any]]:
    """The changes as JSON."""
    return [
        {
            "section": one.section.name,
            "op": one.op,
            "entry": one.label,
            "id": one.id or None,
            "line": one.line,
            "made_by": one.made_by or None,
            "before": dict(one.before),
            "after": dict(one.after),
        }
        for one in plan.changes
    ]


def as_json(plan: Plan, **more: Any) -> None:
    """Prints the plan as one JSON object, with what came of it."""
    told: Mapping[str, Any] = {"changes": changes(plan), "notes": list(plan.notes), **more}
    print_json(told)
