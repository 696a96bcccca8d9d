"""Verdicts that change, rows that come late, analysts who are faster."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant, ago

pytestmark = pytest.mark.acceptance

LOST_BEFORE = {"on": "move", "kind": "drop", "count": 1}


async def test_changed_verdict_of_an_unanswered_move(worker: Bench, tenant: Tenant) -> None:
    """A move that had no effect is not sent again, nor asked about for ever, where its verdict has changed since."""
    worker.rule("junk", rules.JUNK)
    await tenant.faults(LOST_BEFORE)
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon(WORKER_READ_BACK_DELAY="1.2")
    await daemon.until("call.lost")
    await tenant.verdict(message, "NONE")
    await daemon.until("readback.no_effect")
    before = len(await tenant.requests())
    await asyncio.sleep(1)
    assert len(await tenant.requests()) - before < 30
    await daemon.stop()
    assert await tenant.effects() == {}
    assert await worker.states() == {"skipped": 1}


async def test_verdict_that_changes_to_a_like_one(worker: Bench, tenant: Tenant) -> None:
    """A move without effect is sent again where the new verdict calls for the same."""
    worker.rule("junk", rules.rule("message.is_malicious", rules.to("JunkEmail"), name="junk"))
    await tenant.faults(LOST_BEFORE)
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon(WORKER_READ_BACK_DELAY="1.2")
    await daemon.until("call.lost")
    await tenant.verdict(message, "MALICIOUS-BEC")
    await daemon.until("readback.no_effect")
    await daemon.until("action.finished")
    await daemon.stop()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await worker.states() == {"succeeded": 1}


async def test_unreadable_log_of_one_message(worker: Bench, tenant: Tenant) -> None:
    """A message whose action log cannot be read does not keep the others from their folder."""
    worker.rule("junk", rules.JUNK)
    (odd,) = await tenant.mail("MALICIOUS")
    await tenant.analyst_moves(odd, "Inbox")
    good = await tenant.mail("MALICIOUS")
    await tenant.faults({"on": "action_log", "kind": "html"})
    daemon = await worker.daemon()
    await daemon.until("action.finished", message_id=good[0], patience=5)
    await daemon.stop()
    assert await tenant.effects() == {("move", good[0], "JunkEmail"): 1}


async def test_changed_verdict_is_decided_once(worker: Bench, tenant: Tenant) -> None:
    """Each new verdict is decided once, however often its row is listed; an unsent action of the old one is dropped."""
    worker.rule("purge", rules.on_verdict("MALICIOUS", rules.to("RecoverableItemsPurges"), name="purge"))
    worker.rule("spam", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="spam"))
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    await tenant.verdict(message, "SPAM")
    await worker.once()
    await tenant.verdict(message, "NONE")
    await worker.once()
    await tenant.verdict(message, "SPAM")
    await worker.once()
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert await worker.states() == {"skipped": 1, "succeeded": 1}


async def test_late_row_in_the_overlap(worker: Bench, tenant: Tenant) -> None:
    """A row that appears late is found by the next poll, as long as its time lies in the overlap."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    (late,) = await tenant.mail("MALICIOUS", scanned_at=ago(600, time.time()))
    await worker.once()
    assert await tenant.effects() == {("move", late, "JunkEmail"): 1}


async def test_row_that_is_hours_late(worker: Bench, tenant: Tenant) -> None:
    """A row beyond the overlap is found by the hourly sweep, and one from before the first poll's reach never."""
    worker.rule("junk", rules.JUNK)
    reach = {"WORKER_INITIAL_LOOKBACK": "14400", "WORKER_POLL_OVERLAP": "5"}
    await worker.once(**reach)
    (late,) = await tenant.mail("MALICIOUS", scanned_at=ago(3 * 3600, time.time()))
    await tenant.mail("MALICIOUS", scanned_at=ago(5 * 3600, time.time()))
    await worker.once(**reach)
    assert await tenant.effects() == {}
    let_time_pass(worker, 3700)
    result = await worker.once(**reach)
    assert "sweep.completed" in {event["event.action"] for event in result.events}
    await worker.once(**reach)
    assert await tenant.effects() == {("move", late, "JunkEmail"): 1}


async def test_analyst_was_first(worker: Bench, tenant: Tenant) -> None:
    """Mail that a person has moved there already is skipped, mail moved elsewhere waits for a person: no POST."""
    worker.rule("junk", rules.JUNK)
    there, elsewhere = await tenant.mail("MALICIOUS", "MALICIOUS")
    await tenant.analyst_moves(there, "JunkEmail")
    await tenant.analyst_moves(elsewhere, "Inbox")
    await worker.once()
    states = {row["message_id"]: row["state"] for row in await worker.actions()}
    assert states == {there: "skipped", elsewhere: "held"}
    assert await tenant.requests("POST") == []
    (held,) = await worker.actions(state="held")
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await tenant.effects() == {("move", elsewhere, "JunkEmail"): 1}


async def test_analyst_between_decision_and_approval(worker: Bench, tenant: Tenant) -> None:
    """An approval looks at the message as it is now, not as it was when it was decided on."""
    worker.rule("junk", rules.JUNK)
    worker.rule("ask", rules.RECLASSIFY)
    (junk, spoof) = await tenant.mail("MALICIOUS", "SPOOF")
    await worker.once(WORKER_MODE="approve")
    await tenant.analyst_moves(junk, "JunkEmail")
    await tenant.verdict(spoof, "NONE")
    ids = [row["id"] for row in await worker.actions(state="held")]
    assert (await worker.run("actions", "approve", *ids)).code == 0
    await worker.once()
    assert await worker.states() == {"skipped": 2}
    assert await tenant.requests("POST") == []


async def test_an_approver_is_told_of_an_analysts_move(worker: Bench, tenant: Tenant) -> None:
    """What waited for its approval alone is held once more where somebody has moved the message since."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once(WORKER_MODE="approve")
    await tenant.analyst_moves(message, "Inbox")
    (held,) = await worker.actions(state="held")
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    (again,) = await worker.actions(state="held")
    assert again["id"] == held["id"]
    assert again["error"].startswith("moved to Inbox by analyst")
    assert await tenant.requests("POST") == []
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_released_by_an_analyst(worker: Bench, tenant: Tenant) -> None:
    """Mail that left the quarantine while its release waited for approval is not released again."""
    worker.rule("release", rules.RELEASE)
    (caught,) = await tenant.quarantine()
    await worker.once(WORKER_MODE="approve")
    (held,) = await worker.actions(state="held")
    await tenant.release(caught)
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await worker.states() == {"skipped": 1}
    assert await tenant.effects() == {("release", caught, ""): 1}


def let_time_pass(worker: Bench, seconds: float) -> None:
    """Makes the last sweep older, as if the worker had run for that long."""
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute("UPDATE cursors SET swept_at = swept_at - ?", (seconds,))
