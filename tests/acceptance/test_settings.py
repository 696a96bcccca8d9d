"""Wrong settings, databases and playbooks: one clear line with the remedy, and exit code 2."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import TOKEN, Bench, Result
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

WRONG = [
    ("CLOUDFLARE_API_TOKEN", None),
    ("CLOUDFLARE_API_TOKEN", ""),
    ("CLOUDFLARE_API_TOKEN", "two words of a secret"),
    ("CLOUDFLARE_API_TOKEN_FILE", "/nonexistent/token"),
    ("CLOUDFLARE_ACCOUNT_ID", None),
    ("CLOUDFLARE_ACCOUNT_ID", "short"),
    ("CLOUDFLARE_BASE_URL", "http://api.cloudflare.com/client/v4"),
    ("CLOUDFLARE_BASE_URL", "nonsense"),
    ("WORKER_MODE", "yolo"),
    ("WORKER_RULES_DIR", "nowhere"),
    ("WORKER_DATABASE_URL", "mysql://user:hunter2-secret@host/db"),
    ("WORKER_DATABASE_URL", "postgresql://user:hunter2-secret@host/db"),
    ("WORKER_POLL_INTERVAL", "0"),
    ("WORKER_POLL_INTERVAL", "nan"),
    ("WORKER_POLL_INTERVAL", "1e12"),
    ("WORKER_POLL_OVERLAP", "-1"),
    ("WORKER_INITIAL_LOOKBACK", "a day"),
    ("WORKER_INITIAL_LOOKBACK", "1e12"),
    ("WORKER_REQUEST_BUDGET", "0"),
    ("WORKER_REQUEST_BUDGET", "99999999999999999999999"),
    ("WORKER_READ_BACK_DELAY", "inf"),
    ("WORKER_CAP_PER_POLL", "-5"),
    ("WORKER_CAP_PER_HOUR", "1.5"),
    ("WORKER_KEEP_EVENTS", "some"),
    ("WORKER_HTTP_BIND", "localhost"),
    ("WORKER_HTTP_BIND", "127.0.0.1:99999"),
    ("WORKER_DRAIN_TIMEOUT", ""),
    ("WORKER_LOG_FORMAT", "xml"),
    ("WORKER_LOG_LEVEL", "loud"),
]


def one_line(result: Result, *names: str) -> None:
    """Exit code 2 and one line that names these things."""
    assert result.code == 2, result
    assert result.err.count("\n") == 1, result.err
    for name in names:
        assert name in result.err


async def test_wrong_setting(worker: Bench) -> None:
    """A wrong or missing value: exit code 2 and one line with the variable and an example, without any secret."""
    worker.rule("junk", rules.JUNK)

    async def refuse(number: int, name: str, value: str | None) -> None:
        env = {"WORKER_DATABASE_URL": f"sqlite:///{number}.db", name: value}
        if name == "CLOUDFLARE_API_TOKEN_FILE":
            env["CLOUDFLARE_API_TOKEN"] = None
        result = await worker.run("run", **env)
        one_line(result, name.removesuffix("_FILE"))
        example = rf"{name.removesuffix('_FILE')}(_FILE)?=\S|nowhere|/nonexistent|sqlite:///"
        assert re.search(example, result.err), result
        for secret in (TOKEN, "hunter2", "two words"):
            assert secret not in result.out + result.err, result

    await asyncio.gather(*(refuse(number, *case) for number, case in enumerate(WRONG)))


async def test_unknown_key_in_the_file(worker: Bench) -> None:
    """A misspelt name in worker.toml is told, with the name that was meant."""
    worker.rule("junk", rules.JUNK)
    (worker.folder / "worker.toml").write_text('WORKER_MOED = "enforce"\n')
    one_line(await worker.run("run"), "WORKER_MOED", "WORKER_MODE")


async def test_settings_file_and_environment(worker: Bench, tenant: Tenant) -> None:
    """worker.toml holds the same names, and the environment wins."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    (worker.folder / "worker.toml").write_text('WORKER_MODE = "enforce"\n')
    await worker.once(WORKER_MODE="shadow")
    assert await tenant.effects() == {}
    await worker.once(WORKER_MODE=None)
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


async def test_second_run_on_the_same_file(worker: Bench) -> None:
    """A second worker on the same database exits 2 and names the process that holds it; commands go on."""
    worker.rule("junk", rules.JUNK)
    daemon = await worker.daemon()
    for arguments in (["run"], ["run", "--once"]):
        one_line(await worker.run(*arguments), "WORKER_DATABASE_URL", str(daemon.pid))
    assert (await worker.status())["daemon_pid"] == daemon.pid
    await daemon.kill()
    assert (await worker.status())["daemon_pid"] is None
    await worker.once()


async def test_port_in_use(worker: Bench) -> None:
    """An address for health that cannot be had is a wrong setting."""
    worker.rule("junk", rules.JUNK)
    port = worker.env["CLOUDFLARE_BASE_URL"].split(":")[2].split("/")[0]
    one_line(await worker.run("run", WORKER_HTTP_BIND=f"127.0.0.1:{port}"), "WORKER_HTTP_BIND", port)


