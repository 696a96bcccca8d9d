"""People are told what playbooks decide, and mail does not wait for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant
from tests.receiver import Receiver, open_receiver

pytestmark = pytest.mark.acceptance

SECRET = "notify-canary-0123456789"
TELL = rules.on_verdict(
    "MALICIOUS", 'Notify(message, text=f"<{message.subject}>", channel="#soc")', name="tell"
)


@pytest.fixture
async def receiver(worker: Bench) -> AsyncIterator[Receiver]:
    """The worker's webhook."""
    worker.rule("tell", TELL)
    async with open_receiver() as receiver:
        worker.env |= {"WORKER_NOTIFY_URL": receiver.url, "WORKER_NOTIFY_SECRET": SECRET}
        yield receiver


async def test_people_are_told_once(worker: Bench, tenant: Tenant, receiver: Receiver) -> None:
    """Over many polls and a restart; address and key stand in no log, no database and no answer of a command."""
    await tenant.mail("MALICIOUS", subject="<!here> Invoice")
    daemon = await worker.daemon()
    await daemon.until("action.finished", kind="notify")
    await daemon.stop()
    await worker.once()
    (body,) = [json.loads(one) for one in receiver.bodies]
    (action,) = await worker.actions(kind="notify", state="succeeded")
    assert body["text"] == "&lt;&lt;!here&gt; Invoice&gt;"
    assert body["channel"] == "#soc"
    assert body["notification"]["key"] == action["params"]["key"] == receiver.headers[0]["webhook-id"]
    assert receiver.headers[0]["webhook-signature"].startswith("v1,")
    await worker.audit()
    left = [path for path in worker.folder.rglob("*") if path.is_file()]
    for path in left:
        held = path.read_bytes()
        assert SECRET.encode() not in held, path
        assert b"T0SECRET0PATH" not in held, path


async def test_a_dead_webhook_holds_up_no_mail(worker: Bench, tenant: Tenant, receiver: Receiver) -> None:
    """It hangs; moves go on, a kill in between loses nothing, and what may have been told is told under the same id."""
    hanging = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        hanging.set()
        await asyncio.sleep(30)
        return web.Response()

    receiver.answers += [hang]
    worker.rule("junk", rules.JUNK)
    (first,) = await tenant.mail("MALICIOUS", subject="one")
    daemon = await worker.daemon()
    await asyncio.wait_for(hanging.wait(), 10)
    await daemon.until("action.finished", kind="move")
    (second,) = await tenant.mail("MALICIOUS", subject="two")
    await daemon.until("action.finished", kind="move", times=2)
    await daemon.kill()
    daemon = await worker.daemon()
    await daemon.until("action.finished", kind="notify", times=2)
    await daemon.stop()
    assert await tenant.effects() == {("move", first, "JunkEmail"): 1, ("move", second, "JunkEmail"): 1}
    told = [json.loads(body)["notification"]["message_id"] for body in receiver.bodies]
    assert (told[0], told.count(first), told.count(second)) == (first, 2, 1)
    assert len({headers["webhook-id"] for headers in receiver.headers}) == 2


@pytest.mark.parametrize("mode, state", [("shadow", "shadowed"), ("approve", "held")])
async def test_nobody_is_told_before_the_mode_allows_it(
    worker: Bench, tenant: Tenant, receiver: Receiver, mode: str, state: str
) -> None:
    """What would have been told is recorded."""
    await tenant.mail("MALICIOUS")
    await worker.once(WORKER_MODE=mode)
    assert await worker.states() == {state: 1}
    assert receiver.bodies == []


async def test_without_an_address_nobody_is_told_and_nothing_fails(worker: Bench, tenant: Tenant) -> None:
    """A warning at the start names the playbooks that speak to nobody; the rest goes on."""
    worker.rule("tell", TELL)
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    result = await worker.once()
    (action,) = await worker.actions(kind="notify")
    assert (action["state"], "WORKER_NOTIFY_URL" in action["error"]) == ("skipped", True)
    (told,) = [line for line in result.events if line["event.action"] == "notify.nobody"]
    assert (told["worker.playbooks"], told["log.level"]) == (["tell"], "warning")
    assert not [line for line in result.events if line["event.action"] == "call.not_sent"]
    assert len(await worker.actions(kind="move", state="succeeded")) == 1
