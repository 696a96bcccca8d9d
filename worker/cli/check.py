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
    from worker.playbooks.checking import check as check_folder  # noqa: PLC0415

    report = check_folder(directory or settings_module.load().worker_rules_dir)
    if json_:
        print_json(report.as_json())
    else:
        for problem in report.problems:
            say(str(problem))
        for warning in report.warnings:
            say(f"warning: {warning}")
        count = len(report.catalogue.playbooks)
        passed = report.examples - report.failed
        say(
            f"{count} playbooks, {passed} of {report.examples} examples as expected, {len(report.problems)} problems"
        )
    raise typer.Exit(0 if report.ok else 1)
