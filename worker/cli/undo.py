"""`worker undo`: plans the inverse of moves. Needs neither network nor token: the worker that runs carries it out."""

from __future__ import annotations

import time
from collections import Counter
from typing import Annotated, Any

import typer

from worker.cli.common import Database, database, person
from worker.cli.moments import moment
from worker.cli.printing import Json, print_json, say
from worker.errors import UsageError
from worker.model.actions import State
from worker.model.undoing import MADE_AGAIN, REVERSIBLE, TAKEN_BACK
from worker.store import flags
from worker.store.engine import sqlite_path
from worker.store.people.undo import Inverse, Order, Undone, Wanted
from worker.store.people.undo import undo as plan_undo
from worker.store.views import queries
from worker.upkeep.brake import Brake

UNDER_WAY = (State.HELD, State.READY, State.SUBMITTED, State.UNKNOWN)


def undo(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of actions.")] = None,
    plan: Annotated[str | None, typer.Option(help="What this plan did.")] = None,
    playbook: Annotated[str | None, typer.Option(help="What this playbook did since --since.")] = None,
    since: Annotated[
        str | None, typer.Option(help="With --playbook: 30m, 2h, 7d or a time with its zone.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="With --playbook: up to then; default now.")] = None,
    to: Annotated[str | None, typer.Option(help="Into this folder: " + ", ".join(REVERSIBLE) + ".")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Says what would be planned, and plans nothing.")
    ] = False,
    json_: Json = False,
) -> None:
    """Plans to move messages back to where they were, and to take back what was made in the settings.

    The undo is a plan of its own: caps, approval, WORKER_MODE, pause and the look before acting hold for it too.
    Says what cannot be undone: purges, releases, reclassifications. Exit code 1 where something
    named was not, or will not be, undone.
    """
    wanted = _wanted(ids, plan, playbook, since, until)
    if to is not None and to not in REVERSIBLE:
        raise UsageError(f"--to: {to!r} is no folder to move back to; choose one of {', '.join(REVERSIBLE)}")
    with database() as db:
        ceilings = db.ceilings()
        order = Order(person(), to, ceilings, db.settings.worker_move_batch)
        if plan and not db.run(queries.has_plan, plan):
            raise UsageError(
                f"--plan: there is no plan {plan}; `worker actions list --json` shows each action's plan_id"
            )
        if playbook and not db.run(queries.has_wanted, playbook):
            raise UsageError(
                f"--playbook: no playbook {playbook} ever wanted anything; `worker actions list` shows those that did"
            )
        undone = db.run(plan_undo, wanted, order, time.time(), dry=dry_run)
        hints = _hints(db, undone, wanted, dry=dry_run)
    if json_:
        print_json({"dry_run": dry_run, **_as_json(undone, dry=dry_run), "hints": hints})
    else:
        for line in (*_lines(undone, dry=dry_run), *hints):
            say(line)
    raise typer.Exit(0 if _complete(undone) else 1)


def _wanted(
    ids: list[str] | None, plan: str | None, playbook: str | None, since: str | None, until: str | None
) -> Wanted:
    if [bool(ids), bool(plan), bool(playbook)].count(True) != 1:
        raise UsageError(
            "undo: name actions, or one plan with --plan, or a playbook with --playbook and --since"
        )
    if bool(playbook) != bool(since) or (until and not playbook):
        raise UsageError(
            "--since: goes with --playbook, and --until with both; for example --playbook NAME --since 2h"
        )
    now = time.time()
    begins = moment("--since", since, now) if since else 0.0
    ends = moment("--until", until, now) if until else None
    if ends is not None and ends <= begins:
        raise UsageError("--until: is not after --since, so nothing lies between them; exchange the two")
    return Wanted(tuple(dict.fromkeys(ids or ())), plan or "", playbook or "", begins, ends)


def _complete(undone: Undone) -> bool:
    """Whether everything that was named is undone or on its way."""
    on_the_way = (*UNDER_WAY, State.SUCCEEDED)
    states = [one.state for one in undone.planned] + [state for _, _, state in undone.already]
    return not undone.refused and all(state in on_the_way for state in states)


def _as_json(undone: Undone, *, dry: bool) -> dict[str, Any]:
    """What is only shown has no id yet."""
    return {
        "plan_id": None if dry else undone.plan_id,
        "planned": [
            {
                "id": None if dry else one.id,
                "undoes": one.undoes,
                "message_id": one.message_id,
                "from": one.came_from,
                "to": one.back.folder,
                "known": one.back.known,
                "why": one.back.why,
                "state": one.state,
                "error": one.why,
            }
            for one in undone.planned
        ],
        "already": [{"id": one, "undone_by": by, "state": state} for one, by, state in undone.already],
        "refused": [{"id": one, "why": why} for one, why in undone.refused],
        "unsent": undone.unsent,
        "stopped": list(undone.stopped),
    }


def _lines(undone: Undone, *, dry: bool) -> list[str]:
    lines = [
        f"{one.undoes}: {_way(one)} ({one.back.why}): {one.state if dry else f'{one.id}, {one.state}'}"
        + (f": {one.why}" if one.why else "")
        for one in undone.planned
    ]
    lines += [f"{one}: its undo {by} is {state}" for one, by, state in undone.already]
    lines += [f"{one}: {why}" for one, why in undone.refused]
    lines += [f"{one}: the campaign is over, no more siblings are looked for" for one in undone.stopped]
    states = Counter(one.state for one in undone.planned)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "nothing"
    return [
        *lines,
        f"planned {told}; {len(undone.already)} undone before, {len(undone.refused)} not undone",
    ]


def _way(one: Inverse) -> str:
    if one.back.folder in (TAKEN_BACK, MADE_AGAIN):
        return f"the entry for {one.came_from} is {one.back.folder}"
    return f"from {one.came_from} back to {one.back.folder}"


def _hints(db: Database, undone: Undone, wanted: Wanted, *, dry: bool) -> list[str]:
    """What the person has to know or do for it to happen."""
    states = {one.state for one in undone.planned}
    hints = []
    if undone.unsent:
        hints.append(
            f"{undone.unsent} more of these actions are not sent yet: "
            f"`worker {_listing(wanted)}`, then `worker actions reject ID...`"
        )
    if dry:
        return [*hints, "nothing was planned: --dry-run"]
    if State.SHADOWED in states:
        hints.append(
            "WORKER_MODE is shadow, under which nothing is sent: restart the worker with approve or enforce, "
            "then give this command again"
        )
    if State.HELD in states:
        hints.append(f"what is held waits for `worker actions approve --plan {undone.plan_id}`")
    if states & {State.HELD, State.READY}:
        if db.daemon() is None:
            hints.append("no worker runs on this database: `worker run` carries it out")
        if _paused(db):
            hints.append("paused: nothing is sent before the pause ends, see `worker status`")
    return hints


def _listing(wanted: Wanted) -> str:
    """What lists the actions that were meant; of those named by their ids only a campaign's are not named themselves."""
    if wanted.ids:
        return f"campaigns show {wanted.ids[0] if len(wanted.ids) == 1 else 'ID'}"
    return (
        f"actions list --plan {wanted.plan_id}"
        if wanted.plan_id
        else f"actions list --playbook {wanted.playbook}"
    )


def _paused(db: Database) -> bool:
    by_file = Brake.beside(sqlite_path(db.settings.database_url)).by_file()
    return by_file is not None or db.run(flags.paused) is not None
