"""The vendor as a command meets it that is no daemon: the client, and the budget that it shares with one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from worker.budget import Behind, RequestBudget
from worker.cli.common import Database
from worker.cli.gate import Ungated
from worker.clock import SteadyClock
from worker.cloudflare import Cloudflare
from worker.ops.metrics import Metrics
from worker.ports import Gate
from worker.settings import Settings
from worker.store.engine import Store, sqlite_path
from worker.store.ledger import StoreLedger
from worker.store.people.edits import Edits
from worker.upkeep.brake import Brake


@dataclass(frozen=True, slots=True)
class Vendor:
    """The client, with the ledger's share of it."""

    cloudflare: Cloudflare
    gate: Gate
    clock: SteadyClock
    edits: Edits


def _client(settings: Settings, account_id: str, gate: Gate, *, reads_only: bool = False) -> Cloudflare:
    return Cloudflare(
        base_url=settings.cloudflare_base_url,
        account_id=account_id,
        token=settings.token(),
        gate=gate,
        reads_only=reads_only,
    )


@asynccontextmanager
async def sharing(db: Database) -> AsyncIterator[Vendor]:
    """With the ledger: its budget, its brake, its audit log."""
    clock, store = SteadyClock(), Store(db.engine)
    brake = Brake.beside(sqlite_path(db.settings.database_url))
    ledger = StoreLedger(store, db.account_id, clock, db.settings.worker_move_batch, brake.on)
    budget = RequestBudget(ledger, clock, Metrics(), db.request_budget())
    store.start()
    try:
        await budget.restore()
        async with _client(db.settings, db.account_id, budget) as cloudflare:
            yield Vendor(cloudflare, budget, clock, Edits(store, db.account_id, clock, brake.on))
    finally:
        await store.close()


@dataclass(frozen=True, slots=True)
class Reading:
    """A client that refuses to change anything, on what others leave of the budget."""

    cloudflare: Cloudflare
    budget: RequestBudget
    clock: SteadyClock
    store: Store


@asynccontextmanager
async def reading(db: Database) -> AsyncIterator[Reading]:
    """For many reads, beside a daemon too: its polls and actions come first."""
    clock, store = SteadyClock(), Store(db.engine)
    ledger = StoreLedger(store, db.account_id, clock, db.settings.worker_move_batch)
    budget = RequestBudget(ledger, clock, Metrics(), db.request_budget())
    store.start()
    try:
        await budget.restore()
        async with _client(db.settings, db.account_id, Behind(budget), reads_only=True) as cloudflare:
            yield Reading(cloudflare, budget, clock, store)
    finally:
        await store.close()


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[Cloudflare]:
    """Without a ledger there is nobody to share a budget with; for a handful of reads."""
    async with _client(settings, settings.account(), Ungated()) as cloudflare:
        yield cloudflare
