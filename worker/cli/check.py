"""`worker check`: loads the playbooks and decides their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker import settings as settings_module
from worker.cli.common import Json, print_json, say


def check(
    directory: Annotated[Path | None, typer.Argument(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    json_: Json = False,
) -> None:
    """Loads playbooks and runs their examples; exit code 1 on any problem. Needs no network and no token."""
    from worker.containment import check_apart  # noqa: PLC0415
    from worker.playbooks.problems import problem_of  # noqa: PLC0415

    report = check_apart(directory or settings_module.load().worker_rules_dir)
    if json_:
        print_json(report)
    else:
        for problem in report["problems"]:
            say(str(problem_of(problem)))
        for warning in report["warnings"]:
            say(f"warning: {problem_of(warning)}")
        run, failed = report["examples"]["run"], report["examples"]["failed"]
        say(
            f"{len(report['playbooks'])} playbooks, {run - failed} of {run} examples as expected, "
            f"{len(report['problems'])} problems"
        )
    raise typer.Exit(0 if report["ok"] else 1)
