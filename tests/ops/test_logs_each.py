"""Lines that end together."""

from __future__ import annotations

from tests.ops.lines import TOKEN, Lines
from worker.ops import logs

log = logs.get_logger()


def test_each_row_is_a_line_as_if_logged_alone(json_lines: Lines) -> None:
    """Speed changes nothing but the order of fields, and lets no secret pass."""
    rows: list[dict[str, object]] = [
        {"action_id": "a1", "reason": None},
        {"action_id": "a2", "reason": f"x {TOKEN}"},
    ]
    log.each("info", "action.finished", rows, kind="move")
    for row in rows:
        log.info("action.finished", **{"kind": "move", **row})
    lines = json_lines.parsed()
    for one in lines:
        del one["@timestamp"]
    assert lines[:2] == lines[2:]
    assert lines[1]["event.reason"] == "[redacted]"


def test_rows_below_the_level_are_not_even_made(json_lines: Lines) -> None:
    """A generator of rows is not consumed for nothing."""
    asked: list[str] = []

    def row(name: str) -> dict[str, object]:
        asked.append(name)
        return {"action_id": name}

    log.each("debug", "action.finished", map(row, "ab"))
    assert (asked, json_lines.parsed()) == ([], [])
