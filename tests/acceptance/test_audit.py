"""The log as an auditor meets it: whole or not, against checkpoints kept elsewhere, exported, replayed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.acceptance import rules
from tests.acceptance.bench import Bench, Result
from tests.acceptance.conftest import ROOT, connect
from tests.acceptance.tenants import Tenant, open_tenant
from tests.acceptance.test_lost_answers import deliver
from worker.cli.proving import NOT_WHOLE

pytestmark = pytest.mark.acceptance

CUT = """
    DELETE FROM audit WHERE seq > 1;
    UPDATE audit_head SET seq = 1, hash = (SELECT hash FROM audit WHERE seq = 1);
"""


@pytest.fixture
def key(worker: Bench) -> Path:
    """A private key in a file of its owner's, set as the worker's; beside it the public one as `audit.pub`."""
    made = Ed25519PrivateKey.generate()
    file = worker.folder / "audit.key"
    file.touch(mode=0o600)
    file.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    file.with_suffix(".pub").write_bytes(public)
    worker.env["WORKER_AUDIT_KEY_FILE"] = str(file)
    return file


async def acted(worker: Bench, tenant: Tenant) -> None:
    """A log with a decision, an intent and an outcome in it."""
    worker.rule("junk", rules.JUNK)
    await tenant.mail("MALICIOUS")
    await worker.once()


def tamper(worker: Bench, script: str) -> None:
    """Somebody writes to the database."""
    with closing(sqlite3.connect(worker.database)) as connection:
        connection.executescript(script)


def content(file: Path) -> str:
    """A key's text."""
    return file.read_text(encoding="ascii")


async def verify(worker: Bench, *more: str) -> Result:
    """As an auditor does it: without the token, and with the public key alone."""
    own = ("--checkpoint", "kept", "--public-key", "audit.pub")
    return await worker.run(
        "audit", "verify", *own, *more, CLOUDFLARE_API_TOKEN=None, WORKER_AUDIT_KEY_FILE=None
    )


async def test_a_checkpoint_beside_a_daemon(worker: Bench, tenant: Tenant, key: Path) -> None:
    """Made and checked without a token while the daemon runs; the log that goes on agrees with it."""
    worker.rule("junk", rules.JUNK)
    daemon = await worker.daemon()
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished")
    made = await worker.run("audit", "checkpoint", "kept", CLOUDFLARE_API_TOKEN=None)
    assert (made.code, made.err) == (0, ""), made
    await tenant.mail("MALICIOUS")
    await daemon.until("action.finished", times=2)
    again = await worker.run("audit", "checkpoint", "kept", "--json")
    assert again.code == 0
    assert (await verify(worker)).out.endswith("intact; 2 checkpoints agree\n")
    await daemon.stop()
    found = (await verify(worker, "--json")).json
    assert (found["ok"], found["checkpoints"], found["bad_checkpoints"]) == (True, 2, [])
    assert found["accounts"][0]["records"] >= again.json["accounts"][tenant.account_id]


async def test_a_log_cut_off_at_its_end(worker: Bench, tenant: Tenant, key: Path) -> None:
    """Looks whole by itself, not against a checkpoint; nor is it signed where the file says otherwise."""
    await acted(worker, tenant)
    assert (await worker.run("audit", "checkpoint", "kept")).code == 0
    tamper(worker, CUT)
    assert (await worker.run("audit", "verify")).code == 0
    result = await verify(worker)
    assert result.code == 1
    assert "record 2 is the first bad one: record 2 is missing: the checkpoint of" in result.out
    size = (worker.folder / "kept").stat().st_size
    refused = await worker.run("audit", "checkpoint", "kept")
    assert (refused.code, refused.out) == (1, "")
    assert "record 2 is missing" in refused.err
    assert (worker.folder / "kept").stat().st_size == size


