"""A worker that was stopped between its claim and its request: what grew old meanwhile is not sent."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process, until
from tests.acceptance.kills.points import Point, first_line
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

MARGIN = 2.0
"""Seconds after its claim within which a request has to be sent (FRESH_SECONDS in worker/store/ledger.py)."""


async def start(worker: Bench, *, at: Point | None = None, mistake: str = "") -> Process:
    """A daemon that stops itself at a point, or whose clocks play tricks."""
    worker.module = "tests.acceptance.kills.victim"
    orders = {"VICTIM_SEEN": str(worker.folder / "seen"), "VICTIM_SIGNAL": "STOP", "VICTIM_BREAKS": mistake}
    if at is not None:
        orders["VICTIM_AT"] = str(at)
    try:
        return await worker.start("run", **orders)
    finally:
        worker.module = "worker.__main__"


def is_stopped(process: Process) -> bool:
    """Whether the system says so."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def stop_for(process: Process, seconds: float) -> None:
    """Waits until it has stopped itself, lets time pass, and wakes it."""
    await until(lambda: is_stopped(process))
    await asyncio.sleep(seconds)
    os.kill(process.pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["move", "release", "reclassify"])
async def test_stopped_between_claim_and_request(worker: Bench, tenant: Tenant, kind: str) -> None:
    """SIGSTOP for longer than the margin: the old claim is given back, a new one does the work, once."""
    worker.rule("junk", rules.JUNK)
    worker.rule("release", rules.RELEASE)
    worker.rule("reclassify", rules.RECLASSIFY)
    if kind == "release":
        await tenant.quarantine()
    else:
        await tenant.mail("MALICIOUS" if kind == "move" else "SPOOF")
    daemon = await start(worker, at=first_line("dispatcher.py", "Dispatcher._answer"))
    await stop_for(daemon, MARGIN + 0.2)
    await daemon.until("call.not_sent", kind=kind)
    await daemon.until("action.finished", kind=kind)
    await daemon.stop()
    old, new = [one for one in await worker.audit() if one["kind"] == "intent"]
    (post,) = await tenant.requests("POST")
    assert post["at"] > at(new) >= at(old) + MARGIN
    assert list((await tenant.effects()).values()) == [1]
    (action,) = await worker.actions()
    assert (action["state"], action["attempts"]) == ("succeeded", 1)


async def test_stopped_for_a_moment(worker: Bench, tenant: Tenant) -> None:
    """Within the margin the claim is good."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    daemon = await start(worker, at=first_line("dispatcher.py", "Dispatcher._answer"))
    await stop_for(daemon, 0.3)
    await daemon.until("action.finished")
    assert not daemon.events("call.not_sent")
    assert len(await tenant.requests("POST")) == 1


async def test_stopped_after_the_request(worker: Bench, tenant: Tenant) -> None:
    """An answer that came while the process was stopped is found when it goes on, and settled."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    daemon = await start(worker, at=first_line("dispatcher.py", "Dispatcher._settle"))
    await stop_for(daemon, MARGIN + 0.2)
    await daemon.until("action.finished")
    await daemon.stop()
    assert list((await tenant.effects()).values()) == [1]
    assert await worker.states() == {"succeeded": 1}


@pytest.mark.parametrize("mistake", ["asleep_before_sending", "set_back_before_sending"])
async def test_the_machine_sleeps_between_claim_and_request(
    worker: Bench, tenant: Tenant, mistake: str
) -> None:
    """What was claimed before is not sent after, also where somebody has set the clock back meanwhile."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    daemon = await start(worker, mistake=mistake)
    await daemon.until("call.not_sent")
    assert await tenant.requests("POST") == []
    await daemon.until("action.finished")
    await daemon.stop()
    assert list((await tenant.effects()).values()) == [1]


async def test_the_clock_is_set_between_claim_and_request(worker: Bench, tenant: Tenant) -> None:
    """No time has passed, so nothing has grown old: the claim is sent, once."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    daemon = await start(worker, mistake="set_ahead_before_sending")
    await daemon.until("action.finished")
    await daemon.stop()
    assert not daemon.events("call.not_sent")
    assert list((await tenant.effects()).values()) == [1]


def at(record: dict[str, str]) -> float:
    """When it was written, in seconds since the epoch."""
    return datetime.fromisoformat(record["at"]).timestamp()
