"""What was read more than a minute ago is read again before acting: in bulk, and nobody's decision is overruled."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.conftest import connect
from tests.acceptance.tenants import Tenant, ago, open_tenant

pytestmark = pytest.mark.acceptance

MINUTE_AND_MORE = 61.0
BEYOND_THE_OVERLAP = 3000.0
"""Seconds of age at which no later poll lists a message, so that only looks before acting do."""
POLL = 1
"""The list of the poll with which the run that goes on begins."""
ROOMY = "Caps(per_poll=5000, per_hour=5000)"
JUNK = rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), name="junk", caps=ROOMY)
ASK = rules.on_verdict("SPOOF", 'Reclassify(message, to="NONE", reason="test")', name="ask", caps=ROOMY)


async def decide(worker: Bench) -> None:
    """Everything is decided and ready, nothing is sent; then a minute passes."""
    assert (await worker.run("pause")).code == 0
    await worker.once()
    grow_old(worker, MINUTE_AND_MORE)


async def go_on(worker: Bench, tenant: Tenant) -> Counter[str]:
    """What waited goes on, to its end; returns the requests that this took, by endpoint."""
    before = len(await tenant.requests())
    assert (await worker.run("resume")).code == 0
    await worker.once()
    return Counter(one["endpoint"] for one in (await tenant.requests())[before:])


def grow_old(worker: Bench, seconds: float) -> None:
    """What was seen becomes older, as if the time had passed."""
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute("UPDATE actions SET verified_at = verified_at - ?", (seconds,))


async def old_mail(tenant: Tenant, verdict: str, count: int, apart: float = 1.0) -> list[str]:
    """So many messages, so many seconds apart."""
    now = time.time()
    found: list[str] = []
    for number in range(count):
        found += await tenant.mail(verdict, scanned_at=ago(BEYOND_THE_OVERLAP + apart * number, now))
    return found


async def states(worker: Bench) -> dict[str, set[str]]:
    """The messages by the state of their only action."""
    found: dict[str, set[str]] = {}
    for row in await worker.actions():
        found.setdefault(row["state"], set()).add(row["message_id"])
    return found


async def test_the_world_moves_on(worker: Bench, tenant: Tenant) -> None:
    """Already there and gone: skipped; elsewhere: held; another verdict: decided anew. Not one wrong request."""
    worker.rule("junk", JUNK)
    worker.rule("ask", ASK)
    mail = await old_mail(tenant, "MALICIOUS", 25)
    there, elsewhere, gone, changed, left = (set(mail[n::5]) for n in range(5))
    await decide(worker)
    for message in there:
        await tenant.analyst_moves(message, "JunkEmail")
    for message in elsewhere:
        await tenant.analyst_moves(message, "Inbox")
    for message in gone:
        await tenant.vanish(message)
    for message in changed:
        await tenant.verdict(message, "SPOOF")
    await go_on(worker, tenant)
    moves = {row["message_id"]: row for row in await worker.actions(kind="move")}
    assert {one for one, row in moves.items() if row["state"] == "succeeded"} == left
    assert {one for one, row in moves.items() if row["state"] == "held"} == elsewhere
    assert all(moves[one]["error"].startswith("moved to Inbox by analyst") for one in elsewhere)
    why = {one: row["error"] for one, row in moves.items() if row["state"] == "skipped"}
    assert why.keys() == there | gone | changed
    assert {why[one] for one in there} == {"already in JunkEmail"}
    assert {why[one] for one in gone} == {"the message is gone"}
    assert all("the verdict changed to SPOOF" in why[one] for one in changed)
    asked = await worker.actions(kind="reclassify")
    assert {(row["message_id"], row["state"]) for row in asked} == {(one, "succeeded") for one in changed}
    wanted = {("move", one, "JunkEmail"): 1 for one in left}
    assert await tenant.effects() == wanted | {("reclassify", one, "NONE"): 1 for one in changed}


async def test_an_analyst_whose_move_the_log_shows_late_was_first(make_bench: Callable[[], Bench]) -> None:
    """The row shows at once that it was moved, the log a moment later where to: no request, and nobody has to decide."""
    async with open_tenant(action_log_lag=1.0) as tenant:
        worker = make_bench()
        connect(worker, tenant)
        worker.rule("junk", JUNK)
        there, elsewhere = await tenant.mail("MALICIOUS", "MALICIOUS")
        await tenant.analyst_moves(there, "JunkEmail")
        await tenant.analyst_moves(elsewhere, "Inbox")
        await worker.once(WORKER_READ_BACK_DELAY="1.5")
        states = {row["message_id"]: (row["state"], row["error"]) for row in await worker.actions()}
        assert states[there] == ("skipped", "already in JunkEmail")
        assert states[elsewhere][0] == "held"
        assert states[elsewhere][1].startswith("moved to Inbox by analyst")
        assert await tenant.effects() == {}


@pytest.mark.parametrize("source, posts", [(JUNK, 1), (ASK, 120)])
async def test_many_are_read_in_one_list(worker: Bench, tenant: Tenant, source: str, posts: int) -> None:
    """120 messages of two minutes cost one list, and none is asked for by its id; kinds without a bulk call too."""
    worker.rule("rule", source)
    await old_mail(tenant, "MALICIOUS" if source == JUNK else "SPOOF", 120)
    await decide(worker)
    requests = await go_on(worker, tenant)
    assert requests["list"] == POLL + 1
    assert requests["get"] == requests["action_log"] == 0
    assert requests["move"] + requests["reclassify"] == posts
    assert len((await states(worker))["succeeded"]) == 120


async def test_messages_of_different_days_are_read_in_a_list_each(worker: Bench, tenant: Tenant) -> None:
    """What lies far apart is not read together: nobody lists the hours between."""
    worker.rule("junk", JUNK)
    await old_mail(tenant, "MALICIOUS", 6, apart=3000.0)
    await decide(worker)
    requests = await go_on(worker, tenant)
    assert requests["list"] == POLL + 6
    assert requests["get"] == 0
    assert len((await states(worker))["succeeded"]) == 6


async def test_a_dense_day_is_read_in_pages(worker: Bench, tenant: Tenant) -> None:
    """2,500 messages around the wanted ones: three pages rather than one request for each."""
    worker.rule("junk", JUNK)
    now = time.time()
    rows = [
        {"final_disposition": "NONE", "scanned_at": ago(BEYOND_THE_OVERLAP + n / 10, now)}
        for n in range(2500)
    ]
    await tenant.rows(*rows)
    await old_mail(tenant, "MALICIOUS", 60, apart=4.0)
    await decide(worker)
    requests = await go_on(worker, tenant)
    assert requests["list"] <= POLL + 3
    assert requests["get"] == 0
    assert len((await states(worker))["succeeded"]) == 60


async def test_what_was_read_just_now_is_not_read_again(worker: Bench, tenant: Tenant) -> None:
    """The poll's own row is proof enough for a minute."""
    worker.rule("junk", JUNK)
    await old_mail(tenant, "MALICIOUS", 30)
    await worker.once()
    polled = Counter(one["endpoint"] for one in await tenant.requests())
    assert polled["get"] == polled["action_log"] == 0
    assert polled["list"] <= 3  # the first window's slices
    assert polled["move"] == 1


async def test_a_release_that_an_analyst_made_first(worker: Bench, tenant: Tenant) -> None:
    """Mail that left the quarantine meanwhile is not released a second time."""
    worker.rule("release", rules.RELEASE)
    now = time.time()
    caught = await tenant.quarantine(20, scanned_at=ago(BEYOND_THE_OVERLAP, now))
    await decide(worker)
    for message in caught[::2]:
        await tenant.release(message)
    before = len(await tenant.requests("POST"))
    requests = await go_on(worker, tenant)
    assert len(await tenant.requests("POST")) == before + 1
    assert (requests["list"], requests["get"]) == (POLL + 1, 0)
    found = await states(worker)
    assert (found["skipped"], found["succeeded"]) == (set(caught[::2]), set(caught[1::2]))
    assert await tenant.effects() == {("release", one, ""): 1 for one in caught}
