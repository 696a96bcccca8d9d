"""`worker promote` and `worker demote`: how far a playbook may go, recorded with who and why."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import typer

from worker.cli.common import Database, database, person
from worker.cli.printing import Json, print_json, say
from worker.clock import iso
from worker.errors import UsageError, WorkerError
from worker.model.actions import Mode, lower_mode
from worker.model.levels import Level, is_outdated, level_of, next_up
from worker.ports import Kept
from worker.store import flags
from worker.store.people import levels
from worker.store.people.trials import trial
from worker.store.tools import Connection

_Name = Annotated[str, typer.Argument(metavar="PLAYBOOK", help="Its id, as `worker status` lists it.")]
_NO_REASON = "no reason given"


class Known(NamedTuple):
    """A playbook as it is loaded: its version and its decorator's mode; no version where it cannot be loaded."""

    version: str
    declared: Mode


def promote(
    playbook: _Name,
    reason: Annotated[str, typer.Option(help="Why, for the audit log and whoever looks next.")],
    to: Annotated[str, typer.Option(help="approve or enforce; the next rung where it is left out.")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also with fewer matches than WORKER_PROMOTE_MATCHES.")
    ] = False,
    json_: Json = False,
) -> None:
    """Lets a playbook go further, from the next poll on: from shadow to approve, from approve to enforce.

    Shows what it has wanted so far. To enforce it needs WORKER_PROMOTE_MATCHES messages that this very version wanted to
    act on in shadow or with approval (exit code 1 where there are fewer), or --force. WORKER_MODE stays the ceiling, caps
    hold. Another version of the playbook waits for approval again, until that is promoted too.
    """
    if not reason.strip():
        raise UsageError("--reason: is empty; say why, for whoever asks in a year")
    with database() as db:
        known = _known(db, playbook)
        if not known.version:
            raise UsageError(
                f"{playbook}: is not loaded, so nobody knows what it would do; see `worker check`"
            )
        was = _level(db, playbook, known)
        wanted = _mode(to, (Mode.APPROVE, Mode.ENFORCE)) if to else next_up(was)
        _refuse_descent(playbook, was, wanted)
        shown = db.run(trial, playbook, known.version)
        needed = db.settings.worker_promote_matches
        few = wanted is Mode.ENFORCE and was is not Mode.ENFORCE and shown["matches"] < needed
        done = not few or force
        level = Level(playbook, wanted, known.version, person(), reason, time.time())
        if done:
            db.run(levels.promote, level, was, shown["matches"], forced=few)
        ceiling = db.ceilings().mode
    if json_:
        print_json(
            _as_json(level, was, ceiling, done=done)
            | {"needed": needed, "forced": few and force, "trial": shown}
        )
    else:
        _tell_trial(playbook, shown)
        if done:
            _tell(level, was, ceiling)
            if held := shown["states"].get("held") if wanted is Mode.ENFORCE else 0:
                say(f"{held} held before wait for a person all the same: worker actions list --state held")
    if not done:
        what = f"{playbook}: {shown['matches']} of the {needed} matches that WORKER_PROMOTE_MATCHES asks for"
        say(f"worker: {what}; let it run on in {was}, or say --force", to=sys.stderr)
        raise typer.Exit(1)


def demote(
    playbook: _Name,
    to: Annotated[str, typer.Option(help="shadow or approve.")] = "shadow",
    reason: Annotated[str, typer.Option(help="Why, for the audit log and whoever looks next.")] = _NO_REASON,
    json_: Json = False,
) -> None:
    """Takes what it may do from a playbook, at once: nothing of it goes out any more that has not been claimed yet.

    To shadow, what it has not sent becomes `shadowed`, also what somebody approved; to approve, it is `held`. What
    another playbook may do goes on under that one's name. Works with and without a daemon, also where the file is broken,
    and is taken back by `worker promote`: the last day's mail is then decided again.
    """
    wanted = _mode(to, (Mode.SHADOW, Mode.APPROVE))
    with database() as db:
        known = _known(db, playbook)
        was = _level(db, playbook, known)
        if lower_mode(was, wanted) is not wanted:
            raise UsageError(
                f"{playbook}: is at {was}, which is lower than {wanted}; `worker promote` lets it go further"
            )
        level = Level(playbook, wanted, known.version, person(), reason, time.time())
        ceilings = db.ceilings()
        taken = db.run(levels.demote, level, was, ceilings.hold_seconds)
    states = Counter(str(row["state"]) for row in taken)
    if json_:
        print_json(_as_json(level, was, ceilings.mode, done=True) | {"actions": dict(states)})
        return
    _tell(level, was, ceilings.mode)
    for state, count in sorted(states.items()):
        say(f"{count} unsent actions are {state} now")


