"""Keeps the worker's modules loaded and forks one process for each command: a start costs 50 ms, not a second.

What is forked is a process as any other: own memory, own signals, killed with SIGKILL where a test says so. Run as a
script with the path of a Unix socket; ends, with all its children, when its standard input is closed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from importlib import import_module
from typing import Any

MODULES = (
    "alembic.command",
    "alembic.config",
    "apscheduler.schedulers.asyncio",
    "uvloop",
    "worker.__main__",
    "worker.bootstrap",
    "worker.cli",
    "worker.cli.applying",
    "worker.cli.gate",
    "worker.origin",
    "worker.declared.export",
    "worker.playbooks.checking",
    "worker.pollers.scheduler",
    "worker.store.engine",
)
"""Everything that a command may load on its way, and nothing that starts a thread."""


def serve(path: str) -> None:
    """Answers each connection's one request with a line `pid N`, and with `exit N` when that process has ended."""
    _preload()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(64)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    clients: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (listener, woken, sys.stdin):
            selector.register(source, selectors.EVENT_READ)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    for pid in clients:
                        os.kill(pid, signal.SIGKILL)
                    return
                if key.fileobj is listener:
                    client, _ = listener.accept()
                    pid = _fork(json.loads(client.makefile().readline()))
                    clients[pid] = client
                    _tell(client, f"pid {pid}\n")
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 4096)
            _reap(clients)


def _preload() -> None:
    for name in MODULES:
        import_module(name)
    import_module("worker.cli").command_line()
    import_module("worker.store.engine")._driver()
    # What is loaded stays, and is shared with every process to come.
    gc.collect()
    gc.freeze()


def _fork(order: dict[str, Any]) -> int:
    if pid := os.fork():
        return pid
    code = 1
    try:
        code = _become(order)
    except BaseException:  # noqa: BLE001 - as an interpreter does: told on stderr, exit code 1
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _become(order: dict[str, Any]) -> int:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    os.closerange(3, 512)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["worker", *order["arguments"]]
    try:
        import_module(order["module"]).main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    return 0


def _reap(clients: dict[int, socket.socket]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        client = clients.pop(pid)
        _tell(client, f"exit {os.waitstatus_to_exitcode(status)}\n")
        client.close()


def _tell(client: socket.socket, line: str) -> None:
    with contextlib.suppress(OSError):
        client.sendall(line.encode())


if __name__ == "__main__":
    serve(sys.argv[1])
