"""The brake: by command, by file, by signal; in the middle of a backlog, over restarts, without a network."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from random import Random

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, open_tenant

pytestmark = pytest.mark.acceptance

PROMISE = 5.0
"""Seconds after which no request that changes something may start."""
SIDE_BY_SIDE = 6
BACKLOG = 300
RESTARTS = 0.25
"""Share of the pauses after which the worker is killed and started anew."""
EAGER = {
    "WORKER_MOVE_BATCH": "1",
    "WORKER_REQUEST_BUDGET": "1000000",
    "WORKER_CAP_PER_POLL": "100000",
    "WORKER_CAP_PER_HOUR": "100000",
}
"""One message a request, and no other brake: a request is always about to start."""


@pytest.mark.parametrize("how", ["file", "signal"])
async def test_pause_without_a_command(worker: Bench, tenant: Tenant, how: str) -> None:
    """It shows in status, health, metrics and log with who and why, and lasts over a restart until it is lifted."""
    worker.rule("junk", rules.JUNK)
    health = {"WORKER_HTTP_BIND": "127.0.0.1:0"}
    daemon = await worker.daemon(**health)
    file = worker.folder / "PAUSE"
    if how == "file":
        file.write_text("odd moves at 3")
    else:
        daemon.signal(signal.SIGUSR1)
    await daemon.until("pause.on", how=how)
    if how == "signal":
        daemon.signal(signal.SIGUSR1)  # the second one does not let go
        await daemon.until("service.signal", times=2)
    assert '"paused": true' in await daemon.page("/readyz")
    assert "worker_paused 1.0" in await daemon.page("/metrics")
    (message,) = await tenant.mail("MALICIOUS")
    await daemon.until("plan.closed")
    await daemon.kill()
    daemon = await worker.daemon(**health)
    status = await worker.status()
    assert (status["paused"], status["pause"]["how"]) == (True, how)
    told = (await worker.run("status")).out
    assert ("odd moves at 3" if how == "file" else "SIGUSR1 to process") in told
    await asyncio.sleep(1.2)
    assert await tenant.requests("POST") == []
    if how == "file":
        assert (await worker.run("resume")).code == 1
        file.unlink()
    else:
        assert (await worker.run("resume")).code == 0
    await daemon.until("action.finished")
    await daemon.until("pause.off")
    assert '"paused": false' in await daemon.page("/readyz")
    await daemon.stop()
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    kinds = [record["kind"] for record in await worker.audit()]
    assert kinds.count("pause") == (1 if how == "file" else 2)
    assert kinds.count("resume") == 1


async def test_once_obeys_the_file(worker: Bench, tenant: Tenant) -> None:
    """`run --once` polls and decides, and leaves what it may not send ready."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    (worker.folder / "PAUSE").touch()
    await worker.once()
    assert await worker.states() == {"ready": 1}
    assert await tenant.requests("POST") == []


async def flip(worker: Bench, daemon: Process, how: str) -> float:
    """Pauses; when that was done, as the tenant's journal counts time."""
    if how == "command":
        assert (await worker.run("pause", "--reason", "drill")).code == 0
    elif how == "file":
        (worker.folder / "PAUSE").touch()
    else:
        daemon.signal(signal.SIGUSR1)
    return time.time()


async def let_go(worker: Bench) -> None:
    """Whatever holds the brake lets go."""
    (worker.folder / "PAUSE").unlink(missing_ok=True)
    assert (await worker.run("resume")).code == 0


async def drill(worker: Bench, flips: int, random: Random) -> tuple[int, list[float]]:
    """Pauses at random moments of a backlog: how often it was acting then, and how much too late any request was."""
    worker.rule("junk", rules.on_verdict("MALICIOUS", rules.to("JunkEmail"), caps="Caps(100000, 100000)"))
    acting, late = 0, []
    async with open_tenant(latency=0.03, limit=10_000_000) as tenant:
        connect(worker, tenant)
        daemon = await worker.daemon(**EAGER)
        for _ in range(flips):
            sent = len(daemon.events("call.submitted"))
            await tenant.mail(*["MALICIOUS"] * BACKLOG)
            await daemon.until("call.submitted", times=sent + 1)
            await asyncio.sleep(random.uniform(0.0, 2.0))
            told = len(daemon.events("pause.on"))
            paused = await flip(worker, daemon, random.choice(["command", "file", "signal"]))
            if random.random() < RESTARTS:
                # A signal is in force at once, and lasts from when it is told of.
                await daemon.until("pause.on", times=told + 1)
                await daemon.kill()
                daemon = await worker.daemon(**EAGER)
            await asyncio.sleep(PROMISE + 1.0)
            posts = [one["at"] for one in await tenant.requests("POST")]
            acting += any(paused - 1.0 < at < paused + 1.0 for at in posts)
            late += [at - paused for at in posts if at > paused + PROMISE]
            resumed = len(daemon.events("pause.off"))
            await let_go(worker)
            await daemon.until("pause.off", times=resumed + 1)
        await daemon.kill()
    return acting, late


async def drill_all(make_bench: MakeBench, flips: int, seed: int) -> None:
    """So many flips over workers side by side."""
    each = [flips // SIDE_BY_SIDE + (number < flips % SIDE_BY_SIDE) for number in range(SIDE_BY_SIDE)]
    drills = [drill(make_bench(), count, Random(seed + number)) for number, count in enumerate(each)]
    results = await asyncio.gather(*drills)
    late = [seconds for _, found in results for seconds in found]
    acting = sum(count for count, _ in results)
    print(f"{flips} pauses, {acting} of them while it was acting, seed {seed}")  # noqa: T201 - the soak's result
    assert late == [], f"seed {seed}"
    assert acting > flips * 0.8, f"seed {seed}: a pause of an idle worker proves nothing"


@pytest.mark.slow
async def test_a_pause_at_a_random_moment_stops_all_within_its_time(make_bench: MakeBench) -> None:
    """Promise 13, by the tenant's own journal: in the middle of a backlog, by any way, over kills."""
    await drill_all(make_bench, 12, seed=13)


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_a_pause_at_two_hundred_random_moments(make_bench: MakeBench) -> None:
    """The same, as long as PAUSES says."""
    await drill_all(make_bench, int(os.environ.get("PAUSES", "200")), seed=int(time.time()))
