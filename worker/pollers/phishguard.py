"""PhishGuard reports: paged lists, each new report joined with the message that it is about.

A report names its message by `fields.postfix_id` alone (API reference, PhishGuard reports): the messages of one
poll's reports are found by one paged list over the span of the reports. A report whose message is not there yet
waits for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare import Page as WirePage
from worker.errors import BadAnswer
from worker.model.events import Detection, PhishReport
from worker.model.plans import PHISHGUARD, Poll, Sighting, report_sighting
from worker.ops.logs import get_logger
from worker.pollers.source import Page, Take
from worker.ports import Lane, Ledger
from worker.retry import read_page

log = get_logger()

MARGIN_SECONDS = 900.0
PATIENCE_SECONDS = 3600.0
PAGES = 1000


class PhishGuardSource:
    """Reads every report of a window and finds its message."""

    name = PHISHGUARD

    def __init__(self, cloudflare: Cloudflare, ledger: Ledger, clock: Clock) -> None:
        self._cloudflare = cloudflare
        self._ledger = ledger
        self._clock = clock

    async def read(self, poll: Poll, take: Take) -> None:
        """The reports that wait for their message, then the window's, page by page until a short one."""
        held_back = await self._ledger.waiting()
        if held_back:
            await take(
                Page(tuple(report_sighting(report) for report, _ in held_back), (), 0, self._clock.now())
            )
        seen: set[tuple[int, ...]] = set()
        for number in range(1, PAGES + 1):
            answer = await read_page(
                partial(self._reports, poll, number),
                self._clock.sleep,
                lambda error: log.warning("poll.page_retried", source=self.name, error=error),
            )
            ids = tuple(row.id for row in answer.rows)
            if ids and ids in seen:
                log.warning("poll.cursor_loop", source=self.name)
                return
            seen.add(ids)
            sightings = tuple(report_sighting(row) for row in answer.rows)
            await take(Page(sightings, answer.bad, len(answer.rows) + len(answer.bad), self._clock.now()))
            if not answer.more:
                return
        raise BadAnswer(f"the reports did not end after {PAGES} pages")

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Joins the reports with their messages; those without one wait, up to an hour or until `last_chance`."""
        messages = await self._messages(fresh)
        since = {str(report.id): first_seen for report, first_seen in await self._ledger.waiting()}
        now = self._clock.now()
        complete: list[Sighting] = []
        waiting: list[Sighting] = []
        for sighting in fresh:
            message = _best(sighting, messages)
            patient = now - since.get(sighting.key, now) < PATIENCE_SECONDS and not last_chance
            if message is None and patient and _postfix_id(sighting):
                waiting.append(sighting)
                continue
            if message is None:
                log.warning("report.unmatched", report_id=sighting.key)
            event = replace(sighting.event, message=message)
            complete.append(replace(sighting, event=event))
        if waiting:
            await self._ledger.wait_for_message(waiting)
            log.info("report.waiting", count=len(waiting))
        return complete

    async def _messages(self, fresh: Sequence[Sighting]) -> dict[str, list[Detection]]:
        """Messages by postfix id, out of one list over the span of the reports."""
        wanted = {_postfix_id(sighting) for sighting in fresh} - {""}
        found: dict[str, list[Detection]] = {}
        if not wanted:
            return found
        start, end = _span([_report(sighting) for sighting in fresh], self._clock.now())
        cursor: str | None = None
        known: set[str] = set()
        while True:
            answer = await read_page(
                partial(self._list, start, end, cursor),
                self._clock.sleep,
                lambda error: log.warning("poll.page_retried", source=self.name, error=error),
            )
            for row in answer.rows:
                if row.postfix_id in wanted:
                    found.setdefault(row.postfix_id, []).append(row)
            cursor = answer.next
            if cursor is None or cursor in known or len(known) >= PAGES or _all_found(fresh, found):
                return found
            known.add(cursor)

    async def _reports(self, poll: Poll, number: int) -> WirePage[PhishReport]:
        return await self._cloudflare.phishguard.reports(
            start=utc(poll.start), end=utc(poll.end), page=number, lane=Lane.POLL
        )

    async def _list(self, start: float, end: float, cursor: str | None) -> WirePage[Detection]:
        return await self._cloudflare.investigate.list(
            start=utc(start), end=utc(end), cursor=cursor, detections_only=False, lane=Lane.POLL
        )


def _span(reports: Sequence[PhishReport], now: float) -> tuple[float, float]:
    times = [
        moment.timestamp()
        for report in reports
        for moment in (report.fields.occurred_at, report.created_at, report.updated_at)
        if moment is not None
    ] or [now]
    return min(min(times) - MARGIN_SECONDS, now), min(max(times) + MARGIN_SECONDS, now)


def _all_found(fresh: Sequence[Sighting], messages: dict[str, list[Detection]]) -> bool:
    """Whether no further page can show a better message for any of the reports."""
    named = [sighting for sighting in fresh if _postfix_id(sighting)]
    best = [(sighting, _best(sighting, messages)) for sighting in named]
    return all(row is not None and not any(_faults(sighting, row)) for sighting, row in best)


def _best(sighting: Sighting, messages: dict[str, list[Detection]]) -> Detection | None:
    """Several messages may share a postfix id: prefer the reported recipient's, then the original to a submission."""
    return min(messages.get(_postfix_id(sighting), []), key=lambda row: _faults(sighting, row), default=None)


def _faults(sighting: Sighting, row: Detection) -> tuple[bool, bool]:
    to = {address.lower() for address in _report(sighting).fields.to}
    others = bool(to) and not to & {address.lower() for address in row.client_recipients}
    return others, row.is_phish_submission


def _report(sighting: Sighting) -> PhishReport:
    assert isinstance(sighting.event, PhishReport)  # noqa: S101 - this source makes no other events
    return sighting.event


def _postfix_id(sighting: Sighting) -> str:
    return _report(sighting).fields.postfix_id or ""
