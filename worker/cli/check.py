"""`worker check`: loads the playbooks, decides their examples, compares them."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from worker import settings as settings_module
from worker.cli.printing import Json, print_json, say
from worker.errors import UsageError

Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML for CI too.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit code 1 on warnings too.")]
Watch = Annotated[bool, typer.Option("--watch", help="Check again whenever a file is saved; Ctrl-C ends.")]


def check(
    directory: Annotated[Path | None, typer.Argument(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    json_: Json = False,
    junit: Junit = None,
    strict: Strict = False,
    watch: Watch = False,
) -> None:
    """Loads playbooks, runs their examples and compares what they want; exit code 1 on any problem.

    Warns where a playbook has no hit or no miss, contradicts another one, or makes no difference: that is exit code 0,
    and 1 with --strict. Lists that are due for another look are named too. Needs no network and no token.
    """
    folder = directory or settings_module.load().worker_rules_dir
    if not watch:
        raise typer.Exit(0 if _checked(folder, json_=json_, junit=junit, strict=strict) else 1)
    if json_:
        raise UsageError("--watch: is for people; leave --json out, or run it without --watch")
    from worker.authoring.watching import again_and_again  # noqa: PLC0415

    def work(changed: Collection[str]) -> None:
        if changed:
            say(f"--- {', '.join(changed)}")
        _checked(folder, json_=False, junit=junit, strict=strict)
        sys.stdout.flush()

    if not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; name the one that holds the playbooks")
    again_and_again(folder, work)


def _checked(folder: Path, *, json_: bool, junit: Path | None, strict: bool) -> bool:
    """Checks once, and says what came of it; whether all is well."""
    from worker.authoring.telling import told  # noqa: PLC0415
    from worker.deciding.containment import check_apart  # noqa: PLC0415
    from worker.playbooks.loader import lists_of  # noqa: PLC0415
    from worker.playbooks.reviewing import due  # noqa: PLC0415

    before = time.monotonic()
    report = check_apart(folder)
    report["ok"] = report["ok"] and not (strict and report["warnings"])
    # Beside the warnings: what yesterday was in order must not fail a build today, with nothing changed.
    report["lists_due"] = [one.as_json() for one in due(lists_of(folder), datetime.now(UTC).date(), _days())]
    if junit is not None:
        _write_junit(junit, report, strict=strict, seconds=time.monotonic() - before)
    if json_:
        print_json(report)
    else:
        for line in told(report):
            say(line)
    return bool(report["ok"])


def _days() -> int:
    """The operator's, or the default where the settings are not in order: a check needs none of them."""
    try:
        return settings_module.load().worker_list_review_days
    except UsageError:
        return int(settings_module.Settings.model_fields["worker_list_review_days"].default)


def _write_junit(file: Path, report: dict[str, Any], *, strict: bool, seconds: float) -> None:
    from worker.authoring.junit import junit  # noqa: PLC0415

    try:
        file.write_bytes(junit(report, strict=strict, seconds=seconds))
    except OSError as error:
        raise UsageError(f"--junit: {file}: {error.strerror}; name a place that can be written") from error
