"""What enforce, approve and shadow let through."""

from __future__ import annotations

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


async def test_acts_exactly_once(worker: Bench, tenant: Tenant) -> None:
    """A message that matches is moved once, over many polls and over a restart, and every step is on record."""
    worker.rule("junk", rules.JUNK)
    guilty = await tenant.mail("MALICIOUS", "MALICIOUS", "MALICIOUS")
    await tenant.mail("NONE", "SPAM")
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=3)
    guilty += await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", times=4)
    await daemon.until("poll.completed", times=8)
    assert (await daemon.stop()).code == 0
    second = await worker.daemon()
    await second.until("poll.completed", times=6)
    assert (await second.stop()).code == 0
    effects = await tenant.effects()
    assert effects == {("move", one, "JunkEmail"): 1 for one in guilty}
    done = await worker.actions(state="succeeded")
    assert {row["message_id"] for row in done} == set(guilty)
    records = await worker.audit()
    intents = [record["call_id"] for record in records if record["kind"] == "intent"]
    outcomes = [record["call_id"] for record in records if record["kind"] == "outcome"]
    assert len(intents) == len(await tenant.requests("POST"))
    assert intents == outcomes


async def test_fresh_process(worker: Bench, tenant: Tenant) -> None:
    """`python -m worker run --once` as an own interpreter acts and exits 0."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    result = await (await worker.start_fresh("run", "--once")).wait()
    assert result.code == 0
    assert result.events[-1]["event.action"] == "service.stopped"
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_shadow_sends_nothing(worker: Bench, tenant: Tenant) -> None:
    """Without WORKER_MODE nothing mutating is sent; what would have been done is on record."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    for _ in range(2):
        await worker.once(WORKER_MODE=None)
        assert await worker.states() == {"shadowed": 1}
    assert await tenant.requests("POST") == []


async def test_a_trial_never_swallows_a_later_enforcement(worker: Bench, tenant: Tenant) -> None:
    """What shadow recorded is decided anew under the higher mode, looked at first, and done once."""
    worker.rule("junk", rules.JUNK)
    old, cleared = await tenant.mail("MALICIOUS", "MALICIOUS")
    await worker.once(WORKER_MODE=None)
    await tenant.verdict(cleared, "NONE")
    (new,) = await tenant.mail("MALICIOUS")
    for _ in range(2):
        await worker.once(WORKER_MODE="enforce")
        assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in (old, new)}


async def test_playbook_in_shadow_under_enforce(worker: Bench, tenant: Tenant) -> None:
    """A playbook that does not ask for more stays in shadow, whatever WORKER_MODE allows."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), mode="shadow"))
    await tenant.mail("MALICIOUS")
    await worker.once()
    assert await worker.states() == {"shadowed": 1}
    assert await tenant.requests("POST") == []


async def test_approve_mode(worker: Bench, tenant: Tenant) -> None:
    """Approved beside the daemon, an action goes out; rejected, it never comes back, not even over a restart."""
    worker.rule("junk", rules.JUNK)
    wanted, unwanted = await tenant.mail("MALICIOUS", "MALICIOUS")
    daemon = await worker.daemon(WORKER_MODE="approve")
    await daemon.until("action.held", times=2)
    by_message = {row["message_id"]: row["id"] for row in await worker.actions(state="held")}
    assert (await worker.run("actions", "reject", by_message[unwanted])).code == 0
    assert (await worker.run("actions", "approve", by_message[wanted])).code == 0
    await daemon.until("action.finished", action_id=by_message[wanted])
    assert (await worker.run("actions", "approve", by_message[unwanted])).code == 1
    assert (await worker.run("actions", "reject", by_message[wanted])).code == 1
    assert (await worker.run("actions", "approve", "nonsense")).code == 1
    await daemon.stop()
    await tenant.verdict(unwanted, "SPAM")
    await worker.once()
    await tenant.verdict(unwanted, "MALICIOUS")
    await worker.once()
    assert await tenant.effects() == {("move", wanted, "JunkEmail"): 1}
    assert await worker.states() == {"succeeded": 1, "rejected": 1}


async def test_approval_does_not_lift_the_mode(worker: Bench, tenant: Tenant) -> None:
    """What was approved is not sent while WORKER_MODE is shadow."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once(WORKER_MODE="approve")
    (held,) = await worker.actions(state="held")
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once(WORKER_MODE="shadow")
    assert await tenant.requests("POST") == []
    await worker.once(WORKER_MODE="approve")
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_lowered_mode_holds_what_was_ready(worker: Bench, tenant: Tenant) -> None:
    """Work that was ready under enforce waits for a person after a restart under approve."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    assert (await worker.run("pause")).code == 0
    await worker.once()
    assert await worker.states() == {"ready": 1}
    assert (await worker.run("resume")).code == 0
    await worker.once(WORKER_MODE="approve")
    assert await worker.states() == {"held": 1}
    assert await tenant.requests("POST") == []


async def test_purge_needs_approval(worker: Bench, tenant: Tenant) -> None:
    """A purge is held in enforce mode and goes out once it is approved."""
    worker.rule("purge", rules.on_verdict("MALICIOUS", rules.to("RecoverableItemsPurges")))
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    assert await tenant.requests("POST") == []
    (held,) = await worker.actions(state="held")
    assert (await worker.run("actions", "approve", held["id"])).code == 0
    await worker.once()
    assert await tenant.effects() == {("move", message, "RecoverableItemsPurges"): 1}


async def test_contradiction(worker: Bench, tenant: Tenant) -> None:
    """Two playbooks that contradict each other are both held; approving one rejects the other."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk"))
    worker.rule("trash", rules.on_verdict("MALICIOUS", rules.to("DeletedItems"), name="trash"))
    worker.rule("trial", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="trial"))
    worker.rule("shadow", rules.on_verdict("SPAM", rules.to("Inbox"), name="shadow", mode="shadow"))
    (message, spam) = await tenant.mail("MALICIOUS", "SPAM")
    await worker.once()
    held = {row["playbook"]: row["id"] for row in await worker.actions(state="held")}
    assert held.keys() == {"junk", "trash"}
    assert await tenant.effects() == {("move", spam, "JunkEmail"): 1}
    assert (await worker.run("actions", "approve", held["trash"])).code == 0
    await worker.once()
    (rejected,) = await worker.actions(state="rejected")
    assert rejected["id"] == held["junk"]
    assert await tenant.effects() == {("move", message, "DeletedItems"): 1, ("move", spam, "JunkEmail"): 1}


async def test_agreement(worker: Bench, tenant: Tenant) -> None:
    """Two playbooks that want the same make one action, which counts for both."""
    worker.rule("one", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="one"))
    worker.rule("two", rules.rule("message.is_delivered", rules.to("JunkEmail"), name="two"))
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    (action,) = await worker.actions()
    shown = await worker.ask("actions", "show", action["id"], "--json")
    assert [vote["playbook"] for vote in shown["playbooks"]] == ["one", "two"]
    for name in ("one", "two"):
        assert len(await worker.ask("actions", "list", "--json", "--playbook", name)) == 1
