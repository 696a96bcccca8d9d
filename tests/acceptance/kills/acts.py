"""What happens around a worker while it lives: each act is one kind of trouble, and reaches other lines of the code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tests.acceptance.bench import Process, until
from tests.acceptance.kills.stage import Stage
from worker.ports import Kept
from worker.store import flags

NOWHERE = "http://127.0.0.1:1/client/v4"
ANN, BOB = "ann@corp.example", "bob@corp.example"
WRITES = ("move", "release", "reclassify")
LOSSES: tuple[dict[str, Any], ...] = tuple(
    {"on": on, "kind": kind, "after": after, "probability": 0.1}
    for on in WRITES
    for kind, after in (("drop", True), ("drop", False), ("500", True))
)
"""Answers that are lost before and after their effect."""


async def nothing(*_: object) -> None:
    """No trouble of this kind."""


def every(kind: str, *on: str, **more: Any) -> tuple[dict[str, Any], ...]:
    """The same fault for each of these endpoints."""
    return tuple({"on": one, "kind": kind, **more} for one in on)


@dataclass(frozen=True)
class Act:
    """One life of the worker, until it is killed or `seconds` have passed."""

    before: Callable[[Stage], Awaitable[None]] = nothing
    meanwhile: Callable[[Stage, Process], Coroutine[Any, Any, None]] = nothing
    faults: tuple[dict[str, Any], ...] = LOSSES
    breaks: tuple[str, ...] = ()
    command: tuple[str, ...] = ("run",)
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    seconds: float = 1.5


async def paused(stage: Stage) -> None:
    """What is decided from now on waits."""
    stage.pause()


async def resumed(stage: Stage, process: Process) -> None:
    """What waited goes on as soon as there is something."""
    await told(process, "plan.closed")
    stage.resume()


async def the_world_moves_on(stage: Stage, process: Process) -> None:
    """While the worker waits, verdicts change, analysts move mail, messages vanish, and all that it knows grows old."""
    await told(process, "plan.closed")
    for message in stage.some("SPOOF"):
        await stage.tenant.verdict(message, "MALICIOUS")
        stage.mail[message] = "MALICIOUS"
    for message, folder in zip(stage.some("MALICIOUS"), ("JunkEmail", "Inbox"), strict=False):
        await stage.tenant.analyst_moves(message, folder)
    for message in (*stage.some("UNKNOWN", 1), *stage.some("SPAM", 1)):
        await stage.tenant.vanish(message)
        del stage.mail[message]
    stage.grow_old()
    stage.resume()


async def aged(stage: Stage) -> None:
    """What is ready was read too long ago."""
    await stage.decide_only()
    stage.grow_old()


async def all_vanish(stage: Stage, process: Process) -> None:
    """Messages are gone before the call that names them, all of them: the vendor refuses the call."""
    await told(process, "plan.closed")
    for message in [*stage.some("SUSPICIOUS", 99), *stage.some("BULK", 99)]:
        await stage.tenant.vanish(message)
        del stage.mail[message]
    stage.resume()


async def told(process: Process, event: str, seconds: float = 2.0) -> None:
    """Waits until the worker has logged this, or is dead."""
    with suppress(AssertionError):
        await until(lambda: process.ended or bool(process.events(event)), seconds)


async def stopped_in_flight(_stage: Stage, process: Process) -> None:
    """SIGTERM while answers are on their way."""
    await told(process, "call.submitted")
    process.signal(signal.SIGTERM)


async def locked(stage: Stage, process: Process) -> None:
    """Another process holds the file longer than the worker is patient."""
    await told(process, "service.started")
    await stage.lock_now_and_then(process, 0.3)


async def locked_long(stage: Stage, process: Process) -> None:
    """Another process holds the file, and the worker waits until its claims are too old."""
    await told(process, "service.started")
    await stage.lock_now_and_then(process, 0.9)


async def flood(stage: Stage) -> None:
    """More than fits into a few calls."""
    await stage.deliver(*["MALICIOUS"] * 120, *["SPOOF"] * 9, *["MALICIOUS-BEC"] * 3)


async def crowds(stage: Stage) -> None:
    """Mail to several people, one of whom cannot be reached, and mail to that one alone."""
    for people in ([ANN, BOB], [BOB]):
        stage.disturbed.update(await stage.deliver("MALICIOUS", "SPAM", client_recipients=people))
    # What no mailbox holds: a sweep counts it, and leaves it.
    await stage.deliver("EXTERNAL", delivery_status=["quarantined"], is_quarantined=True)


async def tired(stage: Stage) -> None:
    """What is ready has been sent four times in vain."""
    await stage.decide_only()
    stage.wear_out(4)


async def lost_and_gone(stage: Stage, process: Process) -> None:
    """Messages vanish after they were acted on and before that is read back."""
    await told(process, "call.lost")
    for verdict in ("MALICIOUS", "SPAM", "SPOOF"):
        for message in stage.some(verdict, 2):
            await stage.tenant.vanish(message)
            del stage.mail[message]


async def approvals(stage: Stage) -> None:
    """A person has said yes to what waits."""
    stage.decide_as_a_person(last=False)


async def hunted(stage: Stage) -> None:
    """A message whose siblings are to go too."""
    await stage.deliver("HUNTED", "ALIKE", "ALIKE", edf_hash="4a1f" * 16)


async def blind(stage: Stage) -> None:
    """What a playbook needs could not be fetched, and can be now."""
    await stage.tenant.faults(*every("500", "trace"))
    await stage.decide_only()
    stage.make_due()


async def mood(stage: Stage) -> None:
    """A playbook fails, and a file cannot be loaded: for the second time."""
    stage.write_rules("moody")
    await stage.decide_only()
    await stage.deliver("BULK", "NONE")


async def sulk(stage: Stage) -> None:
    """A playbook fails so often that it is not asked any more."""
    stage.write_rules("sulking")
    await stage.deliver(*["BULK"] * 14)


async def cheer(stage: Stage) -> None:
    """A playbook that was not asked any more would not fail now."""
    await sulk(stage)
    await stage.decide_only()
    stage.write_rules("cheered")
    stage.make_due()


async def strangers(stage: Stage) -> None:
    """Ready and unanswered actions are of a kind that this version does not know."""
    await stage.disguise()
    await stage.tenant.faults(*every("drop", "move", after=True))
    sent = await stage.bench.start("run", WORKER_READ_BACK_DELAY="60")
    await told(sent, "call.lost", 10.0)
    # Until that is written down.
    await asyncio.sleep(0.5)
    await sent.kill()
    stage.disguise_unknown()


async def pardoned(stage: Stage) -> None:
    """A playbook is not in quarantine any more, and has not been asked about what came meanwhile."""
    await sulk(stage)
    await stage.decide_only()
    stage.write_rules("cheered")
    stage.store(flags.forget, Kept.QUARANTINE)


async def relapsed(stage: Stage) -> None:
    """The same, and it fails as before."""
    await sulk(stage)
    await stage.deliver(*["BULK"] * 14)
    await stage.decide_only()
    stage.store(flags.forget, Kept.QUARANTINE)


async def mended(stage: Stage) -> None:
    """Playbooks that failed are as they should be, after mail that they failed on."""
    await mood(stage)
    await stage.decide_only()
    stage.write_rules()


async def lost_file(stage: Stage) -> None:
    """Events wait for a file that could not be loaded and is gone now."""
    lost = stage.bench.rule("lost", "def (")
    await stage.deliver("SPOOF")
    await stage.decide_only()
    lost.unlink()


async def changed(stage: Stage, process: Process) -> None:
    """The rules folder changes while a page waits for what a playbook needs; then to what cannot be loaded."""
    await told(process, "service.started")
    # Until the folder is watched: it would be looked at after five seconds only.
    await asyncio.sleep(1.0)
    stage.write_rules("cheered")
    await told(process, "playbooks.reloaded", 10.0)
    stage.write_rules("moody")
    await told(process, "playbook.refused", 5.0)
    stage.write_rules()


async def promoted(stage: Stage, process: Process) -> None:
    """A playbook loses its level and gets it back, another gets one and is another version then."""
    await told(process, "plan.closed")
    for order in (("demote", "moody"), ("promote", "moody"), ("promote", "timid")):
        level = ("--to", "approve") if order[0] == "demote" else ("--to", "enforce", "--force")
        await stage.bench.run(*order, *level, "--reason", "test")
        await asyncio.sleep(0.3)
    stage.write_rules("cheered")
    await told(process, "playbook.promotion_outdated", 10.0)


async def trial_over(stage: Stage) -> None:
    """What a trial in shadow mode would have done is taken up."""
    await stage.decide_only(WORKER_MODE="shadow")


async def broken(stage: Stage) -> None:
    """So many calls were refused that a breaker is open, and it is time for its probe."""
    # Alone: others of the kind that work would come between the refusals.
    await (await stage.bench.start("run", "--once")).wait(60)
    gone = await stage.deliver(*["SPOOF"] * 8)
    await stage.decide_only()
    for message in gone:
        await stage.tenant.vanish(message)
        del stage.mail[message]
    await (await stage.bench.start("run", "--once")).wait(60)
    await stage.deliver("SPOOF", "SPOOF")
    await stage.decide_only()
    stage.make_due()


async def broken_long_ago(stage: Stage) -> None:
    """The same, and what the probe would be has to be looked at before."""
    await broken(stage)
    stage.grow_old()


async def second_sight(stage: Stage, process: Process) -> None:
    """Verdicts change while the worker polls."""
    await told(process, "plan.closed")
    for message in [*stage.some("SPOOF"), *stage.some("SUSPICIOUS")]:
        await stage.tenant.verdict(message, "UNKNOWN")
        stage.mail[message] = "UNKNOWN"


def _env(**values: str) -> Mapping[str, str]:
    return MappingProxyType(values)


ACTS: dict[str, Act] = {
    "plain": Act(),
    "flood": Act(before=flood, env=_env(WORKER_MOVE_BATCH="10")),
    "deaf": Act(faults=every("drop", *WRITES, after=True)),
    "dumb": Act(before=tired, faults=every("drop", *WRITES), seconds=5.0),
    "gone": Act(meanwhile=lost_and_gone, faults=every("drop", *WRITES, after=True), seconds=3.0),
    "liar": Act(faults=(*every("html", *WRITES, after=True, count=2), *every("empty", *WRITES, count=1))),
    "limited": Act(faults=every("429", "move", "reclassify", "list", seconds=0, count=2)),
    "limited-meanwhile": Act(faults=every("429", "reclassify", seconds=1, count=2), breaks=("hesitates",)),
    "dawdling": Act(breaks=("dawdles_once",), seconds=4.0),
    "unwilling": Act(breaks=("unwilling_store",), seconds=2.5),
    "refused": Act(faults=every("401", *WRITES, count=2)),
    "partial": Act(before=crowds, faults=every("partial", "move", "release", recipients=[BOB])),
    "half-heard": Act(
        before=crowds,
        faults=every("partial", "move", "release", recipients=[BOB]),
        breaks=("mumbles",),
        seconds=2.5,
    ),
    "unreadable": Act(
        before=paused,
        meanwhile=the_world_moves_on,
        faults=(
            *every("drop", *WRITES, count=1),
            *every("500", "action_log", "list", probability=0.4),
            *every("html", "get", probability=0.3),
        ),
        seconds=2.5,
    ),
    "moved-on": Act(
        before=paused, meanwhile=the_world_moves_on, env=_env(WORKER_POLL_INTERVAL="30"), seconds=2.5
    ),
    "vanished": Act(before=paused, meanwhile=all_vanish, faults=(), seconds=2.0),
    "blind": Act(faults=(*LOSSES, *every("500", "trace"))),
    "still-blind": Act(before=blind, faults=every("500", "trace"), seconds=2.0),
    "seeing-again": Act(before=blind, seconds=2.0),
    "second-sight": Act(meanwhile=second_sight),
    "locked": Act(meanwhile=locked, breaks=("impatient",), seconds=3.0),
    "unreachable": Act(before=Stage.decide_only, env=_env(CLOUDFLARE_BASE_URL=NOWHERE), seconds=1.0),
    "approving": Act(env=_env(WORKER_MODE="approve"), seconds=1.0),
    "approved": Act(before=approvals),
    "trial": Act(env=_env(WORKER_MODE="shadow"), seconds=1.0),
    "changed": Act(meanwhile=changed, faults=(*LOSSES, *every("slow", "trace", seconds=5.0)), seconds=10.0),
    "promoted": Act(meanwhile=promoted, seconds=9.0),
    "trial-over": Act(before=trial_over, seconds=2.0),
    "broken": Act(before=broken, faults=(), seconds=2.0),
    "broken-old": Act(before=broken_long_ago, faults=(), seconds=2.0),
    "hunting": Act(before=hunted, seconds=3.0),
    "moody": Act(before=mood),
    "sulking": Act(before=sulk),
    "cheered": Act(before=cheer, seconds=2.0),
    "void": Act(before=Stage.void_approvals),
    "mended": Act(before=mended),
    "clumsy-look": Act(before=paused, meanwhile=the_world_moves_on, breaks=("slip_in_look",), seconds=2.0),
    "clumsy": Act(breaks=("slip_after_sending", "slip_in_read_back"), seconds=2.5),
    "hasty": Act(
        before=flood,
        meanwhile=locked_long,
        faults=every("slow", "move", seconds=0.5, count=3),
        breaks=("hasty",),
        env=_env(WORKER_MOVE_BATCH="3"),
        seconds=4.0,
    ),
    "drained": Act(
        before=flood,
        meanwhile=stopped_in_flight,
        faults=every("slow", *WRITES, after=True, seconds=1.0),
        env=_env(WORKER_DRAIN_TIMEOUT="0.3"),
        seconds=2.0,
    ),
    "stopped": Act(
        before=flood,
        meanwhile=stopped_in_flight,
        faults=every("slow", *WRITES, after=True, seconds=0.3),
        seconds=2.0,
    ),
    "poor": Act(before=Stage.decide_only, env=_env(WORKER_REQUEST_BUDGET="9")),
    "once": Act(command=("run", "--once"), seconds=4.0),
    "once-stopped": Act(
        meanwhile=stopped_in_flight,
        command=("run", "--once"),
        faults=every("slow", *WRITES, after=True, seconds=1.0),
        env=_env(WORKER_DRAIN_TIMEOUT="0.3"),
        seconds=4.0,
    ),
    "stranger": Act(before=Stage.disguise, seconds=1.0),
    "strangers": Act(before=strangers, seconds=2.0),
    "lost-file": Act(before=lost_file, seconds=1.0),
    "pardoned": Act(before=pardoned, seconds=2.0),
    "relapsed": Act(before=relapsed, seconds=2.0),
    "slipping": Act(before=aged, breaks=("slip_in_lane",), seconds=2.0),
    "squinting": Act(before=aged, breaks=("squints",), seconds=3.0),
    "mistimed": Act(faults=every("drop", *WRITES), breaks=("learns_the_time_late",), seconds=2.5),
    "once-refused": Act(command=("run", "--once"), faults=every("401", *WRITES), seconds=3.0),
    "poisoned": Act(faults=(*LOSSES, *every("poison", "list", probability=0.5))),
}
