"""Pages that lie: bad rows are set aside and counted, the others are acted on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.intruder import Forward, Intruder, Lie, Reply
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\nline\u2028two\u202eevil\x00\x9b31m"


@pytest.mark.parametrize(
    "poison,set_aside", [("types", 1), ("missing", 1), ("surrogate", 0), ("enum", 0), ("nan", 0)]
)
async def test_poison_row(worker: Bench, tenant: Tenant, poison: str, set_aside: int) -> None:
    """One bad row costs itself only, is counted once over many polls, and shows in the status."""
    worker.rule("junk", rules.JUNK)
    first, second, _ = await tenant.mail("MALICIOUS", "MALICIOUS", "NONE")
    await tenant.faults({"on": "list", "kind": "poison", "poison": poison})
    await worker.once()
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in (first, second)}
    assert (await worker.status())["quarantined"] == set_aside
    assert ("quarantined rows: 1" in (await worker.run("status")).out) == bool(set_aside)


def rewriting(change: Any) -> Lie:
    """Changes the text of a page."""

    async def lie(_: web.Request, forward: Forward) -> Reply:
        reply = await forward()
        return Reply(
            reply.status, change(reply.body.decode()).encode("utf-8", "surrogatepass"), reply.headers
        )

    return lie


BAD_FIELDS = {
    "duplicate key": '"id":"forged","id":',
    "duplicate verdict": '"final_disposition":"NONE","id":',
    "huge number": '"is_quarantined":1e999,"id":',
    "deep": '"validation":' + "[" * 200 + "]" * 200 + ',"id":',
}


@pytest.mark.parametrize("field", BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
async def test_bad_field(bench: Bench, tenant: Tenant, intruder: Intruder, field: str) -> None:
    """A row with a field that cannot be believed is set aside, and never acted on; the others are."""
    bench.rule("junk", rules.JUNK)
    ids = await tenant.mail("MALICIOUS", "MALICIOUS", "MALICIOUS")
    intruder.lie("GET", "/investigate", rewriting(lambda text: text.replace('"id":', field, 1)))
    await bench.once()
    status = await bench.status()
    assert status["quarantined"] == 1
    assert sum((await tenant.effects()).values()) == 2
    assert {message for _, message, _ in await tenant.effects()} <= set(ids)


async def test_a_date_that_there_is_not(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """A sender who dates his mail at second 60 hides it from no playbook; the log names the field once."""
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    lie = rewriting(lambda text: text.replace('"sent_at":', '"sent_at":"2026-11-21T23:59:60Z","was":'))
    intruder.lie("GET", "/investigate", lie)
    first, again = await bench.once(), await bench.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert (await bench.status())["quarantined"] == 0
    for run in (first, again):
        told = [one for one in run.events if one["event.action"] == "poll.field_left_out"]
        assert [(one["worker.field"], one["worker.row_id"]) for one in told] == [("sent_at", message)]


async def test_a_page_that_nobody_can_read(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """Where the vendor has changed a type, the watermark stays: what it sends then is read once it can be."""
    bench.rule("junk", rules.JUNK)
    ids = await tenant.mail(*["MALICIOUS"] * 10)
    lie = rewriting(lambda text: text.replace('"final_disposition":', '"final_disposition":7,"was":'))
    intruder.lie("GET", "/investigate", lie)
    await bench.once(1)
    assert (await bench.status())["quarantined"] == 0
    intruder.honest()
    await bench.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in ids}


async def test_hostile_text(worker: Bench, tenant: Tenant) -> None:
    """Control characters, line breaks and bidi overrides of a mail never reach an output raw; a huge one is cut."""
    worker.rule("junk", rules.JUNK.replace('reason="test"', "reason=message.subject[:400]"))
    await tenant.mail(
        "MALICIOUS", subject=HOSTILE, **{"from": f"evil{HOSTILE}@x.example", "from_name": HOSTILE}
    )
    await tenant.mail("MALICIOUS", subject="A" * 1_000_000)
    done = await worker.once()
    (first, second) = await worker.actions(state="succeeded")
    commands = [("actions", "list"), ("actions", "list", "--json"), ("audit", "show"), ("audit", "export")]
    for action in (first, second):
        commands += [("actions", "show", action["id"]), ("actions", "show", action["id"], "--json")]
    for output in [done, *[await worker.run(*command) for command in commands]]:
        assert output.code == 0
        text = output.out + output.err
        assert all(letter == "\n" or letter.isprintable() for letter in text)
    assert all(len(line) < 16_384 for line in done.out.split("\n"))
    # One line for each action below the heading: no mail makes a second one.
    assert len((await worker.run("actions", "list")).out.splitlines()) == 3


@pytest.mark.parametrize("fault", ["message.subject.no_such_thing", "raise KeyboardInterrupt"])
async def test_a_playbook_that_always_raises(worker: Bench, tenant: Tenant, fault: str) -> None:
    """It goes into quarantine, told once and seen everywhere; the others act; its mended file decides what it missed."""
    worker.rule("junk", rules.JUNK)
    wanted = rules.to("DeletedItems")
    odd = rules.on_verdict("SPOOF", wanted, name="odd")
    worker.rule("odd", odd.replace("    if ", f"    {fault}\n    if "))
    spoofs = await tenant.mail(*["SPOOF"] * 15, subject="x")
    daemon = await worker.daemon(WORKER_HTTP_BIND="127.0.0.1:0")
    await daemon.until("playbook.quarantined")
    (junked,) = await tenant.mail("MALICIOUS")
    await daemon.until("action.finished")
    assert len(daemon.events("playbook.quarantined")) == 1
    assert len(daemon.events("playbook.failed")) == 10
    assert 'worker_playbook_quarantined{playbook="odd"} 1.0' in await daemon.page("/metrics")
    status = await worker.status()
    assert [one["playbook"] for one in status["quarantined_playbooks"]] == ["odd"]
    assert sum(one["events"] for one in status["parked"]) == 16
    assert "quarantine odd is not asked since" in (await worker.run("status")).out
    await daemon.kill()
    daemon = await worker.daemon()
    await daemon.until("poll.completed", times=3)
    assert daemon.events("playbook.failed") == []
    await daemon.stop()
    worker.rule("odd", odd)
    await worker.once()
    assert await tenant.effects() == {
        **{("move", one, "DeletedItems"): 1 for one in spoofs},
        ("move", junked, "JunkEmail"): 1,
    }
    assert (await worker.status())["quarantined_playbooks"] == []
    await worker.audit()


async def test_cursor_loop(worker: Bench, tenant: Tenant) -> None:
    """A cursor that repeats ends the window: its rows are kept, and the next poll goes on."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail(*["NONE"] * 2100)
    first = await tenant.mail("MALICIOUS")
    await tenant.faults({"on": "list", "kind": "cursor_loop"})
    result = await worker.once()
    assert "poll.cursor_loop" in {event["event.action"] for event in result.events}
    assert await tenant.effects() == {("move", first[0], "JunkEmail"): 1}
    assert len(await tenant.requests("GET")) < 20


