"""The vendor's history, by the pollers' own sources: slice by slice of time, so that only one is in memory.

It is read on what others leave of the request budget: every request is asked for as the lowest lane, whatever the
source says, and through a client that refuses to send anything but a GET.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from worker.backtest.rewinding import as_delivered, shown_deeds
from worker.backtest.seen import Deed, Seen, deeds_of
from worker.clock import Clock, VendorTime, utc
from worker.cloudflare import Cloudflare
from worker.errors import BadAnswer, Refused, Transient, first_error
from worker.ids import new_id
from worker.model.events import Detection, Event, PhishReport, Submission
from worker.model.known import Known, Views
from worker.model.plans import DETECTIONS, Poll, Sighting
from worker.pollers.detections import DetectionSource
from worker.pollers.phishguard import PhishGuardSource
from worker.pollers.source import Page, Source
from worker.pollers.submissions import SubmissionSource
from worker.ports import Lane

HOUR, DAY = 3600.0, 86400.0
FIRST_SLICE, SHORTEST, LONGEST = HOUR, 60.0, DAY
FEW, MANY, MOST = 1_000, 5_000, 20_000
"""Messages of a slice: below the first the next is longer, above the second shorter; with the third it is read again."""
SEAM = 1.0
"""Whether the vendor's bounds are inclusive is not documented: slices overlap, and what comes twice counts once."""
AT_ONCE = 8

OwnDeeds = Callable[[Collection[str]], Awaitable[Mapping[str, Sequence[tuple[str, str]]]]]
"""Kind and target of what the worker itself has done to these messages."""


class NobodyWaits:
    """Where events wait for their message: in a history nothing is still to come."""

    async def waiting(self, source: str) -> list[tuple[Event, float]]:
        """Nobody."""
        del source
        return []

    async def wait_for_message(self, events: Sequence[Sighting]) -> None:
        """Those that could not be searched for, for it is the last chance: without them it would be another history.

        Raises:
            BadAnswer: always.
        """
        raise BadAnswer(f"the messages of {len(events)} events could not be searched for; try again later")


class Patient:
    """Implements `ports.Room`: there is always some, because the gate makes everybody wait for it."""

    def refused_for(self) -> float:
        return 0.0

    def pressure(self) -> float:
        return 0.0


@dataclass
class Progress:
    """How far it has been read, and what is to be told of it."""

    at: float
    bad: int = 0
    logs_left: int = 0
    logs_unread: int = 0
    """Messages that people may have acted on whose log was not asked for."""


class _TooManyError(Exception):
    """The slice holds more than may be in memory at once."""


Fetch = Callable[[Poll, Sequence[Sighting], datetime], Awaitable[Views]]
"""What playbooks come to read of these events at that time."""


