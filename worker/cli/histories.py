"""Where `worker backtest` gets its events: the vendor, the event store, a file of saved events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from worker.cli.common import Database, database
from worker.cli.moments import moment
from worker.cli.progress import Advance, bar
from worker.errors import UsageError, VendorError
from worker.ops.text import safe
from worker.playbooks.saved import MAX_LINE, Saved, SavedError, read
from worker.settings import Settings
from worker.store.engine import sqlite_engine, sqlite_path, transact
from worker.store.migrate import migrate
from worker.store.views.past_events import count, own_deeds, past_events

if TYPE_CHECKING:
    from datetime import datetime

    from worker.backtest.reporting import Backtest
    from worker.backtest.vendor import VendorHistory
    from worker.cli.vendor import Reading
    from worker.model.known import Views
    from worker.model.plans import Poll, Sighting
    from worker.playbooks.loader import Catalogue

VENDOR, STORE = "vendor", "store"
DAY = 86400.0
REACH, KEPT = 7 * DAY, 30 * DAY
"""How far back the vendor is read where nobody says, and how far its list reaches (API reference, Investigate list)."""
PART = 2000
"""Events that are handed over together."""
NEVER = 4e9
DECIDED_ONLY = (
    "the store keeps events that a playbook decided on (WORKER_KEEP_EVENTS=decided): what another playbook would find "
    "in all the other mail, --from vendor or WORKER_KEEP_EVENTS=all shows"
)
FETCH_SECONDS = 6 * 3600.0
"""How long fetching for playbooks may take in all."""


class Window(NamedTuple):
    """What part of the source is read (seconds since the epoch)."""

    start: float
    end: float


class Asked(NamedTuple):
    """How much more than the lists the vendor may be asked for: messages' logs, and messages for each playbook."""

    logs: int
    fetch: int


class Fed(NamedTuple):
    """How it ended: why not all of it could be read, and what should be known of it."""

    stopped: str | None
    notes: list[str]


def window(since: str | None, until: str | None, source: str) -> Window:
    """The part that a person names. UsageError where there is no such part."""
    now = time.time()
    whole = source != VENDOR
    start = moment("--since", since, now) if since is not None else 0.0 if whole else now - REACH
    end = moment("--until", until, now) if until is not None else NEVER if whole else now
    if not whole:
        end = min(end, now)
        if start < now - KEPT - 60:
            raise UsageError("--since: the vendor's history has 30 days; --from store may reach further back")
    if start >= end:
        raise UsageError("--since: is not before --until; write for example --since 7d --until 1d")
    return Window(start, end)


def feed(
    backtest: Backtest, settings: Settings, catalogue: Catalogue, source: str, span: Window, asked: Asked
) -> Fed:
    """Hands all of the source's events over."""
    with bar("backtest") as advance:
        if source == VENDOR:
            return asyncio.run(_from_vendor(backtest, settings, catalogue, span, asked, advance))
        if source == STORE:
            return _from_store(backtest, settings, catalogue, span, advance)
        return _from_file(backtest, Path(source), span, advance)


async def _from_vendor(
    backtest: Backtest,
    settings: Settings,
    catalogue: Catalogue,
    span: Window,
    asked: Asked,
    advance: Advance,
) -> Fed:
    from worker.cli.vendor import reading  # noqa: PLC0415

    settings.account(), settings.token()
    stopped = None
    with _ledger(settings) as db:
        async with reading(db) as vendor:
            history = _history(vendor, db.account_id, catalogue, span, asked)
            try:
                async for batch in history.batches():
                    backtest.take(batch)
                    done = (history.progress.at - span.start) / (span.end - span.start)
                    advance(done, f"{backtest.taken} events")
            except VendorError as error:
                stopped = safe(f"{type(error).__name__}: {error}", 500)
    return Fed(stopped, _vendor_notes(history, asked))


