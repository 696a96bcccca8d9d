"""Events of the event store and of files, as a run takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from worker.backtest.seen import Deed, Seen, deeds_of
from worker.model import known
from worker.model.known import Known
from worker.model.plans import SOURCES, sighting_of
from worker.playbooks.saved import Saved
from worker.store.views.past_events import PastEvent

_DECODERS = {source: msgspec.json.Decoder(kind) for source, kind in SOURCES.items()}


def seen_in_store(events: Iterable[PastEvent]) -> Iterator[Seen]:
    """Each at the time at which the worker saw it."""
    for one in events:
        sighting = sighting_of(_DECODERS[one.source].decode(one.body))
        yield Seen(sighting, one.stored_at, known.decode(one.enrichment) if one.enrichment else None)


def saved_from_store(one: PastEvent) -> Saved:
    """As a file holds it."""
    enrichment = msgspec.json.decode(one.enrichment, type=known.Enrichment) if one.enrichment else None
    context = msgspec.json.decode(one.context) if one.context else None
    return Saved(_DECODERS[one.source].decode(one.body), enrichment, context)


def seen_in_file(events: Iterable[Saved]) -> Iterator[Seen]:
    """Each at its own time; one that has none at that of the one before it."""
    at = 0.0
    for one in events:
        sighting = one.sighting
        own = one.now.timestamp() if one.now is not None else sighting.occurred_at
        at = at if own is None else own
        fetched = one.known
        yield Seen(sighting, at, fetched, _deeds(fetched))


def _deeds(fetched: Known | None) -> tuple[Deed, ...] | None:
    """What the saved action log tells, where there is one."""
    log = fetched.found.get("action_log") if fetched is not None else None
    return None if log is None else deeds_of(log)
