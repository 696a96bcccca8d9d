"""`worker explain`: why a playbook acts on a message, or does not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker import settings as settings_module
from worker.cli.common import Database, database
from worker.cli.printing import Json, print_json, say
from worker.cli.replay import playbooks
from worker.errors import UsageError
from worker.settings import Settings
from worker.store.engine import sqlite_path
from worker.store.people import levels
from worker.store.views import prospects

if TYPE_CHECKING:
    from worker.deciding.explaining import Explanation, Shown
    from worker.playbooks.deciding import Playbook
    from worker.playbooks.loader import Catalogue


def explain(
    playbook: Annotated[str, typer.Argument(help="The playbook's id.")],
    message: Annotated[
        str,
        typer.Argument(
            metavar="MESSAGE_ID|FILE",
            help="A message's investigate id, a report's or submission's id, or a file of saved events (JSON Lines).",
        ),
    ],
    rules: Annotated[Path | None, typer.Option(help="Rules folder; default WORKER_RULES_DIR.")] = None,
    json_: Json = False,
) -> None:
    """Shows why a playbook acts on a message, or does not: every condition with the value that it saw.

    Of a function also what it read, and the line on which it returned. Then what other playbooks want, caps, mode, and
    what the ledger has of the message. An event that was decided is shown as it was seen then, with the time and the
    history of then. Only a message that is not in the event store is asked for from the API, which needs a token.
    Changes nothing.
    """
    from worker.cli.explained import ledger_json, tell  # noqa: PLC0415 - no other command needs what decides
    from worker.cli.sought import events  # noqa: PLC0415 - as above

    settings = settings_module.load()
    with playbooks(rules or settings.worker_rules_dir) as loaded, _ledger(settings) as db:
        catalogue = _at_their_levels(loaded, db)
        chosen = _chosen(catalogue, playbook)
        told = [
            _explained(chosen, one, catalogue, settings, db) for one in events(chosen, message, settings, db)
        ]
        if json_:
            print_json([one.as_json() | ledger_json(one, db) for one in told])
            return
        for number, one in enumerate(told):
            if number:
                say("")
            tell(one, db)


def _at_their_levels(loaded: Catalogue, db: Database | None) -> Catalogue:
    """As the worker runs them: each as far as people let it go."""
    from worker.deciding.rulebook import Rulebook  # noqa: PLC0415 - as above

    rulebook = Rulebook(loaded)
    if db is not None:
        rulebook.note(db.run(levels.recorded))
    return rulebook.current


def _chosen(catalogue: Catalogue, name: str) -> Playbook:
    from worker.playbooks.problems import nearest  # noqa: PLC0415 - as above

    known = {one.id: one for one in catalogue.playbooks}
    if name in known:
        return known[name]
    refused = next((str(one) for one in catalogue.problems if one.playbook == name), "")
    why = (
        f"was refused: {refused}"
        if refused
        else f"no such playbook{nearest(name, known)}; see `worker check`"
    )
    raise UsageError(f"{name}: {why}")


@contextmanager
def _ledger(settings: Settings) -> Iterator[Database | None]:
    """The database, where there is one: a file can be explained without."""
    if not sqlite_path(settings.database_url).exists():
        yield None
        return
    with database() as db:
        yield db


def _explained(
    playbook: Playbook, shown: Shown, catalogue: Catalogue, settings: Settings, db: Database | None
) -> Explanation:
    from worker.deciding.explaining import explain as explain_event  # noqa: PLC0415 - as above

    ceilings = settings.ceilings if db is None else db.ceilings()
    told = explain_event(playbook, shown, catalogue, ceilings.mode, settings.ceilings.protected)
    if db is None or not told.candidates:
        return told
    rulings, _ = db.run(prospects.foreseen, told.candidates, ceilings, time.time())
    return told._replace(rulings=rulings)
