"""PhishGuard reports: paged lists, each new report joined with the message that it is about.

A report names its message by `fields.postfix_id` alone (API reference, PhishGuard reports): the messages of one
poll's reports are found by one paged list over the span of the reports. A report whose message is not there yet
waits for an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare import Page as WirePage
from worker.model.events import Detection, PhishReport
from worker.model.plans import PHISHGUARD, Poll, Sighting, report_sighting
from worker.ops.logs import get_logger
from worker.pollers.joining import KEPT_SECONDS, MARGIN_SECONDS, WaitingRoom, best, is_right
from worker.pollers.numbered import PAGES, Numbered
from worker.pollers.source import Take
from worker.ports import Lane, Waiting
from worker.retry import read_page

log = get_logger()


class PhishGuardSource:
    """Reads every report of a window and finds its message."""

    name = PHISHGUARD

    def __init__(self, cloudflare: Cloudflare, ledger: Waiting, clock: Clock) -> None:
        self._cloudflare = cloudflare
        self._room = WaitingRoom(self.name, ledger, clock)
        self._numbered = Numbered(self.name, clock)
        self._clock = clock

    async def read(self, poll: Poll, take: Take) -> None:
        """The reports that wait for their message, then the window's, page by page until a short one."""
        if (held_back := await self._room.page()) is not None:
            await take(held_back)
        await self._numbered.read(poll.start, partial(self._reports, poll), report_sighting, take)

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Joins the reports with their messages; those without one wait, up to an hour or until `last_chance`."""
        messages = await self._messages(fresh)
        named = [one for one in fresh if _postfix_id(one)]
        found = {one.key: _best(one, messages) for one in named}
        complete, waiting = await self._room.admit(named, found, last_chance=last_chance)
        complete += [one for one in fresh if not _postfix_id(one)]
        for one in complete:
            if one.message is None:
                log.warning("report.unmatched", report_id=one.key)
        if waiting:
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

    async def _reports(self, poll: Poll, page: int) -> WirePage[PhishReport]:
        return await self._cloudflare.phishguard.reports(
            start=utc(poll.start), end=utc(poll.end), page=page, lane=Lane.POLL
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
    start = max(min(times) - MARGIN_SECONDS, now - KEPT_SECONDS)
    return min(start, now), max(start, min(max(times) + MARGIN_SECONDS, now))


def _all_found(fresh: Sequence[Sighting], messages: dict[str, list[Detection]]) -> bool:
    """Whether no further page can show a better message for any of the reports."""
    named = [sighting for sighting in fresh if _postfix_id(sighting)]
    return all(is_right(_best(sighting, messages), _report(sighting).fields.to) for sighting in named)


def _best(sighting: Sighting, messages: dict[str, list[Detection]]) -> Detection | None:
    return best(messages.get(_postfix_id(sighting), []), _report(sighting).fields.to)


def _report(sighting: Sighting) -> PhishReport:
    assert isinstance(sighting.event, PhishReport)  # noqa: S101 - this source makes no other events
    return sighting.event


def _postfix_id(sighting: Sighting) -> str:
    return _report(sighting).fields.postfix_id or ""
