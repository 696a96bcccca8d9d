"""`worker pause` and `worker resume`: the brake. Needs no network and survives a restart.

Beside them work SIGUSR1 and a file PAUSE beside the database (`worker.upkeep.brake`).
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from worker.cli.common import database, person
from worker.cli.printing import Json, print_json, say
from worker.clock import iso
from worker.store import flags
from worker.store.engine import sqlite_path
from worker.upkeep.brake import Brake


def pause(
    reason: Annotated[str, typer.Option(help="Why, for whoever looks next.")] = "", json_: Json = False
) -> None:
    """Stops new mutating requests within five seconds; polling goes on, nothing is lost.

    So does SIGUSR1 to the daemon, and a file named PAUSE beside the database, whose text is the reason.
    """
    with database(create=True) as db:
        db.run(flags.pause, reason, person(), time.time())
        noted, runs = db.run(flags.paused), db.daemon() is not None
        path = sqlite_path(db.settings.database_url)
    if json_:
        told = noted and {**noted._asdict(), "since": iso(noted.since)}
        print_json({"paused": told, "database": str(path.absolute()), "worker_runs": runs})
        return
    say("paused: nothing new is sent until `worker resume`")
    if not runs:
        say(
            f"no worker runs on {path.absolute()} now: look whether WORKER_DATABASE_URL names the one that it uses"
        )


def resume(json_: Json = False) -> None:
    """Lifts a pause by `worker pause` or SIGUSR1; exit code 1 where the file PAUSE still holds the brake."""
    with database(create=True) as db:
        lifted = db.run(flags.resume, person(), time.time())
        brake = Brake.beside(sqlite_path(db.settings.database_url))
    left = brake.by_file() is not None
    if json_:
        print_json({"resumed": bool(lifted), "paused_by_file": str(brake.file) if left else None})
    elif left:
        say(f"still paused by the file {brake.file}: remove it to resume")
    else:
        say("resumed" if lifted else "was not paused")
    raise typer.Exit(1 if left else 0)
