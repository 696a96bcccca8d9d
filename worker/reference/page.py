"""The page as a whole: which parts it has, and in what order."""

from __future__ import annotations

import inspect

from worker.model.actions import Mode
from worker.model.events import DISPOSITIONS, EVENT_TYPES, Detection
from worker.model.kinds import ACTION_TYPES
from worker.model.needs import NEEDS
from worker.playbooks import (
    DESTINATIONS,
    Caps,
    Context,
    Params,
    PastAction,
    conditions,
    hit,
    matches,
    miss,
    playbook,
)
from worker.playbooks.deciding import ACTIONS_LIMIT, REASON_LIMIT
from worker.playbooks.examples import EXAMPLE_NOW
from worker.playbooks.purity import AUTHORS_MODULES, FORBIDDEN_BUILTINS, PURE_MODULES
from worker.reference import calls, structs
from worker.reference.docstrings import doc_of, helpers
from worker.reference.markdown import code, listed, table

_HEAD = """# Reference for authors

Everything that a playbook can import from `worker.playbooks` and `worker.playbooks.conditions`, in the code's own
words: this page is made from it, by `python -m worker.reference > docs/authors/reference.md`. What happens around a
playbook is in [rules/README.md](../../rules/README.md).
"""


def page() -> str:
    """The whole reference."""
    return "\n\n".join(part.strip() for part in (
        _HEAD,
        "## The decorator",
        calls.call(playbook),
        calls.call(Caps),
        _function(),
        _conditions(),
        _events(),
        _actions(),
        "## Context",
        structs.struct(Context, without=["seen"]),
        structs.struct(PastAction),
        _needs(),
        _params(),
        "## Examples",
        calls.call(hit),
        calls.call(miss),
        f"Examples are decided at {EXAMPLE_NOW.isoformat()}, so that a check says the same every day.",
        "## Patterns",
        calls.call(matches),
        _words(),
        _imports(),
    )) + "\n"  # fmt: skip


def _function() -> str:
    return f"""## The function

It takes the event and, if it wants one, a second parameter named `context`; last, where its decorator declares
`params`, a parameter of that name. It returns `None`, one action, or a
list of at most {ACTIONS_LIMIT} that do not contradict one another. It is a plain `def` that neither waits nor reads
nor writes: the same event gives the same decision in shadow, in a replay and for real. The first line of its
docstring is its title. A `reason` longer than {REASON_LIMIT} characters is cut."""


def _conditions() -> str:
    made = {name: value for name, value in vars(conditions).items() if name in conditions.__all__}
    rows, others = [], []
    for name in sorted(made):
        if inspect.isfunction(made[name]) and inspect.signature(made[name]).return_annotation == "Leaf":
            rows.append((code(calls.written(made[name])), " ".join(doc_of(made[name]).paragraphs)))
        else:
            others.append((code(name), doc_of(made[name]).title))
    told = """## Conditions

From `worker.playbooks.conditions`, for the decorator's `when`: all of them must hold before the function is called.
`&`, `|` and `~` join them. What a condition reads and is not there makes it false, so that `~dmarc("pass")` holds
where there is no result. On a report or a submission they look at its message; where that was not found, they are
false. `worker explain` shows each with what it saw."""
    return "\n\n".join([
        told,
        table(("condition", "holds where"), rows),
        table(("beside them", "is"), others),
    ])  # fmt: skip


def _events() -> str:
    told = """## Events

Enumerations are plain strings, so that a value which the vendor adds tomorrow passes through: compare with `==` or
`startswith`, and expect anything. Text may be missing (`None`), a sequence may be empty. Texts are cut at 10,000
characters and hold no control characters: those that are spaces have become spaces, the others U+FFFD. Times are
aware, in UTC."""
    return "\n\n".join([told, *map(structs.event, EVENT_TYPES), structs.parts_of_events()])


def _actions() -> str:
    told = """## Actions

Each names the event's own message, or the event. Its kind and its target (folder, verdict, pattern or channel;
empty where it has none) are what `expect=[("move", "JunkEmail")]` in an example, `context.history` and `worker
actions list` show. An action whose effect is there already is skipped. Two playbooks that want the same share one
action; two that contradict each other for one message are both held for a person, unless one of them is in shadow
mode."""
    return "\n\n".join([told, *map(calls.action, ACTION_TYPES)])


def _needs() -> str:
    offered = helpers(Detection)
    rows = [(code(need), code(offered[need].gives), offered[need].meaning) for need in NEEDS]
    why = offered["why_missing"]
    told = """## Needs

What a message has beyond its row in the list. It is fetched where the function comes to read it, so check what is
cheap first; None means that it cannot be had. On a report or a submission it is that of its message:
`report.message.attachments`."""
    rows.append((code(why.call), code(why.gives), why.meaning))
    return "\n\n".join([told, table(("need", "type", "is"), rows), structs.parts_of_needs()])


def _params() -> str:
    said = " ".join(doc_of(Params).paragraphs)
    return f"""## Parameters

`Params`: {said}

`Field` is pydantic's: `days: int = Field(default=30, ge=1, le=90)`; its bounds are `ge`, `gt`, `le`, `lt`, `min_length`,
`max_length`, `pattern` and `multiple_of`. `params.toml` beside the playbooks has one table for each, `[its-id]`."""


def _words() -> str:
    rows = [
        ("`Mode`", listed(Mode)),
        ("`DESTINATIONS`", listed(DESTINATIONS)),
        ("`DISPOSITIONS`", listed(DISPOSITIONS)),
    ]
    return "## Words\n\n" + table(("name", "values"), rows)


def _imports() -> str:
    builtins = [(code(name), why) for name, why in FORBIDDEN_BUILTINS.items()]
    return f"""## What a file may import

{listed(AUTHORS_MODULES)}, modules of the same folder whose names start with `_`, and of the standard library
{listed(sorted(PURE_MODULES))}.

{table(("refused", "because it"), builtins)}"""
