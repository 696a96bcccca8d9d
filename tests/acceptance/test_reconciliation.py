"""After a run with faults the three books agree, one to one: the ledger, the audit log, the vendor's own journal."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.books import Books
from tests.acceptance.conftest import MakeBench, connect
from tests.acceptance.tenants import Tenant, open_tenant
from tests.store.test_ocsf import VALIDATOR

pytestmark = pytest.mark.acceptance

PEOPLE = ["ann@corp.example", "bob@corp.example"]
SEEDS = range(int(os.environ.get("BOOKS_SEED", "0")), int(os.environ.get("BOOKS_SEED", "0")) + 2)


def faults(on: str) -> list[dict[str, Any]]:
    """What can go wrong with a write, before and after its effect."""
    spoiled: list[dict[str, Any]] = [
        {"kind": "drop", "after": True},
        {"kind": "drop", "after": False},
        {"kind": "500", "after": True},
        {"kind": "html", "after": False},
        {"kind": "empty", "after": True},
        {"kind": "success_false", "after": False},
        {"kind": "429", "seconds": 0.2},
        {"kind": "slow", "seconds": 0.3},
    ]
    if on != "reclassify":
        spoiled.append({"kind": "partial", "recipients": PEOPLE[1:]})
    return [{"on": on, "probability": 0.06, **one} for one in spoiled]


async def books(worker: Bench, tenant: Tenant) -> Books:
    """All three, of a worker that has stopped."""
    ledger = await worker.actions()
    return Books(await worker.audit(), ledger, await tenant.requests("POST"), await tenant.deeds())


async def settle(worker: Bench, tenant: Tenant) -> None:
    """Without faults from here on: until nothing is open; a person has looked at what is left to people."""
    await tenant.faults()
    for _ in range(20):
        daemon = await worker.daemon()
        await _idle(worker, daemon)
        await daemon.stop()
        parked = await worker.actions(state="unknown")
        if not parked:
            return
        done = {(one["kind"], one["id"]) for one in await tenant.deeds()}
        for one in parked:
            happened = (one["kind"], one["message_id"]) in done
            command = ("reject", one["id"]) if happened else ("retry", one["id"], "--i-checked")
            assert (await worker.run("actions", *command)).code == 0
    raise AssertionError(await worker.actions(state="unknown"))


async def _idle(worker: Bench, daemon: Process) -> None:
    """Nothing is ready or in flight, and what is unknown waits for a person."""
    for _ in range(200):
        open_states = await worker.states()
        ahead = [one for one in await worker.actions(state="unknown") if "a person" not in one["error"]]
        if not ahead and not {"ready", "submitted"} & open_states.keys() and daemon.events("poll.completed"):
            return
        await asyncio.sleep(0.2)
    raise AssertionError(await worker.states())


async def run(worker: Bench, tenant: Tenant, *, messages: int, kills: int) -> Books:
    """Mail comes while everything goes wrong and the worker is killed again and again; then it settles."""
    worker.rule("junk", rules.JUNK)
    worker.rule("release", rules.RELEASE)
    worker.rule("reclassify", rules.RECLASSIFY)
    worker.env |= {"WORKER_MOVE_BATCH": "4", "WORKER_REQUEST_BUDGET": "100000"}
    await tenant.faults(*(one for on in ("move", "release", "reclassify") for one in faults(on)))
    for _ in range(kills + 1):
        await tenant.mail(*["MALICIOUS", "SPOOF"] * (messages // 3), client_recipients=PEOPLE)
        await tenant.quarantine(messages // 3, client_recipients=PEOPLE)
        daemon = await worker.daemon()
        await daemon.until("call.submitted", times=3)
        await daemon.kill()
    await settle(worker, tenant)
    return await books(worker, tenant)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_books_agree(make_bench: MakeBench, seed: int) -> None:
    """Every write of the journal has its intent, every intent its end, every answer its id, every deed its action."""
    async with open_tenant(seed=seed) as tenant:
        connect(worker := make_bench(), tenant)
        found = await run(worker, tenant, messages=18, kills=2)
        calls = found.agree()
        assert len(found.posts) > 20
        ends = Counter(call.end["body"].get("event", call.end["kind"]) for call in calls)
        assert ends["call.answered"]
        assert ends["call.lost"] + ends["orphaned"] > 3, ends
        assert any(call.number is not None for call in calls)
        exported = await worker.run("audit", "export", "--format", "ocsf")
        attempts = [json.loads(line) for line in exported.out.splitlines()]
        for one in attempts:
            VALIDATOR.validate(one)
        last = {one["command_uid"]: one["unmapped"]["state"] for one in attempts}
        assert {one["id"] for one in found.ledger if one["state"] == "succeeded"} <= {
            action for action, state in last.items() if state == "succeeded"
        }


def test_books_that_do_not_agree() -> None:
    """The comparison itself sees what is missing on either side."""
    intent = {"kind": "intent", "seq": 1, "call_id": "c", "action_id": "a", "body": {}}
    intent["body"] = {"kind": "move", "actions": [["a", "m"]]}
    answered = {"event": "call.answered", "status": 200, "ray": f"{1:016x}-SIM", "error": None}
    outcome = {"kind": "outcome", "seq": 2, "call_id": "c", "action_id": "a"}
    log = [intent, {**outcome, "body": {**answered, "outcomes": [["a", "succeeded", None]]}}]
    post = {"number": 1, "endpoint": "move", "ids": ["m"], "status": 200}
    deed = {"kind": "move", "id": "m", "target": "JunkEmail", "request": 1}
    action = {
        "id": "a", "kind": "move", "message_id": "m", "params": {"destination": "JunkEmail"}, "state": "succeeded",
        "attempts": 1,
    }  # fmt: skip
    Books(log, [action], [post], [deed]).agree()
    wrong = [
        Books(log, [action], [], [deed]),
        Books(log, [action], [post, post | {"number": 2}], [deed]),
        Books(log, [action], [post | {"ids": ["other"]}], [deed]),
        Books(log, [action], [post | {"status": 500}], [deed]),
        Books(log, [action], [post], []),
        Books(log, [action], [post], [deed, deed]),
        Books(log, [action | {"state": "failed"}], [post], [deed]),
        Books(log, [action | {"attempts": 2}], [post], [deed]),
        Books(log[:1], [action], [post], [deed]),
        Books(log[1:], [action], [post], [deed]),
    ]
    for number, one in enumerate(wrong):
        try:
            one.agree()
        except (AssertionError, KeyError):
            continue
        raise AssertionError(f"case {number} passes for whole")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(int(os.environ.get("BOOKS_RUNS", "50"))))
async def test_the_books_agree_over_many_kills(make_bench: MakeBench, seed: int) -> None:
    """The same, longer: ten kills a run."""
    async with open_tenant(seed=1000 + seed) as tenant:
        connect(worker := make_bench(), tenant)
        (await run(worker, tenant, messages=30, kills=10)).agree()
