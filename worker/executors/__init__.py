"""Carries actions out: one file a kind, or one for kinds alike. To add a kind, name its executor in `executors`."""

from __future__ import annotations

from worker.cloudflare import Cloudflare
from worker.executors.base import Executor
from worker.executors.move import MoveExecutor
from worker.executors.reclassify import ReclassifyExecutor
from worker.executors.release import ReleaseExecutor
from worker.ports import Ledger


def executors(
    cloudflare: Cloudflare, ledger: Ledger, read_back_delay: float, batch: int
) -> dict[str, Executor]:
    """Every executor by the kind that it carries out."""
    known: tuple[Executor, ...] = (
        MoveExecutor(cloudflare, ledger, read_back_delay, batch),
        ReleaseExecutor(cloudflare, read_back_delay),
        ReclassifyExecutor(cloudflare, read_back_delay),
    )
    return {executor.kind: executor for executor in known}
