"""Sweeps: the siblings of a confirmed message are found, shown, judged as a whole and moved; late ones in time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

HASH = "4a1f" * 16
CONFIRMED = {"subject": "CONFIRMED", "edf_hash": HASH}
SIBLING = {"edf_hash": HASH}


def sweep(*by: str, mode: str = "enforce", caps: str = "Caps()", window: str = "7d") -> str:
    """A playbook that knows one message of a campaign, and wants its siblings in Junk."""
    action = (
        f"Sweep(message, by={list(by or ('edf_hash',))!r}, window={window!r}, "
        'then=Move(message, to="JunkEmail"), reason="phishing kit")'
    )
    return rules.rule('message.subject == "CONFIRMED"', action, name="kit", mode=mode, caps=caps)


async def campaign(worker: Bench) -> dict[str, Any]:
    """The only campaign, with its members."""
    (row,) = await worker.ask("campaigns", "list", "--json")
    found: dict[str, Any] = await worker.ask("campaigns", "show", row["id"], "--json")
    return found


async def where(tenant: Tenant, messages: list[str]) -> set[str]:
    """The folders that these messages truly are in."""
    return {await tenant.folder(one) for one in messages}


async def test_siblings_are_found_shown_and_moved(worker: Bench, tenant: Tenant) -> None:
    """Whatever else they look like; what the filter has nothing against waits, what no mailbox holds is only counted."""
    worker.rule("rule", sweep())
    (seed,) = await tenant.mail("MALICIOUS", **CONFIRMED)
    siblings = await tenant.mail("SPAM", "SUSPICIOUS", "BULK", **SIBLING)
    (missed,) = await tenant.mail("NONE", **SIBLING, client_recipients=["bob@corp.example"])
    await tenant.quarantine(2, **SIBLING)
    strangers = await tenant.mail("SPAM", "MALICIOUS", edf_hash="77" * 32)
    ran = await worker.once()
    assert await where(tenant, [seed, *siblings]) == {"JunkEmail"}
    assert await where(tenant, [missed, *strangers]) == {"Inbox"}
    assert len(await tenant.requests("POST")) == 1
    told = await campaign(worker)
    assert (told["state"], told["message_id"], told["by"]) == ("open", seed, {"edf_hash": HASH})
    assert [told[name] for name in ("found", "out_of_reach", "benign", "late")] == [7, 2, 1, 0]
    assert told["actions"] == {"succeeded": 4, "held": 1}
    (waiting,) = [one for one in told["members"] if one["state"] == "held"]
    assert (waiting["message_id"], waiting["recipients"]) == (missed, ["bob@corp.example"])
    assert "a person must look" in waiting["why"]
    (line,) = [one for one in ran.events if one["event.action"] == "campaign.frozen"]
    assert (line["worker.siblings"], line["worker.benign"], line["worker.mailboxes"]) == (7, 1, 2)
    (row,) = await worker.actions(kind="sweep")
    assert (row["state"], row["id"], row["params"]["by"]) == ("succeeded", told["id"], {"edf_hash": HASH})


async def test_the_log_says_why_each_is_a_sibling(worker: Bench, tenant: Tenant) -> None:
    """The frozen list is on record before anything is sent, and each move names its campaign and its evidence."""
    worker.rule("rule", sweep())
    (seed, *_) = await tenant.mail("MALICIOUS", **CONFIRMED)
    (sibling,) = await tenant.mail("SPAM", **SIBLING)
    await worker.once()
    told = await campaign(worker)
    records = await worker.audit()
    (frozen,) = [one for one in records if one["kind"] == "campaign"]
    (intent,) = [one for one in records if one["kind"] == "intent"]
    assert frozen["seq"] < intent["seq"]
    assert sorted(frozen["body"]["messages"]) == sorted([seed, sibling])
    assert frozen["body"]["digest"] == told["sha256"]
    (why,) = [one for one in records if one["kind"] == "sibling" and one["message_id"] == sibling]
    assert (why["body"]["campaign"], why["body"]["shared"]) == (told["id"], {"edf_hash": HASH})
    (action,) = await worker.actions(message_id=sibling)
    shown = await worker.ask("actions", "show", action["id"], "--json")
    assert shown["evidence"]["edf_hash"] == HASH
    assert f"sibling of {seed} by edf_hash" in shown["reason"]


async def test_shadow_counts_and_sends_nothing(worker: Bench, tenant: Tenant) -> None:
    """How many there would be, and who, without one request that changes anything; once for the whole campaign."""
    worker.rule("rule", sweep(mode="shadow"))
    await tenant.mail("MALICIOUS", "MALICIOUS", **CONFIRMED)
    await tenant.mail("SPAM", "SPAM", **SIBLING)
    await worker.once()
    told = await campaign(worker)
    assert (told["mode"], told["found"], told["actions"]) == ("shadow", 4, {"shadowed": 4})
    assert await tenant.requests("POST") == []
    worker.rule("rule", sweep(mode="enforce"))
    await worker.once()
    acting, trial = await worker.ask("campaigns", "list", "--json")
    assert (acting["mode"], acting["actions"], trial["state"]) == ("live", {"succeeded": 4}, "ended")
    assert len(await tenant.effects("move")) == 4


async def test_approval_is_of_the_list_that_was_shown(worker: Bench, tenant: Tenant) -> None:
    """In mode approve the search goes ahead and its list waits; benign mail is let go only by name."""
    worker.rule("rule", sweep(mode="approve"))
    messages = await tenant.mail("MALICIOUS", **CONFIRMED) + await tenant.mail("SPAM", **SIBLING)
    (missed,) = await tenant.mail("NONE", **SIBLING)
    await worker.once()
    told = await campaign(worker)
    assert told["actions"] == {"held": 3}
    assert await tenant.requests("POST") == []
    approved = await worker.run("actions", "approve", "--plan", told["plan_id"])
    assert (approved.code, "left out: 1" in approved.err) == (0, True)
    await worker.once()
    assert await where(tenant, messages) == {"JunkEmail"}
    assert await tenant.folder(missed) == "Inbox"
    assert (await worker.run("actions", "approve", "--plan", told["plan_id"])).code == 2
    assert (await worker.run("actions", "approve", "--plan", told["plan_id"], "--benign")).code == 0
    await worker.once()
    assert await tenant.folder(missed) == "JunkEmail"


async def test_a_list_over_the_cap_is_held_whole(worker: Bench, tenant: Tenant) -> None:
    """Nine where eight may go: none goes before a person has seen how many they are."""
    worker.rule("rule", sweep(caps="Caps(per_poll=8, per_hour=500)"))
    await tenant.mail("MALICIOUS", **CONFIRMED)
    await tenant.mail(*["SPAM"] * 8, **SIBLING)
    await worker.once()
    told = await campaign(worker)
    assert told["actions"] == {"held": 9}
    assert await tenant.requests("POST") == []
    assert (await worker.run("actions", "approve", "--plan", told["plan_id"])).code == 0
    await worker.once()
    assert (await campaign(worker))["actions"] == {"succeeded": 9}


async def test_late_siblings_are_caught_until_it_is_stopped(worker: Bench, tenant: Tenant) -> None:
    """They go with the poll that brings them; a stopped campaign catches none, and no second search was needed."""
    worker.rule("rule", sweep())
    await tenant.mail("MALICIOUS", **CONFIRMED)
    await worker.once()
    searches = len(await tenant.requests("GET"))
    late = await tenant.mail("SPAM", "BULK", **SIBLING)
    (missed,) = await tenant.mail("NONE", **SIBLING)
    await worker.once()
    assert await where(tenant, late) == {"JunkEmail"}
    assert await tenant.folder(missed) == "Inbox"
    told = await campaign(worker)
    assert (told["late"], told["actions"]) == (3, {"succeeded": 3, "held": 1})
    assert len(await tenant.requests("GET")) <= 2 * searches
    stopped = await worker.run("campaigns", "stop", told["id"], "--reason", "it was ours")
    assert stopped.code == 0
    (after,) = await tenant.mail("SPAM", **SIBLING)
    await worker.once()
    assert await tenant.folder(after) == "Inbox"
    assert "it was ours" in (await campaign(worker))["ended_because"]


async def test_what_another_playbook_moves_is_not_moved_twice(worker: Bench, tenant: Tenant) -> None:
    """The same folder: one action stands for both. Another folder: both wait for a person."""
    worker.rule("rule", sweep())
    worker.rule("spam", rules.on_verdict("SPAM", rules.to("JunkEmail"), name="spam"))
    worker.rule("bulk", rules.on_verdict("BULK", rules.to("DeletedItems"), name="bulk"))
    (seed,) = await tenant.mail("MALICIOUS", **CONFIRMED)
    (same,) = await tenant.mail("SPAM", **SIBLING)
    (other,) = await tenant.mail("BULK", **SIBLING)
    await worker.once()
    assert await tenant.effects("move") == {("move", seed, "JunkEmail"): 1, ("move", same, "JunkEmail"): 1}
    assert {row["state"] for row in await worker.actions(message_id=other)} == {"held"}
    told = await campaign(worker)
    assert {one["message_id"] for one in told["members"]} == {seed, same, other}
    (shared,) = await worker.actions(message_id=same)
    voters = (await worker.ask("actions", "show", shared["id"], "--json"))["playbooks"]
    assert {vote["playbook"] for vote in voters} == {"kit", "spam"}


@pytest.mark.parametrize("by_plan", [True, False])
async def test_a_sweep_is_undone_as_a_whole(worker: Bench, tenant: Tenant, by_plan: bool) -> None:
    """By its plan or by its own id: everything goes back, and no late sibling is caught any more."""
    worker.rule("rule", sweep())
    messages = await tenant.mail("MALICIOUS", **CONFIRMED) + await tenant.mail("SPAM", "SPAM", **SIBLING)
    await worker.once()
    told = await campaign(worker)
    named = ("--plan", told["plan_id"]) if by_plan else (told["id"],)
    assert (await worker.run("undo", *named)).code == 0
    await worker.once()
    assert await where(tenant, messages) == {"Inbox"}
    (late,) = await tenant.mail("SPAM", **SIBLING)
    await worker.once()
    assert await tenant.folder(late) == "Inbox"
    assert (await campaign(worker))["state"] == "ended"


async def test_a_sweep_whose_list_is_held_is_undone_too(worker: Bench, tenant: Tenant) -> None:
    """Nothing goes back, for nothing moved; that no late sibling is caught is done, and said."""
    worker.rule("rule", sweep(caps="Caps(per_poll=1, per_hour=500)"))
    await tenant.mail("MALICIOUS", **CONFIRMED)
    await tenant.mail("SPAM", **SIBLING)
    await worker.once()
    told = await campaign(worker)
    ran = await worker.run("undo", told["id"])
    assert ran.code == 0
    assert f"{told['id']}: the campaign is over" in ran.out
    assert f"`worker campaigns show {told['id']}`, then `worker actions reject ID...`" in ran.out
    await tenant.mail("SPAM", **SIBLING)
    await worker.once()
    again = await campaign(worker)
    assert (again["state"], again["actions"]) == ("ended", {"held": 2})


async def test_a_message_without_a_mark_has_no_siblings(worker: Bench, tenant: Tenant) -> None:
    """What would match everything is refused at planning, with the reason, and costs no search."""
    worker.rule("rule", sweep("sender"))
    await tenant.mail("MALICIOUS", subject="CONFIRMED", **{"from": "ann@gmail.com"})
    ran = await worker.once()
    (row,) = await worker.actions()
    assert row["state"] == "skipped"
    assert "gmail.com is a public mail provider" in row["error"]
    assert await worker.ask("campaigns", "list", "--json") == []
    assert [one["event.action"] for one in ran.events].count("action.refused") == 1
