"""The command line where the shell gives it something odd: bytes that are no UTF-8, streams that take nothing."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from tests.acceptance import rules
from tests.acceptance.bench import Bench
from tests.acceptance.tenants import Tenant

pytestmark = pytest.mark.acceptance

ODD = os.fsdecode(b"St\xf6rung")


async def test_a_pause_needs_no_utf8(worker: Bench) -> None:
    """What was typed in another encoding is kept as far as it can be: the brake holds."""
    paused = await worker.run("pause", "--reason", ODD, SUDO_USER=ODD)
    assert (paused.code, paused.err) == (0, "")
    told = (await worker.status())["pause"]
    assert (told["reason"], told["by"]) == ("St?rung", "St?rung")
    assert "St?rung" in (await worker.run("actions", "show", ODD)).err


async def test_files_may_have_any_name(worker: Bench, tenant: Tenant) -> None:
    """A rules folder whose path is no UTF-8 loads; what raises in it parks its own events, and the others go on."""
    worker.rule("junk", rules.JUNK)
    folder = worker.folder / ODD
    (worker.folder / "rules").rename(folder)
    odd = rules.JUNK.replace("junk", "odd").replace("    if ", "    raise ValueError\n    if ", 1)
    (folder / "odd.py").write_text(odd)
    (folder / f"{ODD}.py").write_text("def half(:\n")
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once(WORKER_RULES_DIR=str(folder))
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}
    assert {one["playbook"] for one in (await worker.status())["parked"]} == {"odd", "file:St?rung.py"}
    checked = await worker.run("check", str(folder))
    assert (checked.code, "a fault of the worker" in checked.err) == (1, False)


@pytest.mark.parametrize(
    "command, why",
    [
        ("--version >&-", "Bad file descriptor"),
        ("status >&-", "Bad file descriptor"),
        ("status >/dev/full", "No space left on device"),
        ("audit export >/dev/full", "No space left on device"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_stdout_that_takes_nothing_is_named(
    worker: Bench, command: str, why: str, unbuffered: str
) -> None:
    """In one line, and not as a fault of the worker."""
    assert (await worker.run("pause")).code == 0
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m worker {command}",
        stderr=asyncio.subprocess.PIPE,
        cwd=worker.folder,
        env=worker.env | {"PYTHONUNBUFFERED": unbuffered},
    )
    _, told = await process.communicate()
    assert (process.returncode, told.decode()) == (1, f"worker: stdout cannot be written to: {why}\n")


async def test_a_log_that_nobody_keeps_changes_no_exit_code(worker: Bench, tenant: Tenant) -> None:
    """Whoever watches `run` learns how the work went; what became of its log is said on stderr."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m worker run --once >/dev/full",
        stderr=asyncio.subprocess.PIPE,
        cwd=worker.folder,
        env=worker.env,
    )
    _, told = await process.communicate()
    assert (process.returncode, told.count(b"\n")) == (0, 1)
    assert b"No space left on device" in told
    assert await tenant.effects() == {("move", message, "JunkEmail"): 1}


CLOSED = """
import os, sys
from worker.process import streams
streams.settle()
number = os.open("worker.db", os.O_CREAT | os.O_RDWR)
child = os.system("echo child 2>/dev/null")
sys.stderr.write(f"{number > 2} {child != 0} {os.stat(number).st_size}")
"""


async def test_a_closed_stdout_is_nobody_elses_file(bench: Bench) -> None:
    """Its number would go to the first file that is opened: the database, and into it what a child prints."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, CLOSED,
        stderr=asyncio.subprocess.PIPE, cwd=bench.folder, env=bench.env,
    )  # fmt: skip
    _, told = await process.communicate()
    assert told.decode() == "True True 0"


async def test_letters_that_the_terminal_does_not_know_are_escaped(worker: Bench, tenant: Tenant) -> None:
    """Whatever the mail says: on-call with another encoding sees the row, and no fault."""
    reason = 'Move(message, to="JunkEmail", reason="\\u4f60\\u597d")'
    worker.rule("junk", rules.rule('message.final_disposition == "MALICIOUS"', reason, name="junk"))
    await tenant.mail("MALICIOUS", subject="\u4f60\u597d")
    await worker.once()
    (row,) = await worker.actions()
    for command in (("actions", "show", row["id"]), ("actions", "list"), ("audit", "show"), ("status",)):
        told = await worker.run(*command, PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
        assert (told.code, told.err) == (0, "")
    shown = await worker.run("actions", "show", row["id"], PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert "\\u4f60\\u597d" in shown.out


async def test_a_span_that_ends_before_it_begins_is_no_nothing(worker: Bench) -> None:
    """Exchanged by mistake: `planned nothing` would read as if there were nothing to undo."""
    assert (await worker.run("pause")).code == 0
    told = await worker.run("undo", "--playbook", "junk", "--since", "1h", "--until", "2h")
    assert (told.code, "is not after --since" in told.err) == (2, True)
    for command in (("actions", "list"), ("audit", "show")):
        assert (await worker.run(*command, "--limit", "9" * 20)).code == 2


async def test_a_record_that_finds_no_room_is_named(worker: Bench, tenant: Tenant) -> None:
    """In one line, and without a word of events that were written."""
    worker.rule("junk", rules.JUNK)
    (message,) = await tenant.mail("MALICIOUS")
    await worker.once()
    told = await worker.run("replay", message, "--record", "/dev/full", "--force")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "--record: /dev/full: No space left on device" in told.err
