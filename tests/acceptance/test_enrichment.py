"""Playbooks with needs, in a real worker on a real database against the simulator."""

from __future__ import annotations

import pytest

from tests.acceptance.bench import Bench
from tests.acceptance.rules import HEAD
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

ATTACHED = (
    HEAD
    + '''@playbook(on=Detection, id="attached", mode="enforce", needs=["attachments", "raw", "trace", "action_log"])
def rule(message: Detection) -> Move | None:
    """Looks at everything that there is of malicious mail."""
    if not message.is_malicious or message.trace is None or message.action_log is None:
        return None
    names = ",".join(sorted(one.name or "" for one in message.attachments or ()))
    same = message.raw is not None and {one.sha256 for one in message.raw.attachments} == {
        one.sha256 for one in message.attachments or ()
    }
    return Move(message, to="JunkEmail", reason=f"{names} {same} {message.raw and message.raw.header('subject')}")
'''
)
READS = ("detections", "raw", "trace", "action_log")


async def reads(tenant: Tenant) -> dict[str, int]:
    """How often each of the reads that cost a request for one message came."""
    paths = [one["path"].rpartition("/")[2] for one in await tenant.requests("GET")]
    return {name: paths.count(name) for name in READS}


async def test_what_a_playbook_needs_is_fetched_and_stays_evidence(worker: Bench, tenant: Tenant) -> None:
    """One request for each need of those messages that get so far; the person and the replay see what it saw."""
    worker.rule("attached", ATTACHED)
    await tenant.mail(*["MALICIOUS"] * 8, *["SPAM"] * 5, "NONE", subject="Zahlung für Grüße")
    await worker.once()
    assert await worker.states() == {"succeeded": 8}
    # Each move is looked up once before and after: nobody moved these, so only the playbook asks for the log.
    assert await reads(tenant) == dict.fromkeys(READS, 8)
    reasons = [one["reason"] for one in await worker.actions()]
    assert all(reason.endswith("True Zahlung für Grüße") for reason in reasons)
    assert any(".html" in reason or ".zip" in reason for reason in reasons)
    (first, *_) = await worker.actions()
    shown = await worker.ask("actions", "show", first["id"], "--json")
    assert set(shown["enrichment"]) == {"attachments", "raw", "trace", "action_log", "missing"}
    text = await worker.run("actions", "show", first["id"])
    assert "enrichment" in text.out
    replay = await worker.ask("audit", "replay", "--json")
    assert (replay["ok"], replay["same"]) == (True, 8)


async def test_a_failing_read_is_tried_again_over_a_restart(worker: Bench, tenant: Tenant) -> None:
    """The event waits with its reason, through a kill; then it is decided, once."""
    worker.rule("attached", ATTACHED)
    await tenant.faults({"on": "trace", "kind": "500"})
    (message,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon()
    await daemon.until("enrichment.waiting", times=2)
    await daemon.kill()
    (parked,) = (await worker.status())["parked"]
    assert parked["error"].startswith("waits for trace: GET investigate/{id}/trace: 500")
    await tenant.faults()
    daemon = await worker.daemon()
    await daemon.until("enrichment.caught_up", patience=60)
    await daemon.until("action.finished")
    await daemon.stop()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert (await worker.status())["parked"] == []
