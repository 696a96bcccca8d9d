"""Move, undo, same folder: what the worker did to a message is taken back by the same worker, once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Process
from tests.acceptance.tenants import Tenant
from worker.model.undoing import REVERSIBLE

pytestmark = pytest.mark.acceptance

NO_VENDOR = {"CLOUDFLARE_BASE_URL": None, "CLOUDFLARE_API_TOKEN": None}
"""`worker undo` needs neither network nor token."""
OUT_OF_THE_INBOX = [("Inbox", to) for to in REVERSIBLE if to != "Inbox"]
ROUTES = [*OUT_OF_THE_INBOX, *((to, REVERSIBLE[index]) for index, (_, to) in enumerate(OUT_OF_THE_INBOX))]
"""Every folder that can be left again is entered from the Inbox, and is where a message has been before a move."""


async def undo(worker: Bench, *arguments: str, code: int = 0) -> Any:
    """What the command says, run beside whatever runs, without the vendor's address and without a token."""
    result = await worker.run("undo", *arguments, "--json", **NO_VENDOR)
    assert result.code == code, result
    return result.json


async def only(worker: Bench, **equal: str) -> dict[str, Any]:
    """The one action with these values."""
    (row,) = await worker.actions(**equal)
    return row


async def settle(daemon: Process, count: int = 3) -> None:
    """Waits until the daemon has polled some more."""
    await daemon.until("poll.completed", times=len(daemon.events("poll.completed")) + 2 * count)


@pytest.mark.parametrize("before, to", ROUTES)
async def test_move_undo_same_folder(worker: Bench, tenant: Tenant, before: str, to: str) -> None:
    """From wherever a message was, through every folder that can be left again, it comes back to where it was.

    Beside the running daemon; a second undo plans nothing; neither polls nor a restart do it again.
    """
    worker.rule("rule", rules.on_verdict("MALICIOUS", rules.to(to)))
    (message,) = await tenant.mail("MALICIOUS")
    if before != "Inbox":
        # A person had moved it: the worker asks before it goes on, and learns where the message is.
        await tenant.analyst_moves(message, before)
    daemon = await worker.daemon()
    if before != "Inbox":
        await daemon.until("action.held")
        assert (await worker.run("actions", "approve", (await only(worker))["id"])).code == 0
    await daemon.until("action.finished", state="succeeded")
    one = (await only(worker))["id"]
    assert await tenant.folder(message) == to
    planned = (await undo(worker, one))["planned"]
    assert [(row["undoes"], row["from"], row["to"]) for row in planned] == [(one, to, before)]
    assert planned[0]["known"] is (before != "Inbox")
    await daemon.until("action.finished", action_id=planned[0]["id"], state="succeeded")
    assert await tenant.folder(message) == before
    again = await undo(worker, one)
    assert (again["planned"], again["already"][0]["undone_by"]) == ([], planned[0]["id"])
    await settle(daemon)
    await daemon.stop()
    await worker.once()
    assert await tenant.effects() == {("move", message, to): 1, ("move", message, before): 1}
    await worker.audit()


async def test_what_was_undone_stays_so(worker: Bench, tenant: Tenant) -> None:
    """A changed verdict under which the playbook wants the same again, and a rule that wants more: neither is done."""
    wants = 'message.final_disposition in ("MALICIOUS", "SPOOF")'
    worker.rule("rule", rules.rule(wants, rules.to("JunkEmail")))
    worker.rule("later", rules.on_verdict("SPOOF", rules.to("DeletedItems"), name="later"))
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    await undo(worker, (await only(worker))["id"])
    await worker.once()
    assert await tenant.folder(message) == "Inbox"
    await tenant.verdict(message, "SPOOF")
    await worker.once()
    await worker.once()
    assert await tenant.folder(message) == "Inbox"
    held = await only(worker, state="held")
    assert (held["playbook"], "a person has it put back" in held["error"]) == ("later", True)


async def test_the_page_for_three_in_the_morning(worker: Bench, tenant: Tenant) -> None:
    """Demote, undo, mend, promote: the undo goes out although its playbook may not act, and nothing is moved again."""
    worker.rule("junk", rules.JUNK)
    (moved,) = await tenant.mail("MALICIOUS")
    daemon = await worker.daemon()
    await daemon.until("action.finished", state="succeeded")
    assert (await worker.run("demote", "junk", "--reason", "3 a.m.")).code == 0
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", state="shadowed")
    assert len((await undo(worker, "--playbook", "junk", "--since", "2h", "--dry-run"))["planned"]) == 1
    await undo(worker, "--playbook", "junk", "--since", "2h")
    await daemon.until("action.finished", times=2, state="succeeded")
    assert await tenant.folder(moved) == "Inbox"
    for _ in ("approve", "enforce"):
        assert (await worker.run("promote", "junk", "--reason", "mended", "--force")).code == 0
    await settle(daemon)
    assert await tenant.folder(moved) == "Inbox"
    await daemon.stop()


