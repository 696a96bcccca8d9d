"""`POST submissions`: many messages a call, each taken or refused; whether they arrived, the team's list shows.

What the id of an answer's row refers to is not documented: rows are matched by the name that a message was sent under,
and where they bear other names, the rows together prove only what is true of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from worker.clock import utc
from worker.cloudflare import CLAIMED, Cloudflare, Page
from worker.cloudflare.submissions import MissedDetection, Reclassification
from worker.cloudflare.wire import Submission, SubmissionAnswer, SubmissionResult
from worker.errors import BadAnswer, Refused
from worker.executors.base import Effect, ReadBack, moment, ready, refused, skipped, unmatched
from worker.model.actions import State
from worker.model.calls import Answered, Call, Item, Outcome
from worker.model.enrichment import LogEntry
from worker.model.events import Detection
from worker.model.kinds import UNNAMED, kind_of
from worker.model.ledger import Look
from worker.ports import Lane, Ledger

SKEW_SECONDS = 300.0
"""How long before our submission the same request by anybody still counts as its effect."""
_UNNAMED = (
    "POST submissions has no name for the message: it has neither an alert_id nor postfix_id, Message-ID and "
    "recipients; a Reclassify by WORKER_RECLASSIFY_VIA=investigate can ask for it"
)
SHARED_SECONDS = 1.0
"""How long one reading of the team's list serves the read-backs that fall due together."""


class Team:
    """What the team and this worker asked for, as the vendor lists it; those who ask at the same time share a list."""

    def __init__(self, cloudflare: Cloudflare, lane: Lane, shared: float = SHARED_SECONDS) -> None:
        self._cloudflare = cloudflare
        self._lane = lane
        self._shared = shared
        self._found: dict[tuple[str | None, str | None], Submission] = {}
        self._span: tuple[float, float] | None = None
        self.unread: str | None = None
        """Why a row of the list last read could not be: what is not found may be in it."""

    async def submission_of(self, item: Item, since: float, now: float) -> str | None:
        """The id of a submission of this message, with this disposition, since then; None where no row shows one.

        Raises:
            VendorError: the list could not be read.
        """
        if not self._covers(since, now):
            pages = await team_submissions(self._cloudflare, since, now, self._lane)
            rows = [row for page in pages for row in page.rows]
            # The youngest of several: those of whom the time is not known count as such.
            rows.sort(key=lambda row: math.inf if row.requested_at is None else row.requested_at.timestamp())
            self._found = {(row.original_postfix_id, row.requested_disposition): row for row in rows}
            self.unread = next((row.reason for page in pages for row in page.bad), None)
            self._span = since, now
        row = self._found.get((item.postfix_id, item.target)) if item.postfix_id else None
        if row is None or (row.requested_at is not None and row.requested_at.timestamp() < since):
            return None
        return row.submission_id

    def _covers(self, since: float, now: float) -> bool:
        if self._span is None:
            return False
        start, read_at = self._span
        return start <= since and 0 <= now - read_at < self._shared


class Asked:
    """Whatever asks for another verdict: how its effect is found, and when there is nothing to ask for."""

    # The second submission of a request would be a second ticket at the vendor: look twice.
    proofs = 2
    shows = False

    def __init__(self, cloudflare: Cloudflare, ledger: Ledger) -> None:
        self._cloudflare = cloudflare
        self._ledger = ledger
        self._team = Team(cloudflare, Lane.READ_BACK)

    async def read_back(self, item: Item, now: float) -> ReadBack:
        """Done when the team's submissions, which many share, or the message's own log show the request.

        A submission names its message by the postfix id alone. Where we wanted the same for another message of that
        id, it may be the other's: then the log decides, and where that shows nothing, nobody can tell.

        Raises:
            VendorError: one could not be read; BadAnswer where the request may be in a row that cannot be.
        """
        since = min(item.submitted_at or now, now) - SKEW_SECONDS
        found = await self._team.submission_of(item, since, now)
        unread = self._team.unread
        shared = found is not None and bool(await self._ledger.shared_names([item]))
        if found is not None and not shared:
            return ReadBack(Effect.DONE, {"submission_id": found})
        entry = await logged(self._cloudflare, item, since, Lane.READ_BACK)
        if entry is not None:
            at = moment(entry.started_at) or moment(entry.completed_at)
            return ReadBack(Effect.DONE, {"submission_id": entry.submission_id, "at": str(at)})
        if shared:
            return ReadBack(
                Effect.CANNOT_TELL, {"submission_id": found, "shared_postfix_id": item.postfix_id}
            )
        if unread is not None:
            raise BadAnswer(f"the submissions: a row cannot be read: {unread}")
        return ReadBack(Effect.NOT_DONE, {"read_at": now})

    async def look(self, item: Item, row: Detection) -> Look:
        """The verdict is already the wanted one: nothing to do, unless a user's report is passed on."""
        if row.final_disposition == item.target and "escalated_submission_id" not in item.params:
            return skipped(item, f"the verdict is already {item.target}")
        return ready(item)


