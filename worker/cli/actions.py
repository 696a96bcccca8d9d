"""`worker actions`: the ledger of actions, and what a person decides about them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from worker.cli.common import Database, database, person
from worker.cli.printing import Json, glance, print_json, print_json_array, print_table, say
from worker.clock import iso
from worker.errors import UsageError
from worker.model.actions import PARTLY, State
from worker.model.kinds import irreversible, target_in
from worker.model.undoing import MADE_AGAIN, TAKEN_BACK
from worker.store.people import reviews, undoable
from worker.store.tools import Connection
from worker.store.views import queries

app = typer.Typer(help="The action ledger: list, show, approve, reject, retry.", no_args_is_help=True)

SomeIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of actions.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of actions.")]
SHOWN = tuple(str(state) for state in State if state is not State.OPEN)
ASKING = (State.HELD, State.UNKNOWN)
"""States in which a person has to decide, and therefore sees the message too."""
COLUMNS = (
    "id",
    "state",
    "kind",
    "target",
    "undo",
    "playbook",
    "mode",
    "attempts",
    "message_id",
    "updated_at",
)
EVIDENCE = ("from", "subject", "final_disposition", "client_recipients", "delivery_status")


@app.command("list", short_help="Actions, newest first.")
def list_(
    state: Annotated[str | None, typer.Option(help="Only this state: " + ", ".join(SHOWN) + ".")] = None,
    playbook: Annotated[str | None, typer.Option(help="Only actions that this playbook wanted.")] = None,
    message: Annotated[
        str | None, typer.Option(help="Only actions on this message (investigate id).")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Only actions of this plan.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="At most this many, the newest.")
    ] = None,
    json_: Json = False,
) -> None:
    """Lists actions, newest first: what, for which message, by which playbook, and why it stands where it stands.

    With --state held or unknown also the message as it was seen.
    """
    if state is not None and state not in SHOWN:
        raise UsageError(f"--state: {state!r} is no state; choose one of {', '.join(SHOWN)}")
    with database() as db, db.stream() as conn:
        asks = state in ASKING
        rows = queries.actions(
            conn,
            db.account_id,
            state=state,
            playbook=playbook,
            message_id=message,
            plan_id=plan,
            limit=limit,
            evidence=asks,
        )
        if json_:
            print_json_array(rows)
            return
        columns = (*COLUMNS, *EVIDENCE) if asks else COLUMNS
        known = undoable.in_short(conn, db.account_id)
        shown = print_table(
            [*(name.upper() for name in columns), "WHY"],
            ([*(_cell(row, name, known) for name in columns), row["error"] or row["reason"]] for row in rows),
        )
    if message and not shown and not (state or playbook or plan):
        say(f"no action on it; `worker audit show --message {message}` shows what is parked", sys.stderr)


@app.command("show", short_help="Everything about one action.")
def show(action_id: Annotated[str, typer.Argument(metavar="ID")], json_: Json = False) -> None:
    """Everything about one action: what, why, on which evidence, and every step since."""
    with database() as db:
        data = db.run(queries.action_detail, action_id)
    if data is None:
        raise UsageError(f"{action_id}: no such action; see `worker actions list`")
    if json_:
        print_json(data)
        return
    for name in (
        "id",
        "state",
        "error",
        "kind",
        "params",
        "reason",
        "message_id",
        "mode",
        "plan_id",
        "call_id",
        "attempts",
        "created_at",
        "updated_at",
        "submitted_at",
        "approved_at",
        "approved_by",
        "held_until",
    ):
        say(f"{name:<12} {_plain(data[name])}")
    say(f"undo         {_undo(data)}")
    if approval := data["approval"]:
        over = (
            f", over since {approval['ended_at']}: {approval['ended_because']}"
            if approval["ended_at"]
            else ""
        )
        say(
            f"approval     {approval['id']} of {approval['actions']} actions, until {approval['expires_at']}{over}; "
            f"sha256 {approval['sha256']}"
        )
    for vote in data["playbooks"]:
        say(f"playbook     {vote['playbook']} version {vote['playbook_version']}, mode {vote['mode']}")
    say("history")
    for step in data["history"]:
        say(f"  {step['at']}  #{step['seq']} {step['kind']}  {json.dumps(step['body'])}")
    say("evidence")
    for name, value in (data["evidence"] or {}).items():
        say(f"  {name:<26} {_plain(value)}")
    _say_fetched(data["enrichment"] or {})


@app.command("approve", short_help="Lets held actions go out.")
def approve(
    ids: SomeIds = None,
    plan: Annotated[str | None, typer.Option(help="Every held action of this plan.")] = None,
    benign: Annotated[
        bool, typer.Option("--benign", help="With --plan: also siblings that the filter has nothing against.")
    ] = False,
    json_: Json = False,
) -> None:
    """Lets held actions go out: lifts caps for exactly these, never a pause or WORKER_MODE.

    The approval is bound to these actions as they are now: if one of them is altered, nothing more is sent under it.
    It ends after WORKER_APPROVAL_TIMEOUT.
    """
    if bool(ids) == bool(plan):
        raise UsageError(
            "approve: name actions, or one plan with --plan; see `worker actions list --state held`"
        )
    if benign and not plan:
        raise UsageError("--benign: belongs to --plan; name single actions without it")
    _review(json_, lambda db: db.run(_approve, ids, plan, db.ceilings().hold_seconds, benign=benign))


def _approve(
    conn: Connection,
    account_id: str,
    ids: list[str] | None,
    plan: str | None,
    seconds: float,
    *,
    benign: bool,
) -> reviews.Review:
    if plan:
        ids = reviews.held_of_plan(conn, account_id, plan, benign=benign)
        named = {} if benign else reviews.named_of_plan(conn, account_id, plan)
        if named:
            say(f"left out: {len(named)} of {plan}, {next(iter(named.values()))}; add --benign", sys.stderr)
        if not ids:
            other = "other " if named else ""
            raise UsageError(
                f"--plan: no {other}action of {plan} is held; see `worker actions list --plan {plan}`"
            )
    return reviews.approve(conn, account_id, ids or [], person(), time.time(), seconds)


@app.command("reject", short_help="Drops or settles actions for good.")
def reject(ids: Ids, json_: Json = False) -> None:
    """Drops held or ready actions, settles unknown ones; the same wish for the message does not come back."""
    _review(json_, lambda db: db.run(reviews.reject, ids, person(), time.time()))


@app.command("retry", short_help="Tries failed, dead or checked ones again.")
def retry(
    ids: Ids,
    i_checked: Annotated[
        bool, typer.Option("--i-checked", help="You looked: the unknown action had no effect.")
    ] = False,
    json_: Json = False,
) -> None:
    """Tries failed and dead actions again; unknown ones only with --i-checked."""

    def retry(db: Database) -> reviews.Review:
        seconds = db.ceilings().hold_seconds
        return db.run(reviews.retry, ids, person(), time.time(), checked=i_checked, seconds=seconds)

    _review(json_, retry)


def _review(json_: bool, decide: Callable[[Database], reviews.Review]) -> None:
    with database() as db:
        review = decide(db)
    approval = review.approval
    if json_:
        print_json([{"id": one.action_id, "ok": one.ok, "message": one.message} for one in review.verdicts])
    else:
        for one in review.verdicts:
            say(f"{one.action_id}: {one.message}")
        if approval is not None:
            say(f"approval {approval.id} until {iso(approval.expires_at)}, sha256 {approval.digest}")
    raise typer.Exit(0 if all(one.ok for one in review.verdicts) else 1)


def _undo(data: dict[str, Any]) -> str:
    """Whether and how it can be undone, or has been."""
    undoes = f"this undoes {data['undoes']}; " if data["undoes"] else ""
    undo = data["undo"]
    if not undo["possible"]:
        return f"{undoes}impossible: {undo['why']}"
    if undo["to"] in (TAKEN_BACK, MADE_AGAIN):
        return f"{undoes}with `worker undo {data['id']}` the entry is {undo['to']} ({undo['why']})"
    return f"{undoes}`worker undo {data['id']}` moves it back to {undo['to']} ({undo['why']})"


def _plain(value: Any) -> str:
    """A value as a line shows it: text as it is, `-` for none, anything else as JSON."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)


def _say_fetched(enrichment: dict[str, Any]) -> None:
    if enrichment:
        say("enrichment")
    for name, value in enrichment.items():
        say(f"  {name:<26} {glance(_plain(value))}")


def _undo_in_short(row: dict[str, Any], target: str, known: Mapping[str, str]) -> str:
    """What `worker undo` would say of it, as far as its row tells; "-" where nothing was done that could be undone."""
    if row["id"] in known:
        return known[row["id"]]
    if irreversible(row["kind"], target):
        return "impossible"
    if row["state"] in undoable.IN_DOUBT:
        return "not yet"
    done = row["state"] == State.SUCCEEDED or (row["error"] or "").startswith(PARTLY)
    return "possible" if done else "-"


def _cell(row: dict[str, Any], name: str, known: Mapping[str, str]) -> Any:
    target = target_in(row["kind"], row["params"])
    if name == "target":
        return target or "-"
    if name == "undo":
        return _undo_in_short(row, target, known)
    if name not in EVIDENCE:
        return row[name]
    seen = row["evidence"] or {}
    # A report's evidence holds the message that it is about.
    value = (seen.get("message") or seen).get(name)
    return ",".join(value) if isinstance(value, list) else value or "-"
