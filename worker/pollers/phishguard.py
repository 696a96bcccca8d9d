"""PhishGuard reports: paged lists, each new report joined with the message that it is about.

A report names its message by `fields.postfix_id` alone (API reference, PhishGuard reports): the messages of one
poll's reports are found by one paged list over each cluster of their times. A report whose message is not there yet
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
from worker.pollers.finding import Found, Wanted, find
from worker.pollers.joining import KEPT_SECONDS, MARGIN_SECONDS, WaitingRoom
from worker.pollers.numbered import Numbered
from worker.pollers.source import Take
from worker.pollers.windows import Span, merged
from worker.ports import Lane, Waiting

log = get_logger()

PAGES, LAST_PAGES = 50, 1000
"""Pages that the messages of one page of reports may cost in all; more before one is decided without its message."""
REPORT_SECONDS = 6 * 3600.0
"""Times of one report that lie closer: its message may be anywhere between them."""
GAP_SECONDS = 900.0
"""Reports whose times lie closer share one span."""


class PhishGuardSource:
    """Reads every report of a window and finds its message."""

    name = PHISHGUARD

    def __init__(self, cloudflare: Cloudflare, ledger: Waiting, clock: Clock) -> None:
        self._cloudflare = cloudflare
        self._room = WaitingRoom(self.name, ledger, clock)
        self._numbered = Numbered(self.name, clock)
        self._clock = clock

    async def read(self, poll: Poll, take: Take) -> None:
        """The window's reports, page by page, then those that wait for their message.

        In this order a vendor that is down fails the poll before anybody's hour runs out over searches that it fails.
        """
        held_back = await self._room.page()
        await self._numbered.read(poll.start, partial(self._reports, poll), report_sighting, take)
        if held_back is not None:
            await take(held_back)

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Joins the reports with their messages; those without one wait, up to an hour or until `last_chance`."""
        named = [one for one in fresh if _wanted(one).postfix_id]
        found = await self._messages(named, last_chance=last_chance)
        complete, waiting = await self._room.admit(named, found, last_chance=last_chance)
        complete += [one for one in fresh if not _wanted(one).postfix_id]
        for one in complete:
            if one.message is None:
                log.warning("report.unmatched", report_id=one.key)
        if waiting:
            log.info("report.waiting", count=len(waiting))
        return complete

    async def _messages(self, named: Sequence[Sighting], *, last_chance: bool) -> Found:
        """The messages of those that were searched for, span by span; who is left out has the first turn next time."""
        found = Found()
        left = LAST_PAGES if last_chance or await self._room.ends() else PAGES
        for span, reports in _spans(self._room.due(named, last_chance=last_chance), self._clock.now()):
            wanted = [one for one in reports if not found.has(one)]
            if left <= 0 or (found.failed and not last_chance):
                break
            if wanted:
                left -= await find(self.name, self._clock, partial(self._list, span), wanted, left, found)
        return found

    async def _reports(self, poll: Poll, page: int) -> WirePage[PhishReport]:
        return await self._cloudflare.phishguard.reports(
            start=utc(poll.start), end=utc(poll.end), page=page, lane=Lane.POLL
        )

    async def _list(self, span: Span, cursor: str | None) -> WirePage[Detection]:
        return await self._cloudflare.investigate.list(
            start=utc(span[0]), end=utc(span[1]), cursor=cursor, detections_only=False, lane=Lane.POLL
        )


def _spans(due: Sequence[Sighting], now: float) -> list[tuple[Span, list[Wanted]]]:
    """Where the messages may be: the spans of time and whose message may be in each, in the order of these."""
    stretches = {one.key: _stretches(_report(one), now) for one in due}
    spans = {
        span: [
            rank
            for rank, one in enumerate(due)
            if any(span[0] <= start <= span[1] for start, _ in stretches[one.key])
        ]
        for span in merged((each for some in stretches.values() for each in some), GAP_SECONDS)
    }
    ordered = sorted(spans.items(), key=lambda pair: pair[1][0])
    return [(span, [_wanted(due[rank]) for rank in ranks]) for span, ranks in ordered]


def _stretches(report: PhishReport, now: float) -> list[Span]:
    """When its message may have come, a margin around it; a time that the vendor's list does not reach says nothing."""
    moments = (report.fields.occurred_at, report.created_at, report.updated_at)
    times = [moment.timestamp() for moment in moments if moment is not None]
    known = [one for one in times if now - KEPT_SECONDS <= one <= now + MARGIN_SECONDS] or [now]
    return [
        (max(first - MARGIN_SECONDS, now - KEPT_SECONDS), min(last + MARGIN_SECONDS, now))
        for first, last in merged([(one, one) for one in known], REPORT_SECONDS)
    ]


def _report(sighting: Sighting) -> PhishReport:
    assert isinstance(sighting.event, PhishReport)  # noqa: S101 - this source makes no other events
    return sighting.event


def _wanted(sighting: Sighting) -> Wanted:
    fields = _report(sighting).fields
    return Wanted(sighting.key, fields.postfix_id or "", fields.to)
