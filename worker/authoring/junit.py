"""The report of a check as JUnit XML, in the form that Jenkins, GitLab and GitHub's reporters read.

An example is a test case of its playbook. What is wrong beside the examples is a case of its own that fails, and so
is, where warnings count, a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from worker.playbooks.problems import Problem, one_line, problem_of

SUITE = "worker check"


def junit(report: Mapping[str, Any], *, strict: bool, seconds: float) -> bytes:
    """The document. `report` is what `worker check --json` prints."""
    suite = ET.Element("testsuite", name=SUITE, time=f"{seconds:.3f}")
    for case in report["cases"]:
        place = f"{Path(case['path']).name}:{case['line']}"
        _case(suite, case["playbook"], f"{place} {case['example']}", case["problem"])
    failed = [case["problem"] for case in report["cases"] if case["problem"]]
    beside = [one for one in report["problems"] if one not in failed]
    beside += report["warnings"] if strict else []
    for printed in beside:
        problem = problem_of(printed)
        place = f"{problem.path.name}:{problem.line}" if problem.line else problem.path.name
        _case(suite, problem.playbook or problem.path.stem, f"{place} {problem.message}", printed)
    if report["warnings"] and not strict:
        told = ET.SubElement(suite, "system-out")
        told.text = "\n".join(f"warning: {problem_of(printed)}" for printed in report["warnings"])
    suite.set("tests", str(len(report["cases"]) + len(beside)))
    suite.set("failures", str(len(failed) + len(beside)))
    suite.set("errors", "0")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _case(suite: ET.Element, playbook: str, name: str, printed: Mapping[str, Any] | None) -> None:
    """One case. `one_line` leaves nothing in a text that XML cannot hold."""
    case = ET.SubElement(suite, "testcase", classname=one_line(playbook), name=one_line(name))
    if printed is not None:
        problem: Problem = problem_of(printed)
        failure = ET.SubElement(case, "failure", type="problem", message=one_line(problem.message))
        failure.text = "\n".join([str(problem), *map(one_line, problem.diff)])
