"""The report of a check as a person reads it: file and line, what stands there, what was expected, what came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.playbooks.problems import Problem, problem_of

Report = Mapping[str, Any]
"""What `worker check --json` prints."""


def told(report: Report) -> Iterator[str]:
    """Line by line; what is wrong with one thing begins with its place."""
    for printed in report["problems"]:
        yield from _problem(problem_of(printed))
    for printed in report["warnings"]:
        yield f"warning: {problem_of(printed)}"
    for printed in report.get("lists_due", ()):
        yield f"review: {problem_of(printed)}"
    yield summary(report)


def summary(report: Report) -> str:
    """One line: how much there is, and how much of it is wrong."""
    run, failed = report["examples"]["run"], report["examples"]["failed"]
    told = [
        f"{len(report['playbooks'])} playbooks",
        f"{run - failed} of {run} examples as expected",
        f"{len(report['problems'])} problems",
    ]
    if warnings := len(report["warnings"]):
        told.append(f"{warnings} warnings")
    return ", ".join(told)


def _problem(problem: Problem) -> Iterator[str]:
    yield str(problem)
    if line := _source_line(problem):
        yield f"    > {line}"
    yield from (f"    E {line}" for line in problem.diff)


def _source_line(problem: Problem) -> str:
    """What stands there; nothing where it cannot be read."""
    if not problem.line:
        return ""
    try:
        with problem.path.open(encoding="utf-8", errors="replace") as file:
            return next((line.strip() for number, line in enumerate(file, 1) if number == problem.line), "")
    except OSError:
        return ""
