from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.model.actions import State
from worker.ops.events import EVENTS
from worker.ops.metrics import Metrics
from worker.ops.runbook import STATES, runbook

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
TAKEN = {"event", "method_name", "self"}


def _log_calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Place, call and level of every `log.<level>(...)`, also on `self._log` and `log.bind(...)`."""
    for path in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
            ):
                logger = ast.unparse(node.func.value)
                if re.fullmatch(r"(\w+\.)*_?(log|logger)(\.bind\(.*\))?", logger, re.DOTALL):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node, node.func.attr


def _names(call: ast.Call) -> list[str]:
    """The literal names that the first argument can be; its source for anything else."""
    first = call.args[0] if call.args else call
    choices = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    return [str(one.value) if isinstance(one, ast.Constant) else ast.unparse(one) for one in choices]


def test_every_log_call_uses_a_name_of_the_table() -> None:
    """A name without meaning and next step in worker/ops/events.py is not logged."""
    wrong = [
        f"{place}: {name}" for place, call, _ in _log_calls() for name in _names(call) if name not in EVENTS
    ]
    assert not wrong, "add to worker/ops/events.py: " + ", ".join(wrong)


def test_every_log_call_uses_a_level_of_the_table() -> None:
    """The runbook's level is the level that is logged."""
    wrong = [
        f"{place}: {name} at {level}, the table says {EVENTS[name].level}"
        for place, call, level in _log_calls()
        for name in _names(call)
        if name in EVENTS and level.replace("exception", "error") not in EVENTS[name].levels
    ]
    assert not wrong, "\n".join(wrong)


def test_no_log_call_uses_a_keyword_that_structlog_takes() -> None:
    """Such a keyword would raise a TypeError when the line is written."""
    wrong = [place for place, call, _ in _log_calls() for keyword in call.keywords if keyword.arg in TAKEN]
    assert not wrong


def test_the_table_is_well_formed() -> None:
    """Names are `noun.participle`, levels exist, meanings and next steps are sentences that fit a table."""
    for name, event in EVENTS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z_]+", name)
        assert event.levels <= LEVELS - {"exception"}
        assert event.meaning.endswith(".")
        assert "\n" not in event.meaning + event.next
        assert event.next


def test_the_runbook_in_docs_is_the_tables() -> None:
    """After a change run: python -m worker.ops.events > docs/runbook.md."""
    assert (ROOT / "docs/runbook.md").read_text(encoding="utf-8") == runbook()


def test_the_module_prints_the_runbook() -> None:
    """The command that the test above names does what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "worker.ops.events"], capture_output=True, cwd=ROOT, check=True, timeout=20
    )
    assert done.stdout.decode() == runbook()


@pytest.mark.parametrize("state", [state for state in State if state is not State.OPEN])
def test_the_runbook_explains_every_state(state: State) -> None:
    """A new state needs its meaning and next command."""
    assert STATES[state][0]


def test_the_runbook_names_only_metrics_and_events_that_exist() -> None:
    """An alert on a metric that nobody exports never fires."""
    page = Metrics().render()[0].decode()
    for metric in re.findall(r"\bworker_[a-z_]+\b", runbook()):
        assert f"# TYPE {metric} " in page
    for name in re.findall(r"\b([a-z]+\.[a-z_]+) below", runbook()):
        assert name in EVENTS


def test_the_runbooks_tables_have_as_many_cells_as_their_heads() -> None:
    """A bar inside a command would break the row."""
    for table in re.findall(r"(?:^\|.*\|\n)+", runbook(), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1
