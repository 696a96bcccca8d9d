"""The ladder from shadow over approve to enforce: what a person recorded of a playbook's level. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from worker.model.actions import Mode, lower_mode


class Level(Struct, frozen=True):
    """A playbook's level as `worker promote` or `worker demote` recorded it; `at` in seconds since the epoch.

    `version` is the code that the person had before them; empty where the playbook could not be loaded then.
    """

    playbook: str
    level: Mode
    version: str
    by: str
    reason: str
    at: float


Levels = Mapping[str, Level]
"""What is recorded, by playbook."""


def level_of(playbook: str, version: str, declared: Mode, levels: Levels) -> Mode:
    """How far a playbook may go, whatever WORKER_MODE allows: what is recorded, else what its decorator says.

    What a person let act by itself is the code of then: another version waits for approval until it is promoted
    too, unless its own file, which was reviewed with it, says that it acts.
    """
    record = levels.get(playbook)
    if record is None:
        return declared
    if is_outdated(version, declared, record):
        return Mode.APPROVE
    return record.level


def is_outdated(version: str, declared: Mode, record: Level) -> bool:
    """Whether the promotion to enforce was for other code than this."""
    return record.level is Mode.ENFORCE and declared is not Mode.ENFORCE and record.version != version


def lowered(playbook: str, mode: Mode, levels: Levels) -> Mode:
    """The mode of a vote that was cast before the playbook's level was lowered."""
    record = levels.get(playbook)
    return mode if record is None else lower_mode(mode, record.level)


def next_up(mode: Mode) -> Mode:
    """The rung above; the highest has none."""
    return Mode.APPROVE if mode is Mode.SHADOW else Mode.ENFORCE
