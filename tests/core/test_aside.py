"""What is not sent as it was wanted is said, line by line, and counted."""

from __future__ import annotations

import io
import json

import pytest
from prometheus_client import generate_latest

from tests.restoring import _restore_logging  # noqa: F401 - a fixture of these tests
from worker.deciding.aside import tell_aside
from worker.model.actions import State
from worker.model.ledger import Aside
from worker.ops import logs
from worker.ops.metrics import Metrics

ROW = {
    "id": "a1",
    "plan_id": "p1.junk",
    "message_id": "m1",
    "playbook": "junk",
    "playbook_version": "1",
    "kind": "move",
    "target": "JunkEmail",
    "reason": "spam",
}


def test_what_came_back_and_does_not_go_out_again() -> None:
    """One line for each action, with why; and it enters its state in the metrics."""
    metrics, stream = Metrics(), io.StringIO()
    logs.configure(format="json", level="info", stream=stream)
    skipped = ROW | {"state": State.SKIPPED, "reason": "the verdict changed to NONE before it was sent again"}
    held = ROW | {"id": "a2", "state": State.HELD, "why": "contradicts move DeletedItems (a3)"}
    tell_aside(metrics, Aside((skipped,), (held,)))
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(one["event.action"], one["worker.action_id"], one["event.reason"]) for one in told] == [
        ("state.superseded", "a1", "the verdict changed to NONE before it was sent again"),
        ("action.held", "a2", "contradicts move DeletedItems (a3)"),
    ]
    page = generate_latest(metrics.registry).decode()
    for state in ("skipped", "held"):
        assert f'worker_action_transitions_total{{kind="move",state="{state}"}} 1.0' in page


def test_what_waits_for_a_cap(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each cap, not one for each of thousands of actions."""
    tell_aside(Metrics(), Aside(kind="move", waiting={"500 actions of junk an hour": 320}))
    (line,) = capsys.readouterr().err.splitlines()
    assert "action.waiting" in line
    assert "count=320" in line
    assert "the cap of 500 actions of junk an hour is full" in line


def test_nothing_is_said_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Most calls leave nothing aside."""
    tell_aside(Metrics(), Aside(kind="move"))
    assert "".join(capsys.readouterr()) == ""
