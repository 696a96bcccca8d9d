"""A long log is read as it comes: no command holds it in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from tests.acceptance import rules
from tests.acceptance.conftest import environment
from tests.builders import ACCOUNT, NOW, detection
from worker.playbooks.loader import load
from worker.store import schema
from worker.store.engine import sqlite_engine, transact
from worker.store.migrate import migrate
from worker.store.prepared import insert_rows
from worker.store.tools import evidence_id
from worker.store.trail.audit import Entry, append

pytestmark = pytest.mark.acceptance

BATCH = 250
READ = """
import resource, sys
from worker.cli import run_cli
code = run_cli(sys.argv[1:])
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
sys.exit(code)
"""
COMMANDS = ("verify", "export --format ocsf", "show", "replay")


def fill(folder: Path, records: int) -> None:
    """A log of so many records, the evidence of its decisions, and the playbook that made them."""
    (folder / "rules").mkdir(parents=True)
    (folder / "rules" / "junk.py").write_text(rules.JUNK, encoding="utf-8")
    version = load(folder / "rules").playbooks[0].version
    engine = sqlite_engine(folder / "worker.db")
    transact(engine, migrate)
    for start in range(0, records, BATCH + 2):
        transact(engine, partial(_call, start=start, count=min(BATCH, records - start), version=version))
    engine.dispose()


def _call(conn: Connection, start: int, count: int, version: str) -> None:
    """Decisions, then the call that carried them out."""
    names = [f"m{number:09}" for number in range(start, start + count)]
    bodies = {name: msgspec.json.encode(detection(name)) for name in names}
    entries = [_decided(name, sha256(bodies[name]).hexdigest(), version) for name in names]
    sent = {
        "kind": "move",
        "target": "JunkEmail",
        "params": {},
        "actions": [[f"a{name}", name] for name in names],
    }
    ended = {
        "event": "call.answered",
        "status": 200,
        "ray": f"{start:016x}-SIM",
        "error": None,
        "owned": count,
    }
    outcomes = [[f"a{name}", "succeeded", None] for name in names]
    entries += [
        Entry("intent", sent, call_id=f"c{start}"),
        Entry("outcome", {**ended, "outcomes": outcomes}, call_id=f"c{start}"),
    ]
    append(conn, ACCOUNT, NOW + start, entries)
    keys = [{"source": "detections", "key": name, "revision": "MALICIOUS"} for name in names]
    rows = [
        {"id": evidence_id(ACCOUNT, **key), "account_id": ACCOUNT, **key, "stored_at": NOW}
        | {"body": bodies[key["key"]].decode()}
        for key in keys
    ]
    insert_rows(conn, schema.evidence, rows)


def _decided(name: str, digest: str, version: str) -> Entry:
    body = {
        "source": "detections",
        "event": name,
        "revision": "MALICIOUS",
        "kind": "move",
        "params": {"destination": "JunkEmail"},
        "mode": "enforce",
        "reason": "test",
        "playbooks": [["junk", version, "enforce"]],
        "evidence_sha256": digest,
    }
    return Entry("decided", body, "plan", f"a{name}", None, name)


def peak(folder: Path, command: str) -> float:
    """The most memory that a command needs, in MiB."""
    settings = {
        "WORKER_DATABASE_URL": f"sqlite:///{folder}/worker.db",
        "WORKER_RULES_DIR": str(folder / "rules"),
    }
    ended = subprocess.run(
        [sys.executable, "-c", READ, "audit", *command.split()],
        env=environment() | settings,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return int(ended.stderr) / 1024


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 2,000 records: more than one read takes."""
    folder = tmp_path_factory.mktemp("short")
    fill(folder / "own", 2_000)
    return folder / "own"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 30,000."""
    folder = tmp_path_factory.mktemp("long")
    fill(folder / "own", 30_000)
    return folder / "own"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_long_log_needs_no_more_memory(short: Path, long: Path, command: str) -> None:
    """Fifteen times the records, 25 MiB in the file: less than 6 MiB more."""
    assert peak(long, command) - peak(short, command) < 6


@pytest.mark.soak
@pytest.mark.parametrize("command", COMMANDS)
def test_a_million_records_need_no_more_memory(
    short: Path, tmp_path_factory: pytest.TempPathFactory, command: str
) -> None:
    """AUDIT_RECORDS of them, a million where it is not set."""
    records = int(os.environ.get("AUDIT_RECORDS", "1000000"))
    folder = tmp_path_factory.getbasetemp() / f"million-{records}"
    if not folder.exists():
        fill(folder, records)
    used = peak(folder, command)
    assert used - peak(short, command) < 12, f"{used} MiB"