def standings(conn: Connection, account_id: str, ceiling: Mode) -> list[dict[str, Any]]:
    """Each playbook's level: what it is, what WORKER_MODE leaves of it, who set it, when and why."""
    told = flags.get(conn, account_id, Kept.PLAYBOOKS) or {}
    recorded = levels.recorded(conn, account_id)
    return [
        _standing(name, _told(told, name), recorded.get(name), ceiling)
        for name in sorted(told.keys() | recorded.keys())
    ]


def _standing(name: str, known: Known | None, record: Level | None, ceiling: Mode) -> dict[str, Any]:
    if known is None:
        level = record.level if record else Mode.SHADOW
    else:
        level = level_of(name, known.version, known.declared, {name: record} if record else {})
    outdated = known is not None and record is not None and is_outdated(known.version, known.declared, record)
    why = record.reason if record else None
    return {
        "playbook": name,
        "loaded": known is not None,
        "level": level,
        "effective": lower_mode(level, ceiling),
        "declared": known.declared if known else None,
        "version": known.version if known else None,
        "by": record.by if record else None,
        "at": iso(record.at) if record else None,
        "why": f"{why} (enforce was for version {record.version})" if outdated and record else why,
        "recorded": None if record is None else {"level": record.level, "version": record.version},
    }


def _level(db: Database, playbook: str, known: Known) -> Mode:
    return level_of(playbook, known.version, known.declared, db.run(levels.recorded))


def _known(db: Database, playbook: str) -> Known:
    """The playbook as the daemon has it, or as it stands in the rules folder where none runs. UsageError: no such one."""
    told: Mapping[str, Any] = db.run(flags.get, Kept.PLAYBOOKS) or {}
    if db.daemon() is None:
        told = {**told, **_in_folder(db)}
    found = _told(told, playbook)
    if found is not None:
        return found
    if playbook in db.run(levels.named):
        # Its file cannot be read now, or is gone; what it has planned is still there.
        return Known("", Mode.ENFORCE)
    from worker.playbooks.problems import nearest  # noqa: PLC0415

    raise UsageError(
        f"{playbook}: no such playbook{nearest(playbook, told)}; `worker status` lists those that there are"
    )


def _in_folder(db: Database) -> dict[str, Any]:
    from worker.deciding.containment import check_apart  # noqa: PLC0415

    try:
        report = check_apart(db.settings.worker_rules_dir)
    except WorkerError:
        return {}
    return {one["id"]: one for one in report["playbooks"]}


def _told(told: Mapping[str, Any], name: str) -> Known | None:
    return Known(told[name]["version"], Mode(told[name]["mode"])) if name in told else None


def _mode(text: str, choices: tuple[Mode, ...]) -> Mode:
    if text not in choices:
        raise UsageError(f"--to: {text!r} is none of {' and '.join(choices)}")
    return Mode(text)


def _refuse_descent(playbook: str, was: Mode, wanted: Mode) -> None:
    if lower_mode(was, wanted) is wanted and was is not wanted:
        raise UsageError(f"{playbook}: is at {was} already; `worker demote` takes something from it")


def _as_json(level: Level, was: Mode, ceiling: Mode, *, done: bool) -> dict[str, Any]:
    return {
        "playbook": level.playbook,
        "done": done,
        "was": was,
        "level": level.level if done else was,
        "effective": lower_mode(level.level if done else was, ceiling),
        "version": level.version,
        "by": level.by,
        "reason": level.reason,
    }


def _tell(level: Level, was: Mode, ceiling: Mode) -> None:
    say(f"{level.playbook}: {was} -> {level.level}, by {level.by}: {level.reason}")
    if lower_mode(level.level, ceiling) is not level.level:
        say(f"WORKER_MODE is {ceiling}: that is how far it goes for now")


def _tell_trial(playbook: str, shown: Mapping[str, Any]) -> None:
    since = f", {shown['first']} to {shown['last']}" if shown["first"] else ""
    version = f" in version {shown['version']}" if shown["version"] else ""
    say(f"{playbook}{version} has wanted to act on {shown['matches']} messages without being free to{since}")
    for one in shown["wanted"]:
        say(f"  {' to '.join(filter(None, (one['kind'], one['target'])))}: {one['messages']}")
    if shown["states"]:
        say("  they are " + ", ".join(f"{state}: {count}" for state, count in shown["states"].items()))
        say(
            f"  most in one poll: {shown['largest_poll']}; look at them: worker actions list --playbook {playbook}"
        )
    if shown["matches_of_other_versions"]:
        say(f"  other versions: {shown['matches_of_other_versions']}, which do not count")