async def test_an_undo_waits_for_the_vendors_log(make_bench: Any) -> None:
    """Before the log shows the worker's own move nobody knows where the message is: the undo waits for it."""
    from tests.acceptance.conftest import connect  # noqa: PLC0415 - only here
    from tests.acceptance.tenants import open_tenant  # noqa: PLC0415 - only here

    async with open_tenant(action_log_lag=1.5) as tenant:
        worker = make_bench()
        connect(worker, tenant)
        worker.rule("junk", rules.JUNK)
        (message,) = await tenant.mail("MALICIOUS")
        daemon = await worker.daemon(WORKER_READ_BACK_DELAY="1")
        await daemon.until("action.finished", state="succeeded")
        planned = (await undo(worker, (await only(worker))["id"]))["planned"]
        await daemon.until("action.finished", action_id=planned[0]["id"], state="succeeded")
        assert await tenant.folder(message) == "Inbox"


async def test_somebody_moved_it_meanwhile(worker: Bench, tenant: Tenant) -> None:
    """The message is where a person put it: the undo is held for one, and rejected it leaves the message there."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    one = (await only(worker))["id"]
    await tenant.analyst_moves(message, "DeletedItems")
    (planned,) = (await undo(worker, one))["planned"]
    await worker.once()
    held = await only(worker, state="held")
    assert (held["id"], "moved to DeletedItems by" in held["error"]) == (planned["id"], True)
    assert await tenant.folder(message) == "DeletedItems"
    assert (await worker.run("actions", "reject", planned["id"])).code == 0
    assert "rejected by a person" in (await undo(worker, one, code=1))["refused"][0]["why"]
    await worker.once()
    assert await tenant.folder(message) == "DeletedItems"


async def test_a_lost_answer_of_an_undo_is_read_back(worker: Bench, tenant: Tenant) -> None:
    """It is an action like any other: without an answer it is looked for, not sent again."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    await undo(worker, (await only(worker))["id"])
    await tenant.faults({"on": "move", "kind": "drop", "after": True, "count": 1})
    await worker.once()
    assert await worker.states() == {"succeeded": 2}
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1, ("move", message, "Inbox"): 1}


async def test_a_whole_plan_and_a_playbook_over_time(worker: Bench, tenant: Tenant) -> None:
    """A bad rule is taken back as a whole, in two parts here; the other playbook's work stays."""
    worker.rule("junk", rules.JUNK)
    worker.rule("trash", rules.on_verdict("SPAM", rules.to("DeletedItems"), name="trash"))
    first = await tenant.mail("MALICIOUS", "MALICIOUS", "SPAM")
    await worker.once()
    (plan,) = {row["plan_id"] for row in await worker.actions(playbook="junk")}
    dry = await undo(worker, "--plan", plan, "--dry-run")
    assert [row["id"] for row in dry["planned"]] == [None, None]
    assert dry["plan_id"] is None
    assert len(await worker.actions()) == 3
    done = await undo(worker, "--plan", plan)
    assert [row["undoes"] for row in done["planned"]] == [row["undoes"] for row in dry["planned"]]
    second = await tenant.mail("MALICIOUS")
    await worker.once()
    assert [await tenant.folder(one) for one in first] == ["Inbox", "Inbox", "DeletedItems"]
    rest = await undo(worker, "--playbook", "junk", "--since", "1h")
    assert (len(rest["planned"]), len(rest["already"])) == (1, 2)
    await worker.once()
    assert [await tenant.folder(one) for one in (*first, *second)] == [
        "Inbox", "Inbox", "DeletedItems", "Inbox",
    ]  # fmt: skip
    assert (await undo(worker, "--playbook", "junk", "--since", "1h"))["planned"] == []
    assert (await undo(worker, "--playbook", "junk", "--since", "2h", "--until", "1h"))["planned"] == []


