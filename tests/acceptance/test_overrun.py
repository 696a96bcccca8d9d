"""Playbooks that do not end: stopped where Python can be interrupted, and else parked by the next process."""

from __future__ import annotations

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

EXIT = 27


def slow(endless: str) -> str:
    """A playbook that never ends on mail of the subject `bad`, and moves all other mail to Junk."""
    head = f"import itertools\n\n\ndef is_bad(message):\n    if message.subject == 'bad':\n        {endless}\n\n\n"
    return head + rules.rule("not is_bad(message)", rules.to("JunkEmail"), name="slow")


async def test_a_daemon_outlives_a_playbook_that_does_not_end(worker: Bench, tenant: Tenant) -> None:
    """It parks that one event, decides the others, and answers while it does."""
    worker.rule("slow", slow("while True: pass"))
    (bad,) = await tenant.mail("MALICIOUS", subject="bad")
    (good,) = await tenant.mail("MALICIOUS", subject="good")
    daemon = await worker.daemon()
    await daemon.until("action.finished")
    assert await tenant.effects() == {("move", good, "JunkEmail"): 1}
    (failed,) = daemon.events("playbook.failed")
    assert failed["rule.id"] == "slow"
    assert failed["worker.event_key"] == bad
    assert "computed for more than 1 s" in failed["error.message"]
    assert (await worker.status())["parked"]
    assert (await daemon.stop()).code == 0


async def test_what_ends_the_worker_is_parked_and_all_else_goes_on(worker: Bench, tenant: Tenant) -> None:
    """Two runs end with code 27, the third names the playbook, parks the event and acts on all others."""
    worker.rule("slow", slow("5 in itertools.repeat(1)"))
    (bad,) = await tenant.mail("MALICIOUS", subject="bad")
    (good,) = await tenant.mail("MALICIOUS", subject="good")
    await worker.once(EXIT)
    await worker.once(EXIT)
    run = await worker.once()
    told = [event for event in run.events if event["event.action"] == "playbook.ended_worker"]
    assert [(event["worker.file"], event["worker.hand"].split()[-1]) for event in told] == [
        ("slow.py:6", bad)
    ]
    assert await tenant.effects() == {("move", good, "JunkEmail"): 1}
    assert (await worker.status())["parked"]
    await worker.audit()
    worker.rule("slow", slow("pass"))
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in (good, bad)}
