"""`worker status`: where the worker stands."""

from __future__ import annotations

import time
from typing import Any

from worker.cli.common import Database, database
from worker.cli.ladder import standings
from worker.cli.printing import Json, print_json, print_table, say
from worker.clock import iso, utc
from worker.model.actions import Mode
from worker.model.caps import DAY
from worker.playbooks.loader import lists_of
from worker.playbooks.reviewing import due
from worker.ports import Kept
from worker.store import budget, flags
from worker.store.engine import sqlite_path
from worker.store.file.lock import holder
from worker.store.plans import caps
from worker.store.tools import Connection
from worker.store.views import queries
from worker.upkeep.brake import Brake


def status(json_: Json = False) -> None:
    """Sources and their lag, request budget, actions by state, mode, paused or not."""
    with database() as db:
        data = _collect(db)
    if json_:
        print_json(data)
        return
    say(f"account   {data['account_id']}")
    say(f"daemon    {'process ' + str(data['daemon_pid']) if data['daemon_pid'] else 'not running'}")
    say(f"mode      {data['mode']}")
    for one in data["pauses"]:
        say(f"paused    yes, by {one['how']}: {one['reason']} (since {one['since']}, by {one['by']})")
    if not data["pauses"]:
        say("paused    no")
    say(f"budget    {data['budget']['used']} of {data['budget']['limit']} requests in 300 s")
    say(f"cap       {data['actions_last_hour']} of {data['cap_per_hour']} actions in the last hour")
    if data["cap_per_day"] is not None:
        say(f"          {data['actions_last_day']} of {data['cap_per_day']} actions in the last 24 hours")
    if data["blocked_until"]:
        say(f"blocked   by the vendor until {data['blocked_until']}")
    for one in data["breakers"]:
        say(
            f"breaker   {one['kind']} is open since {one['since']}, next try {one['next_try']}: {one['error']}"
        )
    say("")
    print_table(
        ("SOURCE", "WATERMARK", "LAG_SECONDS", "SWEPT_AT"),
        [(one["source"], one["watermark"], one["lag_seconds"], one["swept_at"]) for one in data["sources"]],
    )
    _say_failing(data["sources"])
    say("")
    print_table(("STATE", "ACTIONS"), data["actions"].items())
    say("")
    print_table(
        ("PLAYBOOK", "LEVEL", "EFFECTIVE", "SET_BY", "SINCE", "WHY"),
        [
            (one["playbook"], one["level"], one["effective"], one["by"] or "its file", one["at"], one["why"])
            for one in data["playbooks"]
        ],
    )
    for one in data["quarantined_playbooks"]:
        say(
            f"quarantine {one['playbook']} is not asked since {one['since']}, next try {one['next_try']}: {one['error']}"
        )
    for one in data["parked"]:
        say(f"parked    {one['events']} events for {one['playbook']}: {one['error']}")
    _say_due(data["lists_due"])
    _say_overdue(data["allowances"]["overdue"])
    if data["quarantined"]:
        say(f"quarantined rows: {data['quarantined']}")


def _say_failing(sources: list[dict[str, Any]]) -> None:
    for one in sources:
        if one["error"]:
            say(f"failing   {one['source']} cannot be read since {one['failing_since']}: {one['error']}")


def _say_due(lists: list[dict[str, Any]]) -> None:
    for one in lists:
        say(f"review    {one['path']}: {one['message']}")


def _say_overdue(entries: list[dict[str, Any]]) -> None:
    """What still lets mail past that should not any more, one line each."""
    for one in entries:
        if one["entry_id"] is None:
            say(
                f"overdue   {one['kind']} {one['target']} was to end {one['expires_at']}, and whether it has begun is "
                f"not known: see `worker actions show {one['action_id']}`"
            )
            continue
        removal = (
            f"removal {one['removal_id']} is {one['removal_state']}"
            if one["removal_id"]
            else "no removal yet"
        )
        why = f": {one['error']}" if one["error"] else ""
        say(
            f"overdue   {one['kind']} {one['target']} was to end {one['expires_at']}: entry {one['entry_id']} "
            f"of {one['collection']} still stands, {removal}{why}"
        )


def _collect(db: Database) -> dict[str, Any]:
    path = sqlite_path(db.settings.database_url)
    pid, brake = holder(path), Brake.beside(path)
    lists, review_days = lists_of(db.settings.worker_rules_dir), db.settings.worker_list_review_days

    def read(conn: Connection, account_id: str) -> dict[str, Any]:
        now = time.time()
        pauses = [one for one in (flags.paused(conn, account_id), brake.by_file()) if one is not None]
        told = [{**one._asdict(), "since": iso(one.since)} for one in pauses]
        blocked = flags.blocked_until(conn, account_id)
        _, last_hour = caps.usage(conn, account_id, now)
        daemon = flags.get(conn, account_id, flags.DAEMON) or {}
        # A running daemon's own choices count, not those of the shell that asks.
        if daemon.get("pid") != pid:
            daemon = {}
        per_day = daemon.get("cap_per_day", db.settings.worker_cap_per_day)
        return {
            "account_id": account_id,
            "mode": daemon.get("mode", db.settings.worker_mode),
            "paused": bool(told),
            "pause": told[0] if told else None,
            "pauses": told,
            "blocked_until": iso(blocked) if blocked > now else None,
            "budget": {
                "used": budget.used(conn, account_id, now),
                "limit": daemon.get("request_budget", db.settings.worker_request_budget),
            },
            "actions_last_hour": last_hour,
            "actions_last_day": caps.usage(conn, account_id, now, DAY)[1] if per_day else None,
            "cap_per_day": per_day,
            "cap_per_hour": daemon.get("cap_per_hour", db.settings.worker_cap_per_hour),
            "breakers": _open(conn, account_id, Kept.BREAKERS, "kind"),
            "quarantined_playbooks": _open(conn, account_id, Kept.QUARANTINE, "playbook"),
            "sources": [
                # One that is polled no more lags ever further behind, and nobody minds.
                one
                for one in queries.sources(conn, account_id, now)
                if one["source"] in daemon.get("sources", (one["source"],))
            ],
            "actions": queries.counts(conn, account_id),
            "parked": queries.parked(conn, account_id),
            "allowances": queries.allowances(conn, account_id, now),
            "lists_due": [one.as_json() for one in due(lists, utc(now).date(), review_days)],
            "playbooks": standings(conn, account_id, Mode(daemon.get("mode", db.settings.worker_mode))),
            **queries.totals(conn, account_id),
        }

    data = db.run(read)
    data["daemon_pid"] = pid
    return data


def _open(conn: Connection, account_id: str, what: Kept, name: str) -> list[dict[str, Any]]:
    """Open breakers as the daemon last told of them."""
    told = flags.get(conn, account_id, what) or {}
    return [
        {name: key, **one, "since": iso(one["since"]), "next_try": iso(one["next_try"])}
        for key, one in sorted(told.items())
    ]
