"""`worker pause` and `worker resume`: the brake. Needs no network and survives a restart."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from worker.cli.common import database, person, say
from worker.store import flags


def pause(reason: Annotated[str, typer.Option(help="Why, for whoever looks next.")] = "") -> None:
    """Stops new mutating requests within five seconds; polling goes on, nothing is lost."""
    with database(create=True) as db:
        db.run(flags.pause, reason or "no reason given", person(), time.time())
    say("paused: nothing new is sent until `worker resume`")


def resume() -> None:
    """Lifts the pause."""
    with database(create=True) as db:
        lifted = db.run(flags.resume, person(), time.time())
    say("resumed" if lifted else "was not paused")
