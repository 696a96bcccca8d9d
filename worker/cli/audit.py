"""`worker audit`: the tamper-evident log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from worker.cli.common import database
from worker.cli.printing import Json, print_json_array, print_table
from worker.cli.proving import checkpoint, verify
from worker.cli.replay import replay
from worker.store.tools import Connection
from worker.store.trail import audit
from worker.store.views import queries

app = typer.Typer(help="The tamper-evident log: show, verify, export, checkpoint.", no_args_is_help=True)


@app.command("show")
def show(
    action: Annotated[
        str | None, typer.Option(help="Only records about this action, calls that it shared included.")
    ] = None,
    message: Annotated[
        str | None, typer.Option(help="Only records about this message (investigate id).")
    ] = None,
    plan: Annotated[str | None, typer.Option(help="Only records of this plan.")] = None,
    call: Annotated[str | None, typer.Option(help="Only records of this call.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="At most this many, the newest.")
    ] = None,
    json_: Json = False,
) -> None:
    """Prints records in their order."""
    with database() as db, db.stream() as conn:
        about = [audit.concerning([action])] if action else []
        if message:
            about.append(queries.about_message(conn, db.account_id, message))
        rows = audit.records(conn, db.account_id, *about, last=limit, plan_id=plan, call_id=call)
        if json_:
            print_json_array(_readable(row) for row in rows)
            return
        columns = ("seq", "at", "kind", "action_id", "call_id", "message_id", "body")
        print_table([name.upper() for name in columns], ([row[name] for name in columns] for row in rows))


app.command("verify", short_help="Checks the chain; names the first bad record.")(verify)
app.command("checkpoint", short_help="Signs how far the log has come.")(checkpoint)
app.command("replay", short_help="Decides stored evidence again and compares.")(replay)


class Format(StrEnum):
    """What a line of an export is."""

    JSONL = "jsonl"
    OCSF = "ocsf"


@app.command("export", short_help="Every record, one JSON object a line; or OCSF events.")
def export(
    form: Annotated[
        Format, typer.Option("--format", help="jsonl: every record as it is. ocsf: attempts, for a SIEM.")
    ] = Format.JSONL,
    _json: Json = False,
) -> None:
    """Writes one JSON object a line, with or without --json.

    jsonl: every record, with the hashes that chain them. ocsf: OCSF 1.6.0 events of the class Remediation Activity, one
    for each action in each answer, loss or read-back; what was only decided, held or shadowed is no attempt: see jsonl.
    """
    with database() as db, db.stream() as conn:
        lines = _events(conn, db.account_id) if form is Format.OCSF else _rows(conn, db.account_id)
        for line in lines:
            sys.stdout.write(json.dumps(line) + "\n")


def _rows(conn: Connection, account_id: str) -> Iterator[dict[str, Any]]:
    return map(_readable, audit.records(conn, account_id))


def _events(conn: Connection, account_id: str) -> Iterator[dict[str, Any]]:
    from worker.audit.ocsf import event  # noqa: PLC0415
    from worker.bootstrap import program_version  # noqa: PLC0415
    from worker.store.trail.attempts import told  # noqa: PLC0415
    from worker.store.trail.verification import require_whole  # noqa: PLC0415

    require_whole(conn, account_id)
    version = program_version()
    return (event(attempt, account_id, version) for attempt in told(conn, account_id))


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """The record with its body as JSON rather than as text, unless somebody has made it something else."""
    try:
        return {**row, "body": json.loads(row["body"])}
    except ValueError:
        return row
