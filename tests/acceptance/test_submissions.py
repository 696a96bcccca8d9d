"""Submissions as events: what somebody asked for, and what came of it."""

from __future__ import annotations

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import connect
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

CLEARED = rules.rule(
    'message.outcome_disposition == "NONE" and message.message',
    'Release(message.message, reason="judged clean")',
    name="cleared",
    on="Submission",
)


async def test_an_outcome_is_an_event(bench: Bench) -> None:
    """What the worker asked for is judged later; then, and only then, the message is released, once over many polls."""
    bench.rule("ask", rules.rule("message.is_quarantined", 'Reclassify(message, to="NONE")', name="ask"))
    bench.rule("cleared", CLEARED)
    async with open_tenant(verdict_delay=1.0) as tenant:
        connect(bench, tenant)
        (message,) = await tenant.quarantine()
        daemon = await bench.daemon()
        await daemon.until("action.finished", kind="reclassify")
        await daemon.until("poll.completed", times=2, source="submissions")
        assert await tenant.effects("release") == {}
        await daemon.until("action.finished", kind="release")
        await daemon.until("poll.completed", times=8, source="submissions")
        await daemon.stop()
        assert await tenant.effects("release") == {("release", message, ""): 1}
    (action,) = await bench.actions(kind="release")
    shown = await bench.ask("actions", "show", action["id"], "--json")
    assert shown["evidence"]["outcome_disposition"] == "NONE"
    assert shown["evidence"]["message"]["id"] == message


async def test_nobody_asks_for_what_nobody_wants(worker: Bench, tenant: Tenant) -> None:
    """Without a playbook on submissions they are not listed."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    assert not [one for one in await tenant.requests() if "submissions" in one["path"]]