async def test_empty_page_with_a_successor(bench: Bench, tenant: Tenant, intruder: Intruder) -> None:
    """An empty page that names a next one is not the end."""
    bench.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")

    async def empty_first(request: web.Request, forward: Forward) -> Reply:
        last = request.query.get("cursor") == "more"
        rows, info = (await tenant.listed(), {}) if last else ([], {"next": "more"})
        page = {"success": True, "errors": [], "messages": [], "result": rows, "result_info": info}
        return Reply(200, json.dumps(page).encode())

    intruder.lie("GET", "/investigate", empty_first)
    await bench.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_slow_search(worker: Bench, tenant: Tenant) -> None:
    """202 with a Location is followed until the page is there."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await tenant.faults({"on": "list", "kind": "202", "polls": 1})
    await worker.once(WORKER_INITIAL_LOOKBACK="600")
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_location_on_another_host(worker: Bench, tenant: Tenant) -> None:
    """A Location elsewhere is not asked, the token does not leave, and the window is kept for later."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await tenant.faults({"on": "list", "kind": "202", "location": "http://localhost:9/steal"})
    await worker.once(1, WORKER_INITIAL_LOOKBACK="600")
    assert await tenant.effects() == {}
    await tenant.faults()
    await worker.once()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_pages_that_are_none(worker: Bench, tenant: Tenant) -> None:
    """A source that answers nonsense fails and recovers, each told once, and loses nothing."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    kinds = ("html", "empty", "success_false", "500", "drop", "429")
    await tenant.faults(*({"on": "list", "kind": kind, "count": 1, "seconds": 0} for kind in kinds))
    daemon = await worker.daemon(WORKER_INITIAL_LOOKBACK="600")
    await daemon.until("action.finished")
    await daemon.stop()
    assert len(daemon.events("poll.page_retried")) >= 4
    assert len(daemon.events("poll.failed")) == len(daemon.events("poll.recovered")) == 1
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
