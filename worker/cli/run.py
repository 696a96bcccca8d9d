"""`worker run`: the daemon, or one round of it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer

from worker import settings as settings_module
from worker.errors import WorkerError, first_error
from worker.ops import logs
from worker.process import signals
from worker.settings import Settings
from worker.store.engine import sqlite_path
from worker.store.file.lock import acquire

_M_ARENA_MAX = -8
"""glibc's malloc.h."""


def run(
    once: Annotated[
        bool, typer.Option("--once", help="Poll every source once, work off what is open, then exit.")
    ] = False,
) -> None:
    """The daemon: polls, decides, acts. SIGTERM drains and exits 0; a second signal ends at once.

    With --once: exit code 3 if any action is dead or unknown, 1 if a source could not be read.
    """
    signals.hold_back()
    settings = settings_module.load()
    token = settings.token()
    settings.account()
    logs.configure(
        format=settings.worker_log_format,
        level=settings.worker_log_level,
        secrets=[token()],
    )
    lock = acquire(sqlite_path(settings.database_url))
    try:
        code = _run(settings, once=once)
    finally:
        lock.close()
    raise typer.Exit(code)


def _share_memory() -> None:
    """One pool for both threads, where the C library is glibc: what one of them frees, the other can use."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _run(settings: Settings, *, once: bool) -> int:
    gc.disable()
    _share_memory()
    from worker.bootstrap import build  # noqa: PLC0415 - wrong settings are told before anything heavy loads

    service, store = build(settings, listen=not once)
    # What is loaded now stays: the collector need not look at it again.
    gc.freeze()
    gc.enable()

    async def main() -> int:
        try:
            code = await (service.run_once() if once else service.run())
            if service.undone:
                from worker.cli.printing import say  # noqa: PLC0415 - hardly ever needed

                say(f"worker: run --once: {service.undone}", sys.stderr)
            return code
        finally:
            await service.close()
            await store.close()

    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main())
    except Exception as error:  # noqa: BLE001 - whatever ends the daemon is said in its log
        cause = first_error(error)
        if isinstance(cause, WorkerError):
            raise cause from None
        logs.get_logger().error("service.failed", exc_info=cause)
        return 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    return uvloop.new_event_loop
