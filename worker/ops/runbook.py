"""The runbook for on-call, made from the table of events, so that it cannot fall behind the code."""

from __future__ import annotations

from worker.ops.events import EVENTS


def runbook() -> str:
    """The whole of docs/runbook.md."""
    return f"# Runbook\n\n{_events()}"


def _events() -> str:
    lines = ["## Log lines", "", "| `event.action` | level | meaning | next |", "| --- | --- | --- | --- |"]
    for name, event in EVENTS.items():
        lines.append(f"| `{name}` | {event.level} | {event.meaning} | {event.next} |")
    return "\n".join(lines) + "\n"
