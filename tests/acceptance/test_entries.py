"""Entries of the tenant's settings: made once, read back, undone by their own id, taken back when their time is over."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

ONE_ENTRY = {
    "pattern": "mallory@evil.example",
    "pattern_type": "EMAIL",
    "is_regex": False,
    "comments": "Ann, by hand",
}
QUICK = {"WORKER_READ_BACK_DELAY": "1"}


BLOCK = rules.on_verdict("MALICIOUS", 'BlockSender(message, reason="test")')
ALLOW = rules.on_verdict("SPAM", 'AllowSender(message, days=1, reason="test")')


async def made(tenant: Tenant, collection: str = "block_senders") -> list[dict[str, Any]]:
    """The entries that bear a worker's mark."""
    return [
        one for one in await tenant.entries(collection) if "email-security-worker" in (one["comments"] or "")
    ]


async def mail(tenant: Tenant, count: int = 1, verdict: str = "MALICIOUS") -> list[str]:
    """Mail of one sender."""
    return await tenant.mail(*[verdict] * count, envelope_from="mallory@evil.example")


def let_it_end(worker: Bench) -> None:
    """The date of every allowance has come."""
    with closing(sqlite3.connect(worker.database)) as conn, conn:
        assert conn.execute("UPDATE entries SET expires_at = 1.0").rowcount


async def approve_held(worker: Bench) -> None:
    """A person lets go whatever waits."""
    ids = [row["id"] for row in await worker.actions(state="held")]
    assert (await worker.run("actions", "approve", *ids)).code == 0


async def test_many_messages_of_one_sender_make_one_entry(worker: Bench, tenant: Tenant) -> None:
    """One action, every wish recorded, one request; the same again in a later poll joins it."""
    worker.rule("rule", BLOCK)
    messages = await mail(tenant, 40)
    await worker.once()
    (entry,) = await made(tenant)
    (row,) = await worker.actions()
    assert (row["state"], row["kind"], row["message_id"] in messages) == ("succeeded", "block_sender", True)
    assert (entry["pattern"], entry["pattern_type"]) == ("mallory@evil.example", "EMAIL")
    assert row["id"] in entry["comments"]
    assert "test" in entry["comments"]
    assert "mallory@evil.example" in (await worker.run("actions", "list")).out
    await mail(tenant, 2)
    await worker.once()
    assert len(await tenant.requests("POST")) == 1
    records = await worker.audit()
    joined = [one for one in records if one["kind"] == "joined" and one["action_id"] == row["id"]]
    assert len(joined) == 41
    (intent,) = [one for one in records if one["kind"] == "intent"]
    assert intent["body"]["each"][row["id"]]["target"] == "mallory@evil.example"


async def test_many_senders_share_a_request(worker: Bench, tenant: Tenant) -> None:
    """One list before, one batch: what an entry costs does not grow with their number."""
    worker.rule("rule", BLOCK)
    for number in range(7):
        await tenant.mail("MALICIOUS", envelope_from=f"mallory@evil{number}.example")
    await worker.once()
    assert len(await made(tenant)) == 7
    (sent,) = await tenant.requests("POST")
    assert sent["path"].endswith("/block_senders/batch")
    assert {row["state"] for row in await worker.actions()} == {"succeeded"}


@pytest.mark.parametrize("after", [True, False])
async def test_a_lost_answer_leaves_one_entry_and_its_id(worker: Bench, tenant: Tenant, after: bool) -> None:
    """Read back by the action's id in the comment; sent again only after two looks without effect."""
    worker.rule("rule", BLOCK)
    await mail(tenant, 3)
    await tenant.faults({"on": "settings_write", "kind": "drop", "after": after, "count": 1})
    await worker.once(0 if after else 3, **QUICK)
    await worker.once(**QUICK)
    (entry,) = await made(tenant)
    (row,) = await worker.actions()
    assert (row["state"], row["attempts"]) == ("succeeded", 1 if after else 2)
    assert row["id"] in entry["comments"]
    await worker.run("undo", row["id"])
    await worker.once(**QUICK)
    assert await made(tenant) == []


