"""A task that goes on whatever its steps raise: one odd row must not end the daemon, and again at every start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from worker.errors import StoreError
from worker.ops.logs import get_logger

log = get_logger()

FAILED_SECONDS = 60.0
"""How long a task rests after an error that nobody has foreseen."""


async def endlessly(
    task: str, step: Callable[[], Awaitable[object]], sleep: Callable[[float], Awaitable[None]], every: float
) -> None:
    """Takes a step, sleeps `every` seconds, and so on until it is cancelled."""
    while True:
        try:
            await step()
        except StoreError:
            pass  # which the store itself tells
        except Exception:
            log.exception("task.failed", task=task)
            await sleep(FAILED_SECONDS)
        await sleep(every)
