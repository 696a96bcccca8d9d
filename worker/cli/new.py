"""`worker new`: a playbook to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker import settings as settings_module
from worker.cli.printing import say
from worker.cli.replay import playbooks


def new(
    name: Annotated[str, typer.Argument(help="The playbook's id, such as junk-toner-offers.")],
    directory: Annotated[Path | None, typer.Argument(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Write a test for pytest too, into DIR/tests.")
    ] = False,
) -> None:
    """Writes a playbook with its examples, in shadow mode, that passes `worker check` as it stands.

    An existing file is never replaced. Needs no token and no network.
    """
    from worker.authoring.starting import start  # noqa: PLC0415

    folder = directory or settings_module.load().worker_rules_dir
    known: dict[str, str] = {}
    if folder.is_dir():
        with playbooks(folder) as catalogue:
            known = {one.id: f"the playbook in {one.path}" for one in catalogue.playbooks}
    for file in start(name, folder, known, test=test):
        say(f"wrote {file}")
    say(f"next: write what it should act on, and run `worker check --watch {folder}`")
    if test:
        say(
            f"its test wants pytest: `make test ARGS={folder}/tests`, or `pytest` where this project's .venv has it"
        )
