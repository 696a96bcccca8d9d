"""`check` in a process of its own, so that a playbook that nothing can stop ends that one and becomes a problem."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from worker.authoring.mail import simulated_mail
from worker.errors import WorkerError
from worker.playbooks.checking import check
from worker.watchdog import LAST_RESORT, Memory, Watchdog

_OUR_FAULT = 70


def check_apart(directory: Path, *, last_resort: float = LAST_RESORT) -> dict[str, Any]:
    """The report of `check` as JSON, whatever the folder's code does to the process that runs it.

    Raises:
        WorkerError: the check itself failed.
    """
    with TemporaryDirectory(prefix="worker-check-") as folder:
        memory = Memory(Path(folder))
        try:
            while (report := _attempt(directory, memory, last_resort)) is None:
                pass  # what ended that process is barred now: the next one gets further
        finally:
            memory.close()
    return report


def _attempt(directory: Path, memory: Memory, last_resort: float) -> dict[str, Any] | None:
    """The report, or None where author code ended the process."""
    readable, writable = os.pipe()
    pid = os.fork()
    if not pid:
        _run(directory, Watchdog(memory, last_resort=last_resort), writable)
    os.close(writable)
    with open(readable, "rb") as pipe:  # noqa: PTH123 - a descriptor, no path
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        return json.loads(told)  # type: ignore[no-any-return]
    if code == _OUR_FAULT or memory.recover(directory, died=True) is None:
        raise WorkerError(f"the check of {directory} failed ({code}); report it, with what stands above")
    return None


def _run(directory: Path, watchdog: Watchdog, writable: int) -> None:
    """The life of the child: ends the process."""
    code = _OUR_FAULT
    # Ctrl-C ends this process without a word: the parent has it, too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        report = check(directory, watchdog, simulated_mail()).as_json()
        with open(writable, "wb") as pipe:
            pipe.write(json.dumps(report).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - told on stderr; nothing of the parent's may run here
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(code)
