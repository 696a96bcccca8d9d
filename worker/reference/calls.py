"""What authors call: the decorator, actions, caps, examples and everything else with arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from worker.model.actions import Action, Move
from worker.model.entries import MAX_DAYS
from worker.model.events import DISPOSITIONS
from worker.model.kinds import KINDS, irreversible, needs_approval
from worker.playbooks import DESTINATIONS
from worker.reference.docstrings import doc_of, field_docs
from worker.reference.markdown import code, listed, literal, table
from worker.reference.structs import annotated

SPELLED = {
    "one of DESTINATIONS": f"one of {listed(DESTINATIONS)}",
    "one of DISPOSITIONS": f"one of {listed(DISPOSITIONS)}",
    "MAX_DAYS": str(MAX_DAYS),
}
"""Constants that the code's own words name, as the page says them."""


def call(function: Callable[..., Any]) -> str:
    """A function: how it is called, what it does, its arguments, what it raises."""
    doc = doc_of(function)
    parameters = [*inspect.signature(function).parameters.values()]
    rows = [
        (code(one.name), code(one.annotation), _default(one), doc.args[one.name])
        for one in parameters
        if one.name in doc.args
    ]
    parts = [f"### {code(function.__name__)}", _written(function.__name__, parameters), *doc.paragraphs]
    if rows:
        parts.append(table(("argument", "type", "default", "meaning"), rows))
    parts += [f"{code(name)}: {meaning}" for name, meaning in doc.raises.items()]
    return "\n\n".join(parts)


def action(kind: type[Action]) -> str:
    """One action: how it is written, what it does, and what becomes of it afterwards."""
    parameters = sorted(inspect.signature(kind).parameters.values(), key=_rank)
    meanings = field_docs(kind)
    rows = [
        (code(one.name), code(annotated(kind, one.name)), _default(one), _spelled(meanings[one.name]))
        for one in parameters
    ]
    return "\n\n".join([
        f"### {code(kind.__name__)}",
        _written(kind.__name__, parameters),
        *map(_spelled, doc_of(kind).paragraphs),
        table(("argument", "type", "default", "meaning"), rows),
        "\n".join(f"- {fact}" for fact in _facts(kind)),
    ])  # fmt: skip


def _facts(action: type[Action]) -> Iterator[str]:
    kind = KINDS[action.kind]
    targets = DESTINATIONS if action is Move else ("",)
    for_good = {target: irreversible(action.kind, target) for target in targets}
    approval = {target: needs_approval(action.kind, target) for target in targets}
    yield f"Kind: {code(action.kind)}"
    if all(for_good.values()):
        yield f"Cannot be undone: {for_good[targets[0]]}"
    else:
        yield "`worker undo` takes it back" + _but(for_good)
    if all(approval.values()):
        yield f"Waits for approval in every mode: {approval[targets[0]]}"
    elif any(approval.values()):
        yield "Waits for approval as its mode says" + _but(approval)
    if kind.apart:
        yield "Costs no request to the vendor, and has caps of its own"
    else:
        others = f", and {listed(sorted(kind.opposes))}" if kind.opposes else ""
        yield f"Contradicts one with another target{others}"


def _but(reasons: Mapping[str, str]) -> str:
    return "".join(f"; {code(target)}: {why}" for target, why in reasons.items() if why)


def written(function: Callable[..., Any]) -> str:
    """How a function is called, with its defaults."""
    return _call(function.__name__, [*inspect.signature(function).parameters.values()])


def _written(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    return f"```python\n{_call(name, parameters)}\n```"


def _call(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    star, words = False, []
    for one in parameters:
        if one.kind is one.KEYWORD_ONLY and not star:
            star = True
            words.append("*")
        star = star or one.kind is one.VAR_POSITIONAL
        stars = "**" if one.kind is one.VAR_KEYWORD else "*" if one.kind is one.VAR_POSITIONAL else ""
        default = "" if one.default is one.empty else f"={literal(one.default)}"
        words.append(f"{stars}{one.name}{default}")
    return f"{name}({', '.join(words)})"


def _rank(parameter: inspect.Parameter) -> tuple[bool, bool, bool]:
    """What must be given comes first, the reason last."""
    named = parameter.kind is parameter.KEYWORD_ONLY
    return named, parameter.name == "reason", parameter.default is not parameter.empty


def _default(parameter: inspect.Parameter) -> str:
    return "required" if parameter.default is parameter.empty else code(literal(parameter.default))


def _spelled(text: str) -> str:
    for name, value in SPELLED.items():
        text = text.replace(name, value)
    return text
