"""The events that `worker explain` is asked about: from a file, the event store, or the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from worker.cli.common import Database
from worker.clock import iso, utc
from worker.deciding.explaining import Shown
from worker.errors import Refused, UsageError
from worker.model.events import Detection
from worker.model.history import NO_HISTORY
from worker.model.known import Enrichment, Known
from worker.model.patterns import sender_of
from worker.model.plans import SOURCES, sighting_of
from worker.playbooks import saved
from worker.playbooks.deciding import Playbook
from worker.ports import Lane
from worker.settings import Settings
from worker.store.views import histories, prospects

if TYPE_CHECKING:
    from worker.cloudflare.investigate import Investigate

_NOT_FOUND = 404


def events(playbook: Playbook, given: str, settings: Settings, db: Database | None) -> list[Shown]:
    """All that a file holds; of an id the one event.

    Raises:
        UsageError: there is none.
    """
    if Path(given).is_file():
        return _from_file(playbook, Path(given))
    source = next(name for name, kind in SOURCES.items() if kind is playbook.on)
    found = db.run(prospects.kept, source, given) if db is not None else None
    return [_from_store(found) if found is not None else _fetched(playbook, given, settings, db)]


def _from_file(playbook: Playbook, file: Path) -> list[Shown]:

    try:
        with file.open("rb") as lines:
            events = [one for one in saved.read(lines) if isinstance(one.event, playbook.on)]
    except saved.SavedError as error:
        raise UsageError(f"{file}: {error}") from None
    if not events:
        raise UsageError(f"{file}: holds no {playbook.on.__name__}, which {playbook.id} decides on")
    now = utc(time.time())
    return [Shown(one.sighting, str(file), one.now or now, one.history, one.known) for one in events]


def _from_store(found: prospects.Kept) -> Shown:

    event = msgspec.json.decode(found.body, type=SOURCES[found.source])
    rested = msgspec.json.decode(found.enrichment, type=Enrichment) if found.enrichment else None
    one = saved.Saved(event, rested, found.context)
    when = f"decided {found.decided_at}" if found.decided_at else f"seen {iso(found.stored_at)}"
    now = one.now or utc(time.time())
    return Shown(one.sighting, f"event store, {when}", now, one.history, one.known)


def _fetched(playbook: Playbook, given: str, settings: Settings, db: Database | None) -> Shown:

    if playbook.on is not Detection:
        raise UsageError(
            f"{given}: no {playbook.on.__name__} of that id, or about that message, is in the event store; "
            f"name a file that holds one, or keep all with WORKER_KEEP_EVENTS=all"
        )
    try:
        settings.token(), db or settings.account()
    except UsageError as error:
        raise UsageError(
            f"{given}: no such file, not in the event store, and not to be fetched: {error}"
        ) from None
    try:
        row, known = asyncio.run(_ask(given, playbook.needs, settings, db))
    except Refused as error:
        if error.status != _NOT_FOUND:
            raise
        raise UsageError(
            f"{given}: no such message; `worker actions list` has the ids of those acted on"
        ) from None
    except ValueError as error:
        raise UsageError(f"{given}: neither a file nor a message's id: {error}") from None
    now = time.time()
    past = {}
    if db is not None:
        past = db.run(histories.histories, {row.id: sender_of(row)}, now)
    return Shown(sighting_of(row), "fetched now", utc(now), past.get(row.id, NO_HISTORY), known)


async def _ask(
    given: str, needs: AbstractSet[str], settings: Settings, db: Database | None
) -> tuple[Detection, Known]:
    from worker.cli.vendor import alone, sharing  # noqa: PLC0415

    if db is None:
        async with alone(settings) as cloudflare:
            return await _read(cloudflare.investigate, given, needs)
    async with sharing(db) as vendor:
        return await _read(vendor.cloudflare.investigate, given, needs)


async def _read(investigate: Investigate, given: str, needs: AbstractSet[str]) -> tuple[Detection, Known]:
    """The message's row, and all that the playbook may read beyond it. What fails for now stays unknown."""
    from worker.deciding.fetching import fetch_all  # noqa: PLC0415 - for those who ask the API

    row = await investigate.get(given, lane=Lane.ENRICH)
    return row, await fetch_all(investigate, row.id, needs)
