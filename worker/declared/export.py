"""Writes the tenant's settings as a file that says the same: stable, so that two exports can be compared line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from worker.declared.document import nameable, wrong
from worker.declared.entries import Present
from worker.declared.sections import SECTIONS, Section
from worker.ops.text import safe

_WIDTH = 10_000
"""A value never goes over two lines."""


def export(tenant: Mapping[str, Sequence[Present]]) -> str:
    """The sections as YAML, each in the order of its keys. What a file cannot say is a comment."""
    return "\n".join(
        "".join(_section(section, tenant[name])) for name, section in SECTIONS.items() if name in tenant
    )


def _section(section: Section, there: Sequence[Present]) -> Iterator[str]:
    said: set[tuple[Any, ...]] = set()
    lines: list[str] = []
    for one in sorted(there, key=lambda one: (one.label, str(one.created_at), one.id)):
        why = _left_out(one, said)
        if why:
            lines.append(f"  # {safe(one.label or '(no name)')}, id {safe(one.id)}: {why}\n")
        else:
            said.add(one.key)
            lines += _entry(one)
    has = any(not one.startswith("  #") for one in lines)
    yield f"{section.name}:\n" if has else f"{section.name}: []\n"
    yield from lines


def _left_out(one: Present, said: set[tuple[Any, ...]]) -> str:
    if one.made_by:
        return f"made by the worker, action {safe(one.made_by)}; it stays the worker's"
    if one.from_directory:
        return "comes from a directory, and is edited there"
    if not nameable(one.section, one.values):
        return "cannot be written in a file; see the dashboard"
    return "a second entry for the same; delete one in the dashboard" if one.key in said else ""


def _entry(one: Present) -> Iterator[str]:
    known = {name: value for name, value in one.values.items() if not wrong(one.section, name, value)}
    lines = _dump(known).rstrip("\n").split("\n")
    yield from (f"  {'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(lines))
    for name in (name for name in one.values if name not in known):
        yield f"    # {name}: {safe(str(one.values[name]))}, which cannot be set\n"


class _Dumper(yaml.SafeDumper):
    """Lists on one line, and so is every text: what would not show is escaped."""


_Dumper.add_representer(
    tuple, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def _dump(values: Mapping[str, Any]) -> str:
    """The fields as YAML; where a terminal might act on a text, or not show a part, all of it is ASCII."""
    texts = [text for value in values.values() for text in (value if isinstance(value, tuple) else (value,))]
    harmless = all(safe(text, _WIDTH) == text for text in texts if isinstance(text, str))
    return yaml.dump(
        dict(values),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=harmless,
        width=_WIDTH,
        default_flow_style=False,
    )