async def test_what_is_there_already_is_left_alone(worker: Bench, tenant: Tenant) -> None:
    """Somebody else has blocked the sender: nothing is sent, and nothing of theirs is ever deleted."""
    await tenant.person("POST", "settings/block_senders", ONE_ENTRY)
    worker.rule("rule", BLOCK)
    worker.rule("free", rules.on_verdict("SPOOF", 'UnblockSender(message, reason="test")', name="free"))
    await mail(tenant)
    await worker.once()
    await mail(tenant, verdict="SPOOF")
    await worker.once()
    block, unblock = reversed(await worker.actions())
    assert (block["state"], unblock["state"]) == ("skipped", "skipped")
    assert "somebody else" in block["error"]
    assert "a person's" in unblock["error"]
    assert [one["comments"] for one in await tenant.entries("block_senders")].count("Ann, by hand") == 1
    assert len(await tenant.requests("POST")) == 1  # Ann's own


async def test_block_unblock_and_both_undone(worker: Bench, tenant: Tenant) -> None:
    """Each undo touches exactly the entry of what it undoes; a sender that was freed may be blocked again."""
    worker.rule("rule", BLOCK)
    worker.rule("free", rules.on_verdict("SPOOF", 'UnblockSender(message, reason="test")', name="free"))
    await mail(tenant)
    await worker.once()
    await mail(tenant, verdict="SPOOF")
    await worker.once()
    assert await made(tenant) == []
    (unblock,) = await worker.actions(kind="unblock_sender")
    assert unblock["state"] == "succeeded"
    assert (await worker.run("undo", unblock["id"])).code == 0
    await worker.once()
    (entry,) = await made(tenant)
    assert (entry["pattern"], entry["is_regex"]) == ("mallory@evil.example", False)
    again = next(row for row in await worker.actions(kind="block_sender") if row["playbook"] == "undo")
    assert (await worker.run("undo", again["id"])).code == 0
    await worker.once()
    assert await made(tenant) == []
    shown = await worker.ask("actions", "show", again["id"], "--json")
    assert shown["undone_by"]["state"] == "succeeded"


async def test_an_undo_deletes_nothing_that_somebody_has_changed(worker: Bench, tenant: Tenant) -> None:
    """What an undo deletes is what the action made, and nothing else; a wish after the undo waits for a person."""
    worker.rule("rule", BLOCK)
    await mail(tenant)
    await worker.once()
    (entry,) = await made(tenant)
    await tenant.person("PATCH", f"settings/block_senders/{entry['id']}", {"comments": "Ann: keep this"})
    (row,) = await worker.actions()
    await worker.run("undo", row["id"])
    result = await worker.once()
    assert [one["comments"] for one in await tenant.entries("block_senders")].count("Ann: keep this") == 1
    (left,) = [line for line in result.events if line["event.action"] == "entry.left"]
    assert "changed by somebody" in left["event.reason"]
    assert (await worker.actions(kind="remove_entry"))[0]["state"] == "skipped"


async def test_a_sender_whose_block_was_undone_is_blocked_again_only_by_a_person(
    worker: Bench, tenant: Tenant
) -> None:
    """A person has decided about this sender."""
    worker.rule("rule", BLOCK)
    await mail(tenant)
    await worker.once()
    (row,) = await worker.actions()
    await worker.run("undo", row["id"])
    await worker.once()
    await mail(tenant)
    await worker.once()
    (held,) = await worker.actions(state="held")
    assert "taken back" in held["error"]
    await approve_held(worker)
    await worker.once()
    assert len(await made(tenant)) == 1


