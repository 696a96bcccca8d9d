"""What a person approves, and what becomes of it when the ledger is altered behind their back or time passes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, until
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


def alter(worker: Bench, statement: str, *values: str) -> None:
    """Somebody edits the database, no worker running."""
    with closing(sqlite3.connect(worker.database)) as conn, conn:
        assert conn.execute(statement, values).rowcount == 1


async def held(worker: Bench) -> list[dict[str, Any]]:
    """What waits for a person, oldest first."""
    return list(reversed(await worker.ask("actions", "list", "--state", "held", "--json")))


async def test_an_altered_action_voids_the_approval(worker: Bench, tenant: Tenant) -> None:
    """Approved to go to Junk, then edited to be purged: neither it nor the others of that approval are sent."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS", "MALICIOUS", "MALICIOUS")
    await worker.once(WORKER_MODE="approve")
    ids = [row["id"] for row in await held(worker)]
    approved = await worker.run("actions", "approve", *ids)
    assert "approval" in approved.out
    alter(worker, "UPDATE actions SET target = 'RecoverableItemsPurges' WHERE id = ?", ids[1])
    result = await worker.once()
    assert await tenant.requests("POST") == []
    (void,) = [line for line in result.events if line["event.action"] == "approval.void"]
    assert ids[1] in void["event.reason"]
    assert len([line for line in result.events if line["event.action"] == "action.held"]) == 3
    assert {row["error"] for row in await held(worker)} == {void["event.reason"]}
    records = await worker.audit()
    assert [record["kind"] for record in records].count("void") == 1
    alter(worker, "UPDATE actions SET target = 'JunkEmail' WHERE id = ?", ids[1])
    assert (await worker.run("actions", "approve", *ids)).code == 0
    await worker.once()
    assert len(await tenant.effects("move")) == 3


async def test_an_approval_survives_a_restart_and_covers_a_plan(worker: Bench, tenant: Tenant) -> None:
    """A plan over its cap is approved as a whole, by its id, before the worker is started again."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), caps="Caps(per_poll=1)"))
    messages = await tenant.mail("MALICIOUS", "MALICIOUS")
    await worker.once()
    (plan,) = {row["plan_id"] for row in await held(worker)}
    assert (await worker.run("actions", "approve", "--plan", plan)).code == 0
    again = await worker.run("actions", "approve", "--plan", plan)
    assert (again.code, "no action of" in again.err) == (2, True)
    assert await worker.states() == {"ready": 2}
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in messages}
    (done, _) = await worker.actions()
    shown = await worker.ask("actions", "show", done["id"], "--json")
    assert (shown["approval"]["actions"], len(shown["approval"]["sha256"])) == (2, 64)


async def test_what_nobody_approves_expires_and_so_does_an_approval(worker: Bench, tenant: Tenant) -> None:
    """Neither is ever done afterwards; both are in the daemon's log, by name."""
    worker.rule("junk", rules.JUNK)
    forgotten, approved = await tenant.mail("MALICIOUS", "MALICIOUS")
    brief = {"WORKER_APPROVAL_TIMEOUT": "2", "WORKER_MODE": "approve"}
    daemon = await worker.daemon(**brief)
    await daemon.until("action.held", times=2)
    assert (await worker.run("pause")).code == 0
    ids = {row["message_id"]: row["id"] for row in await held(worker)}
    assert (await worker.run("actions", "approve", ids[approved])).code == 0
    await daemon.until("action.expired", times=2)
    told = {line["worker.action_id"]: line["event.reason"] for line in daemon.events("action.expired")}
    assert told == {
        ids[forgotten]: "nobody approved it in time",
        ids[approved]: "it was approved, but not sent in time",
    }
    assert (await worker.run("resume")).code == 0
    await daemon.until("pause.off")
    polls = len(daemon.events("poll.completed"))
    await until(lambda: len(daemon.events("poll.completed")) > polls + 4)
    assert await worker.states() == {"expired": 2}
    assert await tenant.requests("POST") == []


async def test_what_is_held_shows_the_message(worker: Bench, tenant: Tenant) -> None:
    """Who decides sees what was seen, and nothing of it can move a terminal."""
    worker.rule("junk", rules.JUNK)
    await tenant.rows(
        {
            "final_disposition": "MALICIOUS",
            "from": "mallory@evil.example",
            "subject": "Pay \x1b[2Jnow\u202e",
            "delivery_status": ["delivered"],
            "client_recipients": ["ann@corp.example"],
        }
    )
    await worker.once(WORKER_MODE="approve")
    (row,) = await held(worker)
    assert row["evidence"]["from"] == "mallory@evil.example"
    table = (await worker.run("actions", "list", "--state", "held")).out
    assert "Pay \ufffd[2Jnow\\u202e" in table
    for shown in ("mallory@evil.example", "MALICIOUS", "ann@corp.example", "delivered", "waits for approval"):
        assert shown in table
