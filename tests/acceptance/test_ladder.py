"""Promote and demote, beside a daemon that never stops."""

from __future__ import annotations

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

FRESH_PROCESS = 90.0
"""Seconds that a check in a process of its own may take on a machine that is busy."""


async def test_up_the_ladder_and_down_again(worker: Bench, tenant: Tenant) -> None:
    """Each step takes effect in the running daemon, is proved by what shadow saw, and stands in status and log."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk", mode="shadow"))
    trial = await tenant.mail("MALICIOUS", "MALICIOUS")
    few = {"WORKER_PROMOTE_MATCHES": "3"}
    daemon = await worker.daemon()
    await daemon.until("action.finished", times=2, state="shadowed")
    refused = await worker.run("promote", "junk", "--to", "enforce", "--reason", "hope", "--json", **few)
    assert (refused.code, refused.json["done"], refused.json["trial"]["matches"]) == (1, False, 2)
    assert "2 of the 3 matches" in refused.err
    wrong = await worker.run("promote", "jnk", "--reason", "typo")
    assert (wrong.code, "did you mean `junk`?" in wrong.err) == (2, True)
    assert (await worker.run("promote", "junk", "--reason", "looks right")).code == 0
    await daemon.until("action.held", times=2)
    forced = await worker.run("promote", "junk", "--reason", "sure", "--force", "--json", **few)
    assert forced.json["forced"] is True
    await daemon.until("playbook.level", times=2)
    new = await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", state="succeeded")
    assert (await worker.run("demote", "junk", "--reason", "3 a.m.")).code == 0
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", times=3, state="shadowed")
    (standing,) = (await worker.status())["playbooks"]
    assert (standing["level"], standing["effective"], standing["why"]) == ("shadow", "shadow", "3 a.m.")
    assert "3 a.m." in (await worker.run("status")).out
    await daemon.stop()
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in new}
    kinds = [record["kind"] for record in await worker.audit()]
    assert [kind for kind in kinds if kind in ("promote", "demote")] == ["promote", "promote", "demote"]
    assert len(trial) == 2


async def test_a_change_of_the_folder_is_taken_up_without_a_restart(worker: Bench, tenant: Tenant) -> None:
    """An editor's rename and a half-written file beside a running daemon; health and metrics tell of both."""
    worker.rule("junk", rules.JUNK)
    daemon = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    first = await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", state="succeeded")
    broken = worker.rule("broken", "def half(:\n")
    await daemon.until("playbooks.reload_refused", patience=FRESH_PROCESS)
    assert "broken.py:1" in await daemon.page("/readyz")
    assert "worker_playbooks_reload_ok 0.0" in await daemon.page("/metrics")
    new = broken.with_name(".broken.py.swp")
    new.write_text(rules.on_verdict("SPAM", rules.to("DeletedItems"), name="spam"))
    new.rename(broken)
    await daemon.until("playbooks.reloaded", patience=FRESH_PROCESS)
    assert '"generation": 2, "reload": "ok"' in await daemon.page("/readyz")
    second = await tenant.mail("SPAM")
    await daemon.until("action.finished", times=2, state="succeeded")
    assert (await daemon.stop()).code == 0
    assert await tenant.effects() == {
        **{("move", one, "JunkEmail"): 1 for one in first},
        **{("move", one, "DeletedItems"): 1 for one in second},
    }