async def test_an_allowance_needs_a_person_once_and_ends_by_itself(worker: Bench, tenant: Tenant) -> None:
    """Held in enforce mode; taken back at its date in the name of who approved it, also under a lower mode."""
    worker.rule("rule", ALLOW)
    await mail(tenant, 3, verdict="SPAM")
    await worker.once()
    (row,) = await worker.actions()
    assert (row["state"], row["kind"]) == ("held", "allow_sender")
    assert "every mode" in row["error"]
    assert row["params"]["expires_at"] > row["created_at"]
    assert await made(tenant, "allow_policies") == []
    await approve_held(worker)
    await worker.once()
    (policy,) = await made(tenant, "allow_policies")
    assert (policy["is_acceptable_sender"], policy["is_trusted_sender"]) == (True, False)
    assert policy["verify_sender"] is True
    await worker.once()
    assert len(await made(tenant, "allow_policies")) == 1
    let_it_end(worker)
    overdue = await worker.once(WORKER_MODE="shadow")
    assert [line["worker.count"] for line in overdue.events if line["event.action"] == "entry.overdue"] == [1]
    assert len(await made(tenant, "allow_policies")) == 1
    ended = await worker.once(WORKER_MODE="approve")
    assert await made(tenant, "allow_policies") == []
    assert [line["event.action"] for line in ended.events].count("entry.taken_back") == 1
    (removal,) = await worker.actions(kind="remove_entry")
    assert (removal["state"], removal["playbook"]) == ("succeeded", "expiry")
    records = await worker.audit()
    mine = [one["kind"] for one in records if one["action_id"] == removal["id"]]
    assert mine == ["expiry", "intent", "outcome"]
    await worker.once()
    assert len(await worker.actions(kind="remove_entry")) == 1
    # It may be wanted anew, and needs a person again.
    await mail(tenant, verdict="SPAM")
    await worker.once()
    assert [one["state"] for one in await worker.actions(kind="allow_sender")] == ["held", "succeeded"]


async def test_what_expires_while_paused_or_unsent_is_taken_back_later(worker: Bench, tenant: Tenant) -> None:
    """A removal that could not go out in its time is planned again: the date of an allowance is not forgotten."""
    worker.rule("rule", wanted_trust())
    await mail(tenant, verdict="SPAM")
    await worker.once()
    await approve_held(worker)
    await worker.once()
    (trusted,) = await made(tenant, "trusted_domains")
    assert (trusted["pattern"], trusted["is_recent"], trusted["is_similarity"]) == (
        "evil.example",
        True,
        False,
    )
    let_it_end(worker)
    await worker.run("pause")
    await worker.once(WORKER_APPROVAL_TIMEOUT="0.2")
    (removal,) = await worker.actions(kind="remove_entry")
    assert removal["state"] in ("ready", "expired")
    assert len(await made(tenant, "trusted_domains")) == 1
    await asyncio.sleep(0.2)
    await worker.once()
    assert [one["state"] for one in await worker.actions(kind="remove_entry")][-1] == "expired"
    await worker.run("resume")
    await worker.once()
    assert await made(tenant, "trusted_domains") == []


async def test_a_name_is_protected_and_no_more_after_the_undo(worker: Bench, tenant: Tenant) -> None:
    """The impersonation registry has no batch and no expiry."""
    action = 'ProtectIdentity(message, email="boss@corp.example", name="Ann Boss", reason="test")'
    worker.rule("rule", rules.on_verdict("MALICIOUS", action))
    await mail(tenant, 2)
    await worker.once()
    (entry,) = await made(tenant, "impersonation_registry")
    assert (entry["name"], entry["email"], entry["is_email_regex"]) == (
        "Ann Boss",
        "boss@corp.example",
        False,
    )
    (row,) = await worker.actions()
    undone = await worker.run("undo", row["id"])
    assert "taken back" in undone.out
    await worker.once()
    assert await made(tenant, "impersonation_registry") == []


async def test_what_covers_too_much_is_refused_at_planning(worker: Bench, tenant: Tenant) -> None:
    """A public provider, the operator's domain, the recipients' own, everything: nothing is sent, and it is said why."""
    senders = ["gmail.com", "corp.example", "sub.ours.example", "co.uk", "*"]
    for number, sender in enumerate(senders):
        block = f'BlockSender(message, sender="{sender}")'
        worker.rule(f"rule_{number}", rules.on_verdict("MALICIOUS", block, name=f"rule-{number}"))
    await mail(tenant)
    result = await worker.once(WORKER_PROTECTED_DOMAINS="ours.example, ours.test")
    rows = await worker.actions()
    assert {row["state"] for row in rows} == {"skipped"}
    assert all(row["error"].startswith("refused: ") for row in rows)
    refused = [line for line in result.events if line["event.action"] == "action.refused"]
    assert len(refused) == len(rows) == len(senders)
    assert await tenant.requests("POST") == []
    assert [one["kind"] for one in await worker.audit()].count("skipped") == len(senders)


def wanted_trust() -> str:
    """A playbook that trusts the domain of spam."""
    return rules.on_verdict("SPAM", 'TrustDomain(message, days=2, domain="evil.example", reason="test")')
