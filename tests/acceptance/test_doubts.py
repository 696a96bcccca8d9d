"""What stays in doubt is parked, counted, told, and shown with everything that is known of it; a person decides."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance


async def park(worker: Bench, tenant: Tenant, *faults: dict[str, Any]) -> tuple[Process, str]:
    """A daemon that has just parked a release; its id."""
    worker.rule("release", rules.RELEASE)
    await tenant.quarantine()
    await tenant.faults(*faults)
    daemon = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    await daemon.until("readback.parked")
    return daemon, daemon.events("readback.parked")[0]["worker.action_id"]


async def test_the_evidence_is_shown(worker: Bench, tenant: Tenant) -> None:
    """What was sent, when, in which call, what came back with which ray, and what each read-back saw."""
    daemon, one = await park(worker, tenant, {"on": "release", "kind": "500"})
    await daemon.stop()
    (post,) = await tenant.requests("POST")
    (listed,) = await worker.ask("actions", "list", "--state", "unknown", "--json")
    shown = await worker.ask("actions", "show", one, "--json")
    doubt = shown["doubt"]
    assert listed["error"] == shown["error"]
    assert doubt["request"] == {
        "kind": "release", "params": {}, "message_id": listed["message_id"], "messages": 1
    }  # fmt: skip
    assert doubt["call_id"] == shown["call_id"]
    assert doubt["sent_at"] == shown["submitted_at"]
    assert doubt["answer"]["status"] == 500
    assert doubt["answer"]["ray"] == f"{post['number']:016x}-SIM"
    assert "Internal error" in doubt["answer"]["error"]
    assert [look["seen"]["releases"] for look in doubt["read_backs"]] == [[], []]
    for known in (doubt["call_id"], doubt["sent_at"], doubt["answer"]["ray"], "500", "--i-checked"):
        assert known in listed["error"]
    assert all(look["at"] in listed["error"] for look in doubt["read_backs"])
    table = await worker.run("actions", "list", "--state", "unknown")
    assert doubt["answer"]["ray"] in table.out


async def test_a_crash_leaves_its_evidence_too(worker: Bench, tenant: Tenant) -> None:
    """Where the process died before it saw an answer, the evidence says so."""
    worker.rule("release", rules.RELEASE)
    await tenant.quarantine()
    await tenant.faults({"on": "release", "kind": "slow", "seconds": 60})
    daemon = await worker.daemon()
    await daemon.until("call.submitted")
    await daemon.kill()
    await worker.once(3)
    (listed,) = await worker.ask("actions", "list", "--state", "unknown", "--json")
    assert "the worker stopped before it saw the answer" in listed["error"]
    assert "sent release at 20" in listed["error"]


async def test_it_is_counted_and_told(worker: Bench, tenant: Tenant) -> None:
    """A gauge and an error in the log tell of it, and every later start tells again."""
    daemon, one = await park(worker, tenant, {"on": "release", "kind": "drop"})
    (told,) = daemon.events("readback.parked")
    assert (told["log.level"], told["worker.kind"]) == ("error", "release")
    await daemon.kill()
    daemon = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    (again,) = daemon.events("readback.waiting")
    assert again["worker.count"] == 1
    port = daemon.events("health.listening")[0]["worker.port"]
    async with (
        ClientSession(cookie_jar=DummyCookieJar()) as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        page = await response.text()
    assert "worker_actions_parked 1.0" in page
    assert (await worker.actions(state="unknown"))[0]["id"] == one


async def test_a_person_decides(worker: Bench, tenant: Tenant) -> None:
    """Without --i-checked the refusal names the remedy; with it the release goes out once more, and only then."""
    daemon, one = await park(worker, tenant, {"on": "release", "kind": "drop", "count": 1})
    refused = await worker.run("actions", "retry", one)
    assert refused.code == 1
    assert "--i-checked" in refused.out
    assert len(await tenant.requests("POST")) == 1
    assert (await worker.run("actions", "retry", one, "--i-checked")).code == 0
    await daemon.until("action.finished", action_id=one)
    await daemon.stop()
    assert list((await tenant.effects()).values()) == [1]
    (retried,) = [record for record in await worker.audit() if record["kind"] == "retried"]
    assert "tester" in str(retried["body"])


async def test_the_wait_is_the_setting(worker: Bench, tenant: Tenant) -> None:
    """The first look comes WORKER_READ_BACK_DELAY after the loss, the second as long after the first; then no more."""
    worker.rule("release", rules.RELEASE)
    await tenant.quarantine()
    await tenant.faults({"on": "release", "kind": "drop"})
    daemon = await worker.daemon(WORKER_READ_BACK_DELAY="1.2")
    await daemon.until("readback.parked")
    lost, first, second = (
        datetime.fromisoformat(record["at"]).timestamp()
        for record in await worker.audit()
        if record["kind"] in ("outcome", "read_back")
    )
    assert first - lost >= 1.2
    assert second - first >= 1.2
    asked = [one for one in await tenant.requests("GET") if one["endpoint"] == "action_log"]
    assert len(asked) == 2
