"""PhishGuard reports and the messages that they are about."""

from __future__ import annotations

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

REPORTED = rules.rule(
    'message.disposition == "MALICIOUS" and message.message is not None',
    rules.to("DeletedItems", "message.message"),
    name="reported",
    on="PhishReport",
)
MISSING = """\
from worker.playbooks import PhishReport, playbook


@playbook(on=PhishReport, id="missing", mode="shadow", owner="soc@example.com")
def missing(report: PhishReport) -> None:
    \"\"\"Fails where there is no message, so that a test sees it.\"\"\"
    if report.message is None:
        raise ValueError(f"no message for {report.title}")
"""


def fields(postfix_id: str, at: str) -> dict[str, object]:
    """What a report says of its message."""
    return {"to": ["ann@corp.example"], "from": "eve@x.example", "postfix_id": postfix_id, "occurred_at": at}


async def test_report_is_joined(worker: Bench, tenant: Tenant) -> None:
    """A report's playbook gets the message by its postfix id and acts on it, once over many polls."""
    worker.rule("reported", REPORTED)
    worker.rule("missing", MISSING)
    message, _ = await tenant.mail("NONE", "NONE")
    await tenant.report(message, disposition="MALICIOUS")
    daemon = await worker.daemon()
    await daemon.until("action.finished")
    await daemon.until("poll.completed", times=8)
    await daemon.stop()
    assert await tenant.effects() == {("move", message, "DeletedItems"): 1}
    assert daemon.events("playbook.failed") == []


async def test_message_that_comes_later(worker: Bench, tenant: Tenant) -> None:
    """A report whose message is not listed yet waits for it, over a restart too."""
    worker.rule("reported", REPORTED)
    worker.rule("missing", MISSING)
    (other,) = await tenant.rows({"final_disposition": "NONE"})
    await tenant.report(
        other["id"], disposition="MALICIOUS", fields=fields("LATE000000000001", other["scanned_at"])
    )
    daemon = await worker.daemon()
    await daemon.until("report.waiting")
    await daemon.kill()
    assert (await worker.status())["waiting_reports"] == 1
    daemon = await worker.daemon()
    await daemon.until("report.waiting")
    (late,) = await tenant.rows({"final_disposition": "NONE", "postfix_id": "LATE000000000001"})
    await daemon.until("action.finished")
    await daemon.stop()
    assert await tenant.effects() == {("move", late["id"], "DeletedItems"): 1}
    assert (await worker.status())["waiting_reports"] == 0
    assert daemon.events("playbook.failed") == []


async def test_once_does_not_wait(worker: Bench, tenant: Tenant) -> None:
    """`run --once` decides a report without its message at once."""
    worker.rule("reported", REPORTED)
    worker.rule("missing", MISSING)
    (other,) = await tenant.rows({"final_disposition": "NONE"})
    await tenant.report(
        other["id"], disposition="MALICIOUS", fields=fields("NEVER00000000001", other["scanned_at"])
    )
    result = await worker.once()
    told = {event["event.action"] for event in result.events}
    assert {"report.unmatched", "playbook.failed"} <= told
    assert (await worker.status())["parked"][0]["playbook"] == "missing"


async def test_report_and_detection_agree(worker: Bench, tenant: Tenant) -> None:
    """A report's wish that a detection's action already stands for does not act twice."""
    worker.rule("reported", REPORTED)
    worker.rule("trash", rules.on_verdict("SPAM", rules.to("DeletedItems"), name="trash"))
    (message,) = await tenant.mail("SPAM")
    await tenant.report(message, disposition="MALICIOUS")
    await worker.once()
    assert await tenant.effects() == {("move", message, "DeletedItems"): 1}
    (action,) = await worker.actions()
    shown = await worker.ask("actions", "show", action["id"], "--json")
    assert {vote["playbook"] for vote in shown["playbooks"]} == {"reported", "trash"}


async def test_new_revision_of_a_report(worker: Bench, tenant: Tenant) -> None:
    """A report that is judged anew is decided anew."""
    worker.rule("reported", REPORTED)
    (message,) = await tenant.mail("NONE")
    report = await tenant.report(message, disposition="NONE")
    await worker.once()
    assert await tenant.effects() == {}
    await tenant.report(message, id=report["id"], disposition="MALICIOUS")
    await worker.once()
    assert await tenant.effects() == {("move", message, "DeletedItems"): 1}