async def test_a_broken_log_is_not_signed(worker: Bench, tenant: Tenant, key: Path) -> None:
    """A signature says that the log was whole."""
    await acted(worker, tenant)
    tamper(worker, "UPDATE audit SET body = '{}' WHERE seq = 2")
    result = await worker.run("audit", "checkpoint", "-")
    assert (result.code, result.out) == (1, "")
    assert "record 2 is the first bad one" in result.err


async def test_a_forged_checkpoint(worker: Bench, tenant: Tenant, key: Path) -> None:
    """The file and the line are named, and nothing counts as proven."""
    await acted(worker, tenant)
    line = (await worker.run("audit", "checkpoint", "-")).out
    (worker.folder / "kept").write_text(line + line.replace('"seq":', '"seq":1'), encoding="utf-8")
    result = await verify(worker)
    assert result.code == 1
    assert result.out.startswith("kept:2: its signature is not by this key\n")
    assert (await verify(worker, "--json")).json["bad_checkpoints"][0]["line"] == 2


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
async def test_a_key_that_others_may_read(worker: Bench, tenant: Tenant, key: Path, mode: int) -> None:
    """Is refused with the remedy, and not used."""
    await acted(worker, tenant)
    os.chmod(key, mode)  # noqa: PTH101 - what pathlib does is not for coroutines
    result = await worker.run("audit", "checkpoint", "kept")
    assert result.code == 2
    assert f"chmod 600 {key}" in result.err
    assert not (worker.folder / "kept").exists()


async def test_what_a_checkpoint_needs(worker: Bench, tenant: Tenant, key: Path) -> None:
    """A key to make one, a public key to check one: each said with how to make it; never a word of the key."""
    await acted(worker, tenant)
    without = await worker.run("audit", "checkpoint", "kept", WORKER_AUDIT_KEY_FILE=None)
    assert (without.code, "WORKER_AUDIT_KEY: is required" in without.err) == (2, True)
    assert (await worker.run("audit", "checkpoint", "kept")).code == 0
    missing = await worker.run("audit", "verify", "--checkpoint", "kept", WORKER_AUDIT_KEY_FILE=None)
    assert (missing.code, "openssl pkey" in missing.err) == (2, True)
    private = await worker.run("audit", "verify", "--checkpoint", "kept", "--public-key", "audit.key")
    assert private.code == 2
    assert content(key).splitlines()[1] not in private.err
    inline = {"WORKER_AUDIT_KEY_FILE": None, "WORKER_AUDIT_KEY": content(key)}
    assert (await worker.run("audit", "verify", "--checkpoint", "kept", **inline)).code == 0
    both = await worker.run("audit", "verify", WORKER_AUDIT_KEY=content(key))
    assert (both.code, "both set" in both.err) == (2, True)


