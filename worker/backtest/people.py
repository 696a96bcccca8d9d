"""What playbooks want beside what people did: agreed, other, extra; and what people did that nobody wanted."""

from __future__ import annotations

from collections.abc import Iterable

from worker.backtest.seen import Deed
from worker.model.actions import Action

AGREED, OTHER, EXTRA = "agreed", "other", "extra"
_SAME = {"move": "move", "release": "release", "reclassify": "submit", "submit": "submit"}
"""Kinds of actions that people do too, and what these are called when they do."""


def compare(action: Action, deeds: Iterable[Deed] | None) -> str:
    """Whether people did the same; empty where it is not known, or nobody but the worker does such things.

    A target that the vendor does not tell is taken to be the same.
    """
    kind = _SAME.get(action.kind)
    if kind is None or deeds is None:
        return ""
    theirs = tuple(deeds)
    if any(one.kind == kind and one.target in ("", action.target) for one in theirs):
        return AGREED
    return OTHER if theirs else EXTRA


def missed(deeds: Iterable[Deed], wanted: Iterable[Action]) -> list[Deed]:
    """What people did to a message of which no playbook wanted the like."""
    kinds = {_SAME.get(action.kind) for action in wanted}
    return [one for one in deeds if one.kind not in kinds]


def told(deeds: Iterable[Deed]) -> str:
    """For a person."""
    return ", ".join(
        " ".join(filter(None, (one.kind, one.target and f"to {one.target}", one.by and f"by {one.by}")))
        for one in deeds
    )
