"""Verdicts that change, rows that come late, analysts who are faster."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

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