class SubmissionExecutor(Asked):
    """Asks by `POST submissions`, for as many messages a call as one lost answer may leave in doubt."""

    parallel = 2

    def __init__(
        self, kind: str, cloudflare: Cloudflare, ledger: Ledger, read_back_delay: float, most: int
    ) -> None:
        super().__init__(cloudflare, ledger)
        self.kind = kind
        self.most = most
        self._delay = read_back_delay

    async def execute(self, call: Call) -> Answered:
        if kind_of(self.kind).route(call.items[0].params) == UNNAMED:
            return refused(call, _UNNAMED)
        try:
            answer = await self._cloudflare.submissions.create(_messages(call), lane=CLAIMED)
        except ValueError as error:
            # Nothing was sent; halves find the message that is at fault.
            raise Refused(f"POST submissions: cannot be sent: {error}") from None
        return Answered(settle(call.items, answer, self._delay), "call.answered", 202, answer.ray)


async def logged(cloudflare: Cloudflare, item: Item, since: float, lane: Lane) -> LogEntry | None:
    """The request in the message's own log, since then; None where it is not there. VendorError: it cannot be read."""
    for entry in await cloudflare.investigate.action_log(item.message_id, lane=lane):
        at = moment(entry.started_at) or moment(entry.completed_at)
        fits = entry.requested_disposition in (None, item.target) and (at is None or at >= since)
        if _by_a_user(entry, item):
            continue
        if entry.operation == "SUBMISSION" and fits and entry.success is not False:
            return entry
    return None


def _by_a_user(entry: LogEntry, item: Item) -> bool:
    """Whether the log tells of a user's report, which asks for the same and is none of ours: also the one passed on."""
    if entry.submission_type is not None:
        return entry.submission_type.casefold() == "user"
    return entry.submission_id is not None and entry.submission_id == item.params.get(
        "escalated_submission_id"
    )


def settle(items: Sequence[Item], answer: SubmissionAnswer, delay: float) -> tuple[Outcome, ...]:
    """One outcome for each item: by the row that bears its name, else by what is true of all rows."""
    rows = {row.id: row for row in answer.rows}
    mine = [next((rows[name] for name in _names(item) if name in rows), None) for item in items]
    if not any(mine) and not answer.bad and len(answer.rows) == len(items):
        return tuple(_by_all(item, answer.rows, delay) for item in items)
    return tuple(_by_row(item, row, delay) for item, row in zip(items, mine, strict=True))


def _by_row(item: Item, row: SubmissionResult | None, delay: float) -> Outcome:
    if row is None:
        return unmatched(item, "the answer does not name this message", delay)
    if row.accepted:
        # Due again: the confirmer looks whether it arrived.
        return Outcome(item.action_id, State.SUCCEEDED, due_in=delay)
    return Outcome(item.action_id, State.FAILED, f"not accepted: {row.error or 'no reason given'}")


def _by_all(item: Item, rows: Sequence[SubmissionResult], delay: float) -> Outcome:
    if all(row.accepted for row in rows):
        return Outcome(item.action_id, State.SUCCEEDED, due_in=delay)
    why = "; ".join(sorted({row.error or "no reason given" for row in rows if not row.accepted})[:3])
    if not any(row.accepted for row in rows):
        return Outcome(item.action_id, State.FAILED, f"not accepted: {why}")
    return unmatched(item, f"some were not accepted, and the answer does not tell which: {why}", delay)


def _names(item: Item) -> tuple[str, ...]:
    """What the id of a row may be."""
    params = item.params
    sent = (params.get(name, "") for name in ("alert_id", "postfix_id", "message_id"))
    return tuple(filter(None, (item.message_id, *sent)))


def _messages(call: Call) -> Sequence[Reclassification] | Sequence[MissedDetection]:
    """What is sent; ValueError where that cannot be sent. A call names all of its messages in one way."""
    params = [item.params for item in call.items]
    if "alert_id" in params[0]:
        return [msgspec.convert(one, Reclassification) for one in params]
    return [msgspec.convert(one, MissedDetection) for one in params]


async def team_submissions(
    cloudflare: Cloudflare, since: float, until: float, lane: Lane
) -> list[Page[Submission]]:
    """What the team and this worker asked for between two times, in seconds since the epoch; all of it.

    Raises:
        VendorError: it could not be read; BadAnswer where a page comes twice or the list does not end.
    """
    listing = cloudflare.submissions.list(start=utc(since), end=utc(until), type="TEAM", lane=lane)
    return [page async for page in listing.pages()]