async def test_an_export_is_checked_without_the_worker(worker: Bench, tenant: Tenant) -> None:
    """An auditor needs Python's json and hashlib, and docs/audit.md."""
    await acted(worker, tenant)
    await tenant.mail("MALICIOUS", subject='Gr\u00fc\u00dfe \u2028 \x07 "\\ \U0001f4e7')
    await worker.once()
    previous = "0" * 64
    for number, row in enumerate(await worker.audit(), 1):
        assert (row["seq"], row["prev_hash"]) == (number, previous)
        body = json.dumps(row["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        names = ("account_id", "seq", "at", "kind", "plan_id", "action_id", "call_id", "message_id")
        hashed = [*(row[name] for name in names), body, row["prev_hash"]]
        text = json.dumps(hashed, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert row["hash"] == previous


async def test_a_record_that_is_no_text_any_more(worker: Bench, tenant: Tenant) -> None:
    """Bytes that no text can have do not end in an error of the program: the record is named."""
    await acted(worker, tenant)
    tamper(worker, "UPDATE audit SET kind = CAST(X'ff' AS TEXT) WHERE seq = 2")
    told = await worker.run("audit", "verify")
    assert (told.code, told.err) == (1, NOT_WHOLE + "\n")
    assert "record 2 is the first bad one" in told.out
    shown = await worker.run("audit", "show")
    assert shown.code == 1
    assert shown.err.startswith("worker: WORKER_DATABASE_URL: database: Could not decode")


async def test_a_log_that_is_not_whole(worker: Bench, tenant: Tenant) -> None:
    """Can still be looked at, but nothing is concluded from it."""
    await acted(worker, tenant)
    tamper(worker, "UPDATE audit SET body = 'gone' WHERE seq = 2")
    for command in ("show --json", "export"):
        shown = await worker.run("audit", *command.split())
        assert (shown.code, '"body": "gone"' in shown.out) == (0, True)
    for command in ("replay", "export --format ocsf"):
        refused = await worker.run("audit", *command.split())
        assert (refused.code, refused.out) == (1, "")
        assert "record 2 is the first bad one" in refused.err


async def test_a_damaged_file(worker: Bench, tenant: Tenant) -> None:
    """A file that SQLite cannot read is said to be damaged, with the remedy."""
    await acted(worker, tenant)
    tamper(worker, "PRAGMA wal_checkpoint(TRUNCATE)")
    with worker.database.open("r+b") as file:
        whole = file.read()
        file.seek(whole.index(b'"evidence_sha256"') & ~4095)
        file.write(os.urandom(4096))
    result = await worker.run("audit", "verify")
    assert result.code == 1
    assert "restore a backup" in result.err


async def test_replay(bench: Bench) -> None:
    """The playbooks that ship decide a day's mail again as they did; what was changed since is counted or named."""
    shutil.copytree(ROOT / "rules", bench.folder / "rules", dirs_exist_ok=True)
    async with open_tenant(messages=400) as tenant:
        connect(bench, tenant)
        await bench.once(WORKER_MODE="shadow")
    again = (await bench.run("audit", "replay", "--json", CLOUDFLARE_API_TOKEN=None)).json
    decisions = len([row for row in await bench.audit() if row["kind"] == "decided"])
    assert decisions > 20
    assert (again["ok"], again["decisions"], again["same"]) == (True, decisions, decisions)

    with (bench.folder / "rules/lists/shared-mailboxes.txt").open("a", encoding="utf-8") as file:
        file.write("new@corp.example\n")
    with (bench.folder / "rules/remove_delivered_malicious.py").open("a", encoding="utf-8") as file:
        file.write("# another version\n")
    later = await bench.run("audit", "replay")
    assert later.code == 0
    assert "by a playbook that is not there in that version any more" in later.out
    assert "with lists that have changed" in later.out

    tamper(bench, "UPDATE evidence SET body = replace(body, 'delivered', 'quarantined')")
    result = await bench.run("audit", "replay")
    assert result.code == 1
    assert re.match(r"record \d+ \(action [0-9a-z]+\) has other evidence than was seen\n", result.out)


@pytest.mark.parametrize("when", ["", "WHEN NEW.kind = 'intent'"])
async def test_a_log_that_cannot_be_written(worker: Bench, tenant: Tenant, when: str) -> None:
    """Means that nothing is done: not one request that changes mail; it goes on by itself once the log takes records."""
    worker.rule("junk", rules.JUNK)
    worker.rule("release", rules.RELEASE)
    worker.rule("reclassify", rules.RECLASSIFY)
    await worker.once()
    tamper(
        worker, f"CREATE TRIGGER stuck BEFORE INSERT ON audit {when} BEGIN SELECT RAISE(FAIL, 'stuck'); END"
    )
    wanted = await deliver(tenant)
    daemon = await worker.daemon()
    await daemon.until("task.failed" if when else "poll.failed")
    await asyncio.sleep(1)  # several polls and claims long
    assert await tenant.requests("POST") == []
    tamper(worker, "DROP TRIGGER stuck")
    await daemon.until("action.finished", times=3, patience=40)
    assert (await daemon.stop()).code == 0
    assert await tenant.effects() == wanted
    await worker.audit()