class VendorHistory:
    """Events of [start, end) in the order of their times.

    `types`: which events playbooks decide on; others are not read. `logs`: of how many messages the action log is asked
    for. `own`: what the worker itself did, which is nothing that people did. `fetch`: what playbooks come to read beyond
    the row.
    """

    def __init__(
        self,
        cloudflare: Cloudflare,
        clock: Clock,
        types: Collection[type[Event]],
        start: float,
        end: float,
        *,
        logs: int,
        own: OwnDeeds,
        fetch: Fetch | None = None,
    ) -> None:
        self._cloudflare = cloudflare
        self._start, self._end = start, end
        self._own = own
        self._fetch = fetch
        self._detections = DetectionSource(cloudflare, clock, VendorTime(clock))
        self._others: list[Source] = []
        if PhishReport in types:
            self._others.append(PhishGuardSource(cloudflare, NobodyWaits(), clock))
        if Submission in types:
            self._others.append(SubmissionSource(cloudflare, NobodyWaits(), clock))
        self._polls = {source.name: new_id() for source in (self._detections, *self._others)}
        self._width = FIRST_SLICE
        self._before: dict[str, frozenset[str]] = {}
        self.progress = Progress(start, logs_left=logs)

    async def batches(self) -> AsyncIterator[list[Seen]]:
        """Slice after slice. VendorError where one cannot be had."""
        for day, end in _steps(self._start, self._end, DAY):
            others = [one for source in self._others for one in await self._all_of(source, day, end)]
            others.sort(key=_time)
            async for until, rows in self._slices(day, end):
                due = [one for one in others if _time(one) < until or until >= end]
                others = others[len(due) :]
                events = sorted([*rows, *due], key=_time)
                yield await self._completed(events)
                self.progress.at = until

    async def _slices(self, start: float, end: float) -> AsyncIterator[tuple[float, list[Sighting]]]:
        at = start
        while at < end:
            until = min(at + self._width, end)
            most = MOST if until - at > SHORTEST else None
            try:
                found = await self._read(self._detections, max(at - SEAM, self._start), until, most)
            except _TooManyError:
                self._width = max((until - at) / 4, SHORTEST)
                continue
            yield until, self._fresh(self._detections, found)
            at = until
            if len(found) > MANY:
                self._width = max(self._width / 2, SHORTEST)
            elif len(found) < FEW:
                self._width = min(self._width * 2, LONGEST)

    async def _all_of(self, source: Source, start: float, end: float) -> list[Sighting]:
        """Every report or submission of a day, with its message."""
        found = self._fresh(source, await self._read(source, start, end, None))
        return await source.complete(found, last_chance=True) if found else []

    def _fresh(self, source: Source, found: Mapping[str, Sighting]) -> list[Sighting]:
        """What the stretch of time before has not shown already: both have the seam."""
        before = self._before.get(source.name, frozenset())
        self._before[source.name] = frozenset(found)
        return [one for key, one in found.items() if key not in before]

    async def _read(self, source: Source, start: float, end: float, most: int | None) -> dict[str, Sighting]:
        found: dict[str, Sighting] = {}

        async def take(page: Page) -> None:
            self.progress.bad += len(page.bad)
            found.update((one.key, one) for one in page.sightings)
            if most is not None and len(found) > most:
                raise _TooManyError

        poll = Poll(self._polls[source.name], source.name, "backtest", start, end)
        try:
            await source.read(poll, take)
        except ExceptionGroup as group:
            raise first_error(group) from None
        return found

    async def _completed(self, events: Sequence[Sighting]) -> list[Seen]:
        """As the worker would have seen them, with what people did since."""
        deeds = await self._deeds([one for one in events if one.source == DETECTIONS])
        seen = []
        for one in events:
            event = one.event
            message = event if isinstance(event, Detection) else event.message
            if message is not None and not isinstance(event, Submission):
                # A submission is mostly about what was done before; reports and verdicts come first.
                before = as_delivered(message)
                event = before if isinstance(event, Detection) else replace(event, message=before)
            sighting = replace(one, event=event)
            seen.append(Seen(sighting, _time(one) or self.progress.at, None, deeds.get(one.key)))
        return await self._enriched(seen)

    async def _deeds(self, rows: Sequence[Sighting]) -> dict[str, tuple[Deed, ...]]:
        """What people did to each of these messages."""
        found: dict[str, tuple[Deed, ...]] = {}
        touched: dict[str, Detection] = {}
        for one in rows:
            row = one.event
            assert isinstance(row, Detection)  # noqa: S101 - the source makes no other events
            found[row.id] = shown_deeds(row)
            if found[row.id]:
                touched[row.id] = row
        own = await self._own(touched) if touched else {}
        chosen = list(touched)[: self.progress.logs_left]
        self.progress.logs_left -= len(chosen)
        self.progress.logs_unread += len(touched) - len(chosen)
        for start in range(0, len(chosen), AT_ONCE):
            part = chosen[start : start + AT_ONCE]
            for message_id, log in zip(part, await asyncio.gather(*map(self._log, part)), strict=True):
                found[message_id] = log or found[message_id]
        for message_id, mine in own.items():
            found[message_id] = without_own(found[message_id], mine)
        return found

    async def _log(self, message_id: str) -> tuple[Deed, ...]:
        try:
            return deeds_of(await self._cloudflare.investigate.action_log(message_id, lane=Lane.ENRICH))
        except (Refused, BadAnswer, Transient):
            return ()  # the row tells something too

    async def _enriched(self, seen: Sequence[Seen]) -> list[Seen]:
        """With what playbooks come to read beyond the row, as far as the allowance goes."""
        if self._fetch is None:
            return list(seen)
        by_source: dict[str, list[Seen]] = {}
        for one in seen:
            by_source.setdefault(one.sighting.source, []).append(one)
        views: dict[str, Known] = {}
        for source, group in by_source.items():
            poll = Poll(self._polls[source], source, "backtest", self._start, self._end)
            views.update(await self._fetch(poll, [one.sighting for one in group], utc(group[-1].at)))
        return [
            one._replace(known=views.get(one.sighting.message.id)) if one.sighting.message else one
            for one in seen
        ]


def without_own(deeds: Sequence[Deed], own: Sequence[tuple[str, str]]) -> tuple[Deed, ...]:
    """What is left when the worker's own doings are taken out."""
    mine = [("submit" if kind == "reclassify" else kind, target) for kind, target in own]
    return tuple(
        one
        for one in deeds
        if not any(kind == one.kind and one.target in ("", target) for kind, target in mine)
        and not (one.kind == "release" and ("release", "") in mine)
    )


def _steps(start: float, end: float, width: float) -> Iterator[tuple[float, float]]:
    while start < end:
        yield start, min(start + width, end)
        start += width


def _time(one: Sighting) -> float:
    return one.occurred_at or 0.0
