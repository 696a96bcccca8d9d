"""What can be undone, and where a message goes back to. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from worker.model.actions import DESTINATIONS, PURGE

UNDO = "undo"
"""Stands where other actions have their playbook: a person wanted it."""
EXPIRY = "expiry"
"""The same for what the worker takes back because its time is over."""
REVERSIBLE = tuple(folder for folder in DESTINATIONS if folder != PURGE)
"""Folders that a message can be moved out of again, and back to."""
DELIVERED_TO = "Inbox"
"""Where mail is taken to have been that nobody had moved: the vendor does not tell the folder of a delivery."""


class OwnMove(NamedTuple):
    """A move that the worker carried out. `origin` is the folder before it where the vendor's log told it."""

    id: str
    cause: str
    target: str
    origin: str | None


TAKEN_BACK, MADE_AGAIN = "taken back", "made again"
"""What becomes of an entry of the settings, where a message would go to a folder."""


class WayBack(NamedTuple):
    """The folder that a message goes back to, how that is known, and whether it is known at all."""

    folder: str
    why: str
    known: bool = True


def in_effect(moves: Sequence[OwnMove]) -> frozenset[str]:
    """Which of a message's moves, oldest first, can be undone: the last, and the last that is not undone."""
    left = list(moves)
    found = {left[-1].id} if left else set()
    while len(left) > 1 and left[-1].cause == left[-2].id:
        del left[-2:]
    return frozenset(found | {one.id for one in left[-1:]})


def way_back(done: OwnMove, before: OwnMove | None, chosen: str | None = None) -> WayBack:
    """Where `done` took the message from; `before` is the worker's own move before it, `chosen` a person's word."""
    if chosen is not None:
        return WayBack(chosen, "as you chose")
    if done.origin in REVERSIBLE:
        return WayBack(done.origin, "the vendor's log showed it there")
    if done.origin is not None:
        where = f"it was in {done.origin}, which the API cannot move it to"
        untold = "somebody had moved it, and the vendor's log did not say where"
        return WayBack(DELIVERED_TO, f"assumed: {where if done.origin else untold}", known=False)
    if before is not None and before.target in REVERSIBLE:
        return WayBack(before.target, f"{before.id} had moved it there")
    why = "assumed: nobody had moved it, and the vendor does not tell the folder of a delivery"
    return WayBack(DELIVERED_TO, why, known=False)
