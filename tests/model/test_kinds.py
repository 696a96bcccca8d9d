from __future__ import annotations

import worker.playbooks
from tests.builders import detection
from worker.model.actions import Move, Reclassify, Submit
from worker.model.kinds import (
    ACTION_TYPES,
    KINDS,
    contradicts,
    irreversible,
    kind_of,
    lane_of,
    needs_approval,
    target_in,
)
from worker.model.telling import Notify


def test_every_action_is_a_kind_under_its_own_name_and_offered_to_authors() -> None:
    """A row that is missing, or stands under another name, would be found at its first action only."""
    assert [kind.action for kind in KINDS.values() if kind.action] == list(ACTION_TYPES)
    for name, kind in KINDS.items():
        if kind.action is not None:
            assert kind.action.kind == name
            assert kind.action.__name__ in worker.playbooks.__all__


def test_what_opposes_a_kind_is_opposed_by_it() -> None:
    """A contradiction is one whichever of the two wishes comes first."""
    for name, kind in KINDS.items():
        for other in kind.opposes:
            assert other in KINDS, other
            assert name in KINDS[other].opposes, (name, other)
            assert contradicts(name, "", other, "")


def test_of_a_kind_that_nobody_knows_nothing_is_taken_for_granted() -> None:
    """A ledger that a newer version has written: it is looked at, not undone, and stops nothing else."""
    assert not kind_of("teleport").seen_enough(None)  # type: ignore[arg-type]
    assert irreversible("teleport", "")
    assert needs_approval("teleport", "") == ""
    assert lane_of("teleport", "moon") == "teleport:moon"


def test_people_are_shown_the_target_whatever_else_is_sent() -> None:
    """A list of actions says what is to become of each message, not by which name it was sent."""
    message = detection(alert_id="alert-1")
    for action in (Move(message, to="JunkEmail"), Reclassify(message, to="SPAM"), Submit(message, to="NONE")):
        assert target_in(action.kind, action.params) == action.target
    assert target_in("notify", Notify(message, text="hello", channel="#soc").params) == "#soc"
    assert target_in("notify", Notify(message, text="hello").params) == ""
    assert target_in("release", {}) == ""
