"""`worker campaigns`: sweeps, what they found, and what has become of it."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from worker.cli.common import database, person
from worker.cli.printing import Json, print_json, print_table, say
from worker.errors import UsageError
from worker.store.sweeps import campaign_queries, campaigns

app = typer.Typer(help="Sweeps for siblings: list, show, stop.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The id of a campaign, which is its sweep's.")]
COLUMNS = (
    "id",
    "state",
    "mode",
    "playbook",
    "destination",
    "found",
    "out_of_reach",
    "benign",
    "late",
    "actions",
    "until",
    "plan_id",
)
MEMBER_COLUMNS = (
    "message_id",
    "state",
    "late",
    "final_disposition",
    "from",
    "subject",
    "recipients",
    "scanned_at",
    "action_id",
    "why",
)


@app.command("list", short_help="Campaigns, newest first.")
def list_(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    json_: Json = False,
) -> None:
    """One row for each campaign: what siblings have in common, how many there are, what has become of them."""
    with database() as db:
        rows = db.run(campaign_queries.listing, only_open=only_open)
    if json_:
        print_json(rows)
        return
    print_table(
        [*(name.upper() for name in COLUMNS), "BY"],
        ([*(_cell(row[name]) for name in COLUMNS), _by(row)] for row in rows),
    )


@app.command("show", short_help="One campaign and every sibling.")
def show(campaign_id: Id, json_: Json = False) -> None:
    """One campaign: what siblings have in common, the frozen list, and what has become of each of them."""
    with database() as db:
        data = db.run(campaign_queries.detail, campaign_id)
    if data is None:
        raise UsageError(f"{campaign_id}: no such campaign; see `worker campaigns list`")
    if json_:
        print_json(data)
        return
    members = data.pop("members")
    for name, value in data.items():
        say(f"{name:<14} {_by(data) if name == 'by' else _cell(value)}")
    held = [one for one in members if one["state"] == "held"]
    if listed := sum(not one["late"] for one in held):
        say(f"{listed} wait for a person: `worker actions approve --plan {data['plan_id']}`, or reject them")
    if late := [one["action_id"] for one in held if one["late"]]:
        # Each belongs to the plan of the poll that it came with.
        say(f"late, and waiting for a person: `worker actions approve {' '.join(late)}`, or reject them")
    print_table(
        [name.upper() for name in MEMBER_COLUMNS],
        ([_cell(one[name]) for name in MEMBER_COLUMNS] for one in members),
    )


@app.command("stop", short_help="Catches no more late siblings.")
def stop(
    campaign_id: Id,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json_: Json = False,
) -> None:
    """Ends a campaign before its time: no late sibling is caught any more. What was planned stays as it is."""
    why = f"stopped by {person()}" + (f": {reason}" if reason else "")
    with database() as db:
        stopped = db.run(campaigns.stop, [campaign_id], why, time.time())
    if not stopped:
        raise UsageError(f"{campaign_id}: no such open campaign; see `worker campaigns list --open`")
    if json_:
        print_json({"id": campaign_id, "ended_because": why})
        return
    say(f"{campaign_id}: {why}; `worker undo {campaign_id}` takes back what was moved")


def _by(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in (row["by"] or {}).items())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ",".join(f"{name}:{count}" for name, count in sorted(value.items())) or "-"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