async def test_database_of_a_newer_version(worker: Bench) -> None:
    """A database of a revision that this program does not know is refused by every command and left as it is."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    with closing(sqlite3.connect(worker.database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for arguments in (["run"], ["run", "--once"], ["status"], ["actions", "list"], ["pause"]):
        one_line(await worker.run(*arguments), "9999", "newer")


@pytest.mark.parametrize("damage", ["no database", "malformed"])
async def test_corrupt_database(worker: Bench, damage: str) -> None:
    """A file that is no database, or a damaged one, is refused with the remedy."""
    worker.rule("junk", rules.JUNK)
    await worker.once()
    size = worker.database.stat().st_size
    with worker.database.open("r+b") as file:
        file.seek(0 if damage == "no database" else 100)
        file.write(os.urandom(size))
    one_line(await worker.run("run"), "WORKER_DATABASE_URL", "backup")
    status = await worker.run("status")
    assert status.code in (1, 2)
    assert status.err.count("\n") == 1


async def test_folder_that_cannot_be_written(worker: Bench) -> None:
    """A database in a place that cannot be written: exit code 2 and the remedy."""
    worker.rule("junk", rules.JUNK)
    (worker.folder / "file").write_text("")
    one_line(await worker.run("run", WORKER_DATABASE_URL="sqlite:///file/w.db"), "WORKER_DATABASE_URL")


async def test_bad_playbook_beside_a_good_one(worker: Bench, tenant: Tenant) -> None:
    """A file that cannot be loaded is told with its line; the good one acts; the bad one decides later what it missed."""
    worker.rule("junk", rules.JUNK)
    bad = worker.rule("spam", "from worker.playbooks import Move\n\n\ndef broken(:\n")
    junk, spam = await tenant.mail("MALICIOUS", "SPAM")
    result = await worker.once()
    (refused,) = [event for event in result.events if event["event.action"] == "playbook.refused"]
    assert refused["worker.file"].endswith("spam.py:4")
    assert await tenant.effects() == {("move", junk, "JunkEmail"): 1}
    checked = await worker.run("check")
    assert checked.code == 1
    assert "spam.py:4" in checked.out
    assert (await worker.status())["parked"][0]["events"] == 2
    bad.write_text(rules.on_verdict("SPAM", rules.to("JunkEmail"), name="spam"))
    assert (await worker.run("check")).code == 0
    await worker.once()
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in (junk, spam)}
    assert (await worker.status())["parked"] == []


async def test_no_playbook_at_all(worker: Bench) -> None:
    """A worker without a single playbook does not start."""
    one_line(await worker.run("run"), "WORKER_RULES_DIR")
    shutil.rmtree(worker.folder / "rules")
    one_line(await worker.run("run"), "WORKER_RULES_DIR")


async def test_playbook_that_raises(worker: Bench, tenant: Tenant) -> None:
    """An exception parks its event for that playbook alone, shows in the status, and is decided again when mended."""
    worker.rule("junk", rules.JUNK)
    broken = rules.on_verdict("SPAM", rules.to("JunkEmail"), name="spam")
    path = worker.rule("spam", broken.replace("    if ", "    if len(message.subject) > 1000 and 1 / 0 or "))
    junk = await tenant.mail("MALICIOUS", subject="A" * 1001)
    odd = await tenant.mail("SPAM", subject="A" * 1001)
    good = await tenant.mail("SPAM", subject="short")
    result = await worker.once()
    assert [e["rule.id"] for e in result.events if e["event.action"] == "playbook.failed"] == ["spam"] * 2
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in junk + good}
    (parked,) = (await worker.status())["parked"]
    assert (parked["playbook"], parked["events"]) == ("spam", 2)
    assert "ZeroDivisionError" in parked["error"]
    await worker.once()
    assert (await worker.status())["parked"][0]["events"] == 2
    path.write_text(broken)
    await worker.once()
    assert await tenant.effects() == {("move", one, "JunkEmail"): 1 for one in junk + good + odd}
    assert (await worker.status())["parked"] == []
    await worker.audit()


async def test_parked_under_a_verdict_that_is_past(worker: Bench, tenant: Tenant) -> None:
    """A mended playbook does not act on a verdict that the vendor has changed since, and asks no request for ever."""
    broken = rules.on_verdict("SPAM", rules.to("JunkEmail"), name="spam")
    path = worker.rule("spam", broken.replace("    if ", "    if 1 / 0 or "))
    (message,) = await tenant.mail("SPAM")
    await worker.once()
    await tenant.verdict(message, "NONE")
    await worker.once()
    path.write_text(broken)
    before = len(await tenant.requests())
    await worker.once()
    assert len(await tenant.requests()) - before < 15
    assert await tenant.requests("POST") == []
    assert (await worker.states()).get("ready", 0) == 0