@contextmanager
def _ledger(settings: Settings) -> Iterator[Database]:
    """The worker's, whose request budget counts; where there is none, one for the while."""
    if sqlite_path(settings.database_url).exists():
        with database() as db:
            yield db
        return
    with TemporaryDirectory(prefix="worker-backtest-") as folder:
        engine = sqlite_engine(Path(folder) / "budget.db")
        try:
            transact(engine, migrate)
            yield Database(engine, settings, settings.account())
        finally:
            engine.dispose()


def _history(
    vendor: Reading, account_id: str, catalogue: Catalogue, span: Window, asked: Asked
) -> VendorHistory:
    from worker.backtest.vendor import Patient, VendorHistory  # noqa: PLC0415
    from worker.deciding.enrichment import Enricher  # noqa: PLC0415
    from worker.ops.metrics import Metrics  # noqa: PLC0415

    async def own(message_ids: Collection[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
        return await vendor.store.run(own_deeds, account_id, message_ids)

    enricher = Enricher(
        vendor.cloudflare.investigate,
        Patient(),
        vendor.clock,
        Metrics(),
        asked.fetch,
        FETCH_SECONDS,
    )

    async def fetch(poll: Poll, events: Sequence[Sighting], now: datetime) -> Views:
        return await enricher.for_new(poll, events, now, {}, catalogue, without=())

    return VendorHistory(
        vendor.cloudflare,
        vendor.clock,
        [kind for kind, playbooks in catalogue.by_type.items() if playbooks],
        *span,
        logs=asked.logs,
        own=own,
        fetch=fetch if asked.fetch and any(one.needs for one in catalogue.playbooks) else None,
    )


def _vendor_notes(history: VendorHistory, asked: Asked) -> list[str]:
    progress = history.progress
    notes = ["messages are decided as they were delivered, under the verdicts that they have today"]
    if progress.bad:
        notes.append(f"{progress.bad} rows of the vendor could not be read and are left out")
    if progress.logs_unread:
        notes.append(
            f"of {progress.logs_unread} messages that somebody acted on the action log was not asked for "
            f"(--action-logs {asked.logs}): where to they were moved, and by whom, is not known"
        )
    return notes


def _from_store(
    backtest: Backtest, settings: Settings, catalogue: Catalogue, span: Window, advance: Advance
) -> Fed:
    from worker.backtest.recorded import seen_in_store  # noqa: PLC0415

    decisions = any(one.needs for one in catalogue.playbooks)
    with database() as db, db.stream() as conn:
        total = count(conn, db.account_id, *span)
        events = seen_in_store(past_events(conn, db.account_id, *span, decisions=decisions))
        while part := list(islice(events, PART)):
            backtest.take(part)
            advance(backtest.taken / max(total, 1), f"{backtest.taken} of {total} events")
    return Fed(None, [] if settings.worker_keep_events == "all" else [DECIDED_ONLY])


def _from_file(backtest: Backtest, path: Path, span: Window, advance: Advance) -> Fed:
    from worker.backtest.recorded import seen_in_file  # noqa: PLC0415

    try:
        size = max(path.stat().st_size, 1)
        with path.open("rb") as file:
            events = seen_in_file(saved_lines(file, str(path)))
            while part := list(islice(events, PART)):
                backtest.take(one for one in part if span.start <= one.at < span.end)
                advance(file.tell() / size, f"{backtest.taken} events")
    except OSError as error:
        raise UsageError(
            f"--from: cannot read {path}: {error.strerror}; use vendor, store, or a file of saved events"
        ) from None
    return Fed(None, [])


def saved_lines(file: BinaryIO, name: str) -> Iterator[Saved]:
    """The file's events. UsageError names the line that holds none."""
    try:
        # A line that never ends must not fill the memory.
        yield from read(iter(lambda: file.readline(MAX_LINE + 1), b""))
    except SavedError as error:
        raise UsageError(f"{name}: {error}") from None
