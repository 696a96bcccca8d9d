"""Carries actions out: one file a kind, or one for kinds alike. To add a kind, name its executor in `executors`."""

from __future__ import annotations

from typing import Literal

from worker.clock import VendorTime
from worker.cloudflare import Cloudflare
from worker.executors.base import Executor
from worker.executors.entries import ENTRIES_AT_ONCE, MakeEntry, RemoveEntry, Unblock
from worker.executors.move import MoveExecutor
from worker.executors.notify import NotifyExecutor, Post
from worker.executors.reclassify import ReclassifyExecutor
from worker.executors.release import ReleaseExecutor
from worker.executors.submissions import SubmissionExecutor
from worker.ports import Ledger

ReclassifyVia = Literal["investigate", "submissions"]


def executors(
    cloudflare: Cloudflare,
    ledger: Ledger,
    read_back_delay: float,
    batch: int,
    via: ReclassifyVia = "investigate",
    webhook: Post | None = None,
    vendor_time: VendorTime | None = None,
) -> dict[str, Executor]:
    """Every executor by the kind that it carries out."""
    submissions = SubmissionExecutor("reclassify", cloudflare, ledger, read_back_delay, batch)
    known: tuple[Executor, ...] = (
        MoveExecutor(cloudflare, ledger, read_back_delay, batch, vendor_time),
        ReleaseExecutor(cloudflare, read_back_delay),
        ReclassifyExecutor(cloudflare, ledger, read_back_delay) if via == "investigate" else submissions,
        SubmissionExecutor("submit", cloudflare, ledger, read_back_delay, batch),
        NotifyExecutor(webhook),
        *(MakeEntry(kind, most, cloudflare, read_back_delay) for kind, most in ENTRIES_AT_ONCE.items()),
        Unblock(cloudflare, ledger, read_back_delay),
        RemoveEntry(cloudflare, read_back_delay),
    )
    return {executor.kind: executor for executor in known}