@pytest.mark.parametrize("mode, state", [("approve", "held"), ("shadow", "shadowed")])
async def test_no_undo_beyond_the_mode(worker: Bench, tenant: Tenant, mode: str, state: str) -> None:
    """Under approve it is confirmed like any action, under shadow nothing is sent and the command says so."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    await worker.once(WORKER_MODE=mode)
    worker.env.pop("WORKER_MODE")
    one = (await only(worker))["id"]
    told = await undo(worker, one, code=1 if mode == "shadow" else 0)
    assert [row["state"] for row in told["planned"]] == [state]
    assert any(
        ("WORKER_MODE is shadow" if mode == "shadow" else "approve --plan") in hint for hint in told["hints"]
    )
    if mode == "approve":
        assert (await worker.run("actions", "approve", "--plan", told["plan_id"])).code == 0
    await worker.once(WORKER_MODE=mode)
    assert await tenant.folder(message) == ("JunkEmail" if mode == "shadow" else "Inbox")


async def test_an_undo_waits_for_the_end_of_a_pause(worker: Bench, tenant: Tenant) -> None:
    """It is planned, says that it waits, and survives a restart."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    assert (await worker.run("pause")).code == 0
    told = await undo(worker, (await only(worker))["id"])
    assert any("paused" in hint for hint in told["hints"])
    await worker.once()
    assert await tenant.folder(message) == "JunkEmail"
    assert (await worker.run("resume")).code == 0
    await worker.once()
    assert await tenant.folder(message) == "Inbox"


async def test_a_move_for_some_recipients_only_is_undone(worker: Bench, tenant: Tenant) -> None:
    """It failed, names who was left out, and had an effect: that one is taken back."""
    worker.rule("junk", rules.JUNK)
    both = ["ann@corp.example", "bob@corp.example"]
    (message,) = await tenant.mail("MALICIOUS", client_recipients=both)
    await tenant.faults({"on": "move", "kind": "partial", "count": 1, "recipients": ["bob@corp.example"]})
    await worker.once()
    one = await only(worker, state="failed")
    assert "bob@corp.example" in one["error"]
    await undo(worker, one["id"])
    await worker.once()
    assert await tenant.folder(message) == "Inbox"
    assert await worker.states() == {"failed": 1, "succeeded": 1}


async def test_what_cannot_be_undone_is_said_before_and_after(worker: Bench, tenant: Tenant) -> None:
    """By the list and by `show` while it is held, by `approve`, and by `undo`, with exit code 1."""
    worker.rule("release", rules.RELEASE)
    await tenant.quarantine()
    await worker.once(WORKER_MODE="approve")
    one = (await only(worker))["id"]
    assert "impossible" in (await worker.run("actions", "list", "--state", "held")).out
    assert "impossible: released mail" in (await worker.run("actions", "show", one)).out
    assert "cannot be undone" in (await worker.run("actions", "approve", one)).out
    await worker.once()
    refused = await worker.run("undo", one, **NO_VENDOR)
    assert (refused.code, "cannot be undone: released mail" in refused.out) == (1, True)
    assert len(await tenant.requests("POST")) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("one", "--plan", "p"),
        ("--plan", "p", "--since", "1h"),
        ("--playbook", "junk"),
        ("--playbook", "junk", "--since", "yesterday"),
        ("--playbook", "junk", "--since", "2026-11-01T08:00"),
        ("one", "--to", "RecoverableItemsPurges"),
    ],
)
async def test_wrong_usage(worker: Bench, tenant: Tenant, arguments: tuple[str, ...]) -> None:
    """Nothing unbounded, nothing ambiguous: exit code 2 and one line."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    result = await worker.run("undo", *arguments, **NO_VENDOR)
    assert (result.code, result.err.count("\n"), result.out) == (2, 1, "")


async def test_a_plan_that_is_none_is_said_to_be_none(worker: Bench, tenant: Tenant) -> None:
    """A slip of the hand must not look like a plan that had nothing to undo."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once()
    (action,) = await worker.actions()
    slipped = await worker.run("undo", "--plan", action["plan_id"][:-1])
    assert (slipped.code, slipped.out) == (2, "")
    assert f"there is no plan {action['plan_id'][:-1]}" in slipped.err
    assert (await worker.run("undo", "--plan", action["plan_id"], "--dry-run")).code == 0


async def test_what_was_only_shadowed_has_nothing_to_undo(worker: Bench, tenant: Tenant) -> None:
    """It is listed, so it is known; a plan's shadowed actions are worth no word."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once(WORKER_MODE="shadow")
    (action,) = await worker.actions()
    told = await worker.run("undo", action["id"])
    assert told.code == 1
    assert f"{action['id']}: is shadowed: it changed nothing that could be undone" in told.out
