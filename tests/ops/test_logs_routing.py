from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ops.lines import TOKEN, Lines
from worker.ops import logs

log = logs.get_logger()
ROOT = Path(__file__).parents[2]


def test_a_librarys_log_is_one_of_our_lines(json_lines: Lines) -> None:
    """Warnings and errors of stdlib logging keep their logger and words; lower levels are dropped."""
    logging.getLogger("apscheduler.executors").info("ran")
    logging.getLogger("apscheduler.executors").warning("missed %s\nby %d s", "tick", 3)
    try:
        Path(f"/gone/{TOKEN}").stat()
    except OSError:
        logging.getLogger("aiohttp.server").exception("Error handling request")
    missed, failed = json_lines.parsed()
    assert missed.items() >= {
        "event.action": "library.warning", "log.level": "warning", "log.logger": "apscheduler.executors",
        "message": "missed tick\nby 3 s",
    }.items()  # fmt: skip
    assert failed.items() >= {
        "log.level": "error", "error.type": "FileNotFoundError", "error.message": "[redacted]",
    }.items()  # fmt: skip


def test_a_warning_is_one_of_our_lines(json_lines: Lines) -> None:
    """`warnings` does not print; its category and place are kept."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(format="json", level="info", stream=json_lines)
        warnings.warn("old\nthing", DeprecationWarning, stacklevel=1)
    line = json_lines.only()
    assert line.items() >= {"message": "old\nthing", "error.type": "DeprecationWarning"}.items()
    assert "test_logs_routing.py" in str(line["worker.file"])


async def test_asyncios_exception_handler_writes_our_lines(json_lines: Lines) -> None:
    """An exception that nobody awaited is one JSON line, not a traceback."""
    lost = {"message": "Task\nlost", "exception": ValueError(f"lost {TOKEN}")}
    asyncio.get_running_loop().call_exception_handler(lost)
    assert json_lines.only().items() >= {"log.logger": "asyncio", "error.type": "ValueError"}.items()
    assert TOKEN not in json_lines.getvalue()


def test_a_line_for_people_is_escaped_and_readable(console: Callable[..., Lines]) -> None:
    """Mail text cannot act on a terminal; a stack trace has its frames below the line."""
    lines = console()
    log.warning(
        "poll.row_quarantined", source="detections", subject="\x1b[2J\nclear \u202e", rows=3, ids=["a"]
    )
    first = lines.getvalue()
    assert first.endswith(
        "Z warning  poll.row_quarantined source=detections "
        'email.subject="\\x1b[2J\\x0aclear \\u202e" rows=3 ids=["a"]\n'
    )
    try:
        int("x")
    except ValueError:
        log.exception("poll.failed")
    assert "\n    " in lines.getvalue()
    assert all(line.isprintable() for line in lines.getvalue().split("\n"))


@pytest.mark.parametrize("terminal", [True, False])
def test_colours_are_for_terminals_only(console: Callable[..., Lines], terminal: bool) -> None:
    """A pipe or file gets no escape code."""
    lines = console(terminal=terminal)
    log.error("poll.failed")
    assert ("\x1b" in lines.getvalue()) is terminal


def test_a_terminal_without_utf8_gets_ascii() -> None:
    """A character that the stream cannot encode is escaped, not raised."""
    raw = io.BytesIO()
    logs.configure(format="console", level="info", stream=io.TextIOWrapper(raw, encoding="ascii"))
    log.info("poll.completed", subject="für")
    assert b"email.subject=f\\xfcr\n" in raw.getvalue()


def test_a_closed_stream_stops_nothing() -> None:
    """Logging after the stream was closed is lost, not raised."""
    stream = io.StringIO()
    logs.configure(format="json", level="info", stream=stream)
    stream.close()
    log.info("poll.completed")


def test_a_full_disk_costs_lines_and_nothing_else() -> None:
    """A write that fails is lost; the next one is tried again."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        logs.configure(format="json", level="info", stream=full)
        log.info("poll.completed")
        log.info("poll.completed")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


PROGRAM = """
import asyncio, logging, sys, warnings
from worker.ops.logs import configure, get_logger
log = get_logger()
configure(format="json", level="info")
log.info("service.started")
warnings.warn("careful")
logging.getLogger("aiohttp").error("%d is a wrong format", "text")
async def main():
    asyncio.get_running_loop().create_task(fail(), name="lost")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
async def fail():
    raise ValueError("nobody awaits me")
asyncio.run(main())
for number in range(20_000 if sys.argv[1:] else 1):
    log.info("poll.completed", number=number)
if sys.argv[1:]:
    sys.stderr.write("survived")
else:
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_every_line_of_stdout_is_json_and_a_kill_loses_none() -> None:
    """Library logs, warnings and asyncio's complaints included, up to the moment of SIGKILL."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, cwd=ROOT, check=False, timeout=20
    )
    actions = [json.loads(line)["event.action"] for line in done.stdout.splitlines()]
    assert actions == ["service.started", *["library.warning"] * 3, "poll.completed"]
    assert done.stderr == b""


def test_a_reader_that_leaves_does_not_stop_the_worker() -> None:
    """A closed pipe neither raises nor spoils the exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "many"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b"survived"
    assert process.returncode == 0


def test_before_configure_nothing_reaches_stdout() -> None:
    """A command that prints data is not disturbed by a module's log call."""
    code = "from worker.ops.logs import get_logger as g; g().info('poll.started'); g().error('poll.failed')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True, timeout=20)
    assert done.stdout == b""
    assert b"poll.failed" in done.stderr
    assert b"poll.started" not in done.stderr
