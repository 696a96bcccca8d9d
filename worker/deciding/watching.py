"""When the rules folder may have changed: at a word of the system, and every few seconds in any case.

The system's word never comes for network file systems and some mounts of containers, and
comes for the old folder where the folder itself was exchanged; whoever listens looks for himself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from worker.clock import Clock
from worker.errors import first_error
from worker.ops.logs import get_logger

log = get_logger()

LOOK_SECONDS = 5.0
"""How long a change may go unnoticed where the system says nothing."""
_STEP = 50
"""Milliseconds in which further changes are waited for."""


async def hints(directory: Path, clock: Clock, *, notify: bool) -> AsyncGenerator[None, None]:
    """One for each change that the system tells of, where `notify`, and one every LOOK_SECONDS."""
    if notify:
        from watchfiles import awatch  # noqa: PLC0415 - for daemons alone

        try:
            async for _ in awatch(
                directory,
                watch_filter=None,
                debounce=_STEP * 4,
                step=_STEP,
                rust_timeout=int(LOOK_SECONDS * 1000),
                yield_on_timeout=True,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                yield
        except Exception as error:  # noqa: BLE001 - no such folder just now, no watches left, a name that is no UTF-8
            first = first_error(error)
            log.warning("playbooks.unwatched", error=f"{type(first).__name__}: {first}", seconds=LOOK_SECONDS)
    while True:
        await clock.sleep(LOOK_SECONDS)
        yield
