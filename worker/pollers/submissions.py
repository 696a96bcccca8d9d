"""Submissions: who asked for another verdict, and what came of it.

An outcome comes hours or days after the request, and the list is filtered by the time of the request alone (API
reference, Submissions list): every poll reads a day again, every sweep a week. That costs one page more or none, for
submissions are few.

A submission names its message by `original_postfix_id`, for which there is no filter: it is searched for by the words
of its subject. One whose message is not there yet waits for an hour.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from worker.clock import Clock, utc
from worker.cloudflare import Cloudflare
from worker.cloudflare import Page as WirePage
from worker.cloudflare import Submission as Row
from worker.cloudflare.investigate import Filters
from worker.model.events import Detection, Submission
from worker.model.plans import SUBMISSIONS, Poll, Sighting, submission_sighting
from worker.ops.logs import get_logger
from worker.pollers.finding import Found, Wanted, find
from worker.pollers.joining import KEPT_SECONDS, MARGIN_SECONDS, WaitingRoom
from worker.pollers.numbered import Numbered
from worker.pollers.source import Take
from worker.pollers.windows import Reach, Span
from worker.ports import Lane, Waiting

log = get_logger()

DAY = 86400.0
OUTCOME_SECONDS, SWEEP_SECONDS = DAY, 7 * DAY
"""How far back outcomes are looked for at every poll, and once an hour."""
MESSAGE_SECONDS = 7 * DAY
"""How old a message may be that somebody asks another verdict for."""
SEARCHES, PAGES = 20, 3
"""Searches of one page of submissions, and pages of one search; what is left waits for the next poll."""
WORDS, LONGEST_WORD = 8, 64

# What is listed where no type is asked for is not documented.
TYPES: tuple[Literal["TEAM", "USER"], ...] = ("TEAM", "USER")


def reach(chosen: Reach) -> Reach:
    """The operator's reach, but far enough for outcomes."""
    return Reach(chosen.lookback, max(chosen.overlap, OUTCOME_SECONDS), max(chosen.sweep, SWEEP_SECONDS))


class Search(NamedTuple):
    """What the list of messages is asked for; submissions of one campaign share it."""

    subject: str | None
    recipient: str | None

    @property
    def filters(self) -> Filters:
        """As the list takes them."""
        return {"subject": self.subject} if self.subject else {"recipient": self.recipient or ""}


class SubmissionSource:
    """Reads every submission of a window, the team's and the users', and finds its message."""

    name = SUBMISSIONS

    def __init__(self, cloudflare: Cloudflare, ledger: Waiting, clock: Clock) -> None:
        self._cloudflare = cloudflare
        self._room = WaitingRoom(self.name, ledger, clock)
        self._numbered = {one: Numbered(self.name, clock, SWEEP_SECONDS) for one in TYPES}
        self._clock = clock

    async def read(self, poll: Poll, take: Take) -> None:
        """The window's submissions, type by type, then those that wait for their message: as for PhishGuard reports."""
        held_back = await self._room.page()
        for one in TYPES:
            await self._numbered[one].read(poll.start, partial(self._list, poll, one), _sighting, take)
        if held_back is not None:
            await take(held_back)

    async def complete(self, fresh: Sequence[Sighting], *, last_chance: bool) -> list[Sighting]:
        """Joins the submissions with their messages; those without one wait, up to an hour or until `last_chance`."""
        named = [one for one in fresh if _search(_submission(one)) is not None]
        found = await self._messages(named, last_chance=last_chance)
        complete, waiting = await self._room.admit(named, found, last_chance=last_chance)
        complete += [one for one in fresh if _search(_submission(one)) is None]
        for one in complete:
            if one.message is None:
                log.info("submission.unmatched", submission_id=one.key)
        if waiting:
            log.info("submission.waiting", count=len(waiting))
        return complete

    async def _messages(self, named: Sequence[Sighting], *, last_chance: bool) -> Found:
        """The messages of those that were searched for; who is left out has the first turn next time."""
        groups: dict[Search, list[Sighting]] = defaultdict(list)
        for one in self._room.due(named, last_chance=last_chance):
            if (search := _search(_submission(one))) is not None:
                groups[search].append(one)
        found = Found()
        for search, group in list(groups.items())[: None if last_chance else SEARCHES]:
            span = _span([_submission(one) for one in group], self._clock.now())
            fetch = partial(self._investigate, search, span)
            await find(self.name, self._clock, fetch, [_wanted(one) for one in group], PAGES, found)
            if found.failed and not last_chance:
                break
        return found

    async def _list(self, poll: Poll, type_: Literal["TEAM", "USER"], page: int) -> WirePage[Row]:
        return await self._cloudflare.submissions.list(
            start=utc(poll.start), end=utc(poll.end), type=type_, page=page, lane=Lane.POLL
        )

    async def _investigate(self, search: Search, span: Span, cursor: str | None) -> WirePage[Detection]:
        return await self._cloudflare.investigate.list(
            start=utc(span[0]),
            end=utc(span[1]),
            cursor=cursor,
            detections_only=False,
            lane=Lane.POLL,
            **search.filters,
        )


def _sighting(row: Row) -> Sighting:
    return submission_sighting(msgspec.convert(row, Submission, from_attributes=True))


def _submission(sighting: Sighting) -> Submission:
    assert isinstance(sighting.event, Submission)  # noqa: S101 - this source makes no other events
    return sighting.event


def _search(one: Submission) -> Search | None:
    """By the subject's words, without the signs that a search may take for its own; else by who reported it."""
    if not one.original_postfix_id:
        return None
    words = dict.fromkeys(re.findall(r"\w+", one.subject or ""))
    chosen = sorted((word for word in words if len(word) <= LONGEST_WORD), key=len, reverse=True)[:WORDS]
    if chosen:
        return Search(" ".join(chosen), None)
    return Search(None, _to(one)[0]) if _to(one) else None


def _to(one: Submission) -> tuple[str, ...]:
    """The mailbox that a user reported from."""
    address = one.requested_by or ""
    return (address,) if one.is_user_report and "@" in address else ()


def _wanted(sighting: Sighting) -> Wanted:
    one = _submission(sighting)
    return Wanted(sighting.key, one.original_postfix_id or "", _to(one))


def _span(wanted: Sequence[Submission], now: float) -> Span:
    times = [one.requested_at.timestamp() for one in wanted if one.requested_at] or [now]
    start = max(min(times) - MESSAGE_SECONDS, now - KEPT_SECONDS)
    return min(start, now), max(start, min(max(times) + MARGIN_SECONDS, now))
