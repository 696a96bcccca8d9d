"""One stateful fake for each seam: a clock that is turned by hand, a vendor with mailboxes, a budget without end."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from msgspec.structs import replace

from tests.builders import NOW, at
from worker.cloudflare import (
    BadRow,
    Cloudflare,
    Listing,
    LogEntry,
    MoveAnswer,
    MoveRow,
    Page,
    Receipt,
    ReleaseAnswer,
    ReleaseRow,
    Submission,
    SubmissionAnswer,
    SubmissionResult,
)
from worker.cloudflare.evidence import RawMessage
from worker.cloudflare.listing import Position
from worker.cloudflare.submissions import MissedDetection, Reclassification
from worker.errors import Refused, StoreError, VendorError
from worker.model.enrichment import Details, Trace
from worker.model.events import Detection, PhishReport
from worker.ports import Lane, Ledger, Observation

T = TypeVar("T")


class ManualClock:
    """Both clocks; `sleep` turns them instead of waiting. `jump` sets the wall clock alone, as an operator would."""

    def __init__(self, now: float = NOW) -> None:
        self.wall = now
        self.steady = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_time(seconds)
        await asyncio.sleep(0)

    def pass_time(self, seconds: float) -> None:
        """Time goes by."""
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += seconds


class OpenBudget:
    """Never says no; remembers what it was told."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.blocked = 0.0
        self.refused = 0.0
        self.used = 0.0

    async def admit(self, lane: Lane) -> None:
        pass

    def observe(self, seen: Observation) -> None:
        pass

    def blocked_for(self) -> float:
        return self.blocked

    def refused_for(self) -> float:
        return self.refused

    def exhausted(self, wait: float) -> None:
        self.waits.append(wait)

    def pressure(self) -> float:
        return self.used


@dataclass
class Request:
    """One call of the client."""

    operation: str
    arguments: dict[str, Any]


@dataclass
class FakeCloudflare:
    """A tenant behind the surface of the client.

    `effects` is the truth: what really happened to messages, in order. `will(operation, ...)` scripts the next
    answers of an operation: an error is raised (`lost=True` on a write: after its effect), a function is called
    with the keyword arguments and gives the answer, None lets the tenant answer.
    """

    clock: ManualClock
    messages: dict[str, Detection] = field(default_factory=dict)
    told: list[PhishReport] = field(default_factory=list)
    tickets: list[Submission] = field(default_factory=list)
    logs: dict[str, list[LogEntry]] = field(default_factory=lambda: defaultdict(list))
    requests: list[Request] = field(default_factory=list)
    effects: list[tuple[str, str, str]] = field(default_factory=list)
    bad: tuple[BadRow, ...] = ()
    per_page: int = 1000
    details: dict[str, Details] = field(default_factory=dict)
    mails: dict[str, RawMessage] = field(default_factory=dict)
    tells_tickets: bool = False
    """Whether a new submission's answer names tickets, and not the messages."""
    _script: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))

    def __post_init__(self) -> None:
        self.investigate = _Investigate(self)
        self.phishguard = _PhishGuard(self)
        self.submissions = _Submissions(self)

    @property
    def client(self) -> Cloudflare:
        """The fake where the real client is asked for."""
        return cast("Cloudflare", self)

    def add(self, *messages: Detection) -> None:
        """Mail arrives, or its row changes."""
        self.messages.update((one.id, one) for one in messages)

    def will(self, operation: str, *answers: VendorError | Callable[..., Any] | None) -> None:
        """Scripts the next answers of `list`, `get`, `action_log`, `move`, `release`, `reclassify`, ..."""
        self._script[operation].extend(answers)

    def forget(self, operation: str) -> None:
        """Drops the answers that are still scripted."""
        self._script[operation].clear()

    def will_lose(self, operation: str, error: VendorError) -> None:
        """The next such write takes effect and its answer is lost."""
        self._script[operation].append(_Lost(error))

    def moved(self, message_id: str, folder: str, seconds: float, by: str = "ann", **more: Any) -> None:
        """Somebody moves a message at that time."""
        self.logs[message_id].append(
            LogEntry(
                operation="MOVE",
                folder=folder,
                completed_at=at(seconds),
                success=more.get("success", True),
                requested_by=by,
            )
        )
        if message_id in self.messages:
            row = self.messages[message_id]
            self.messages[message_id] = replace(row, post_delivery_operations=("MOVE",))

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The arguments of every request of this operation."""
        return [one.arguments for one in self.requests if one.operation == operation]

    async def answer(self, operation: str, effect: Callable[[], Any], **arguments: Any) -> Any:
        """Notes the request, then does what the script or the tenant says."""
        self.requests.append(Request(operation, arguments))
        await asyncio.sleep(0)
        script = self._script[operation]
        scripted = script.popleft() if script else None
        if isinstance(scripted, _Lost):
            effect()
            raise scripted.error
        if isinstance(scripted, Exception):
            raise scripted
        if scripted is not None:
            result = scripted(**arguments)
            return await result if isinstance(result, Awaitable) else result
        return effect()


@dataclass
class _Lost:
    error: VendorError


@dataclass
class _Investigate:
    vendor: FakeCloudflare

    async def list(
        self,
        *,
        start: datetime,
        end: datetime,
        cursor: str | None = None,
        per_page: int = 1000,
        detections_only: bool,
        subject: str | None = None,
        recipient: str | None = None,
        lane: Lane,
        patience: float = 120.0,
    ) -> Page[Detection]:
        tenant = self.vendor

        def page() -> Page[Detection]:
            if start > at(tenant.clock.now()):
                raise Refused("start is in the future", status=400)
            rows = [
                row
                for row in tenant.messages.values()
                if (row.final_disposition != "NONE" or not detections_only)
                and row.scanned_at is not None
                and start <= row.scanned_at <= end
                and all(word in (row.subject or "").split() for word in (subject or "").split())
                and recipient in (None, *row.client_recipients)
            ]
            first = int(cursor or 0)
            last = first + tenant.per_page
            return Page(
                tuple(rows[first:last]),
                () if cursor else tenant.bad,
                next=str(last) if last < len(rows) else None,
            )

        filters = {"subject": subject, "recipient": recipient} if subject or recipient else {}
        got: Page[Detection] = await tenant.answer(
            "list",
            page,
            start=start,
            end=end,
            cursor=cursor,
            detections_only=detections_only,
            lane=lane,
            **filters,
        )
        return got

    async def get(self, investigate_id: str, *, submission: bool = False, lane: Lane) -> Detection:
        def one() -> Detection:
            if investigate_id not in self.vendor.messages:
                raise Refused("no such message", status=404)
            return self.vendor.messages[investigate_id]

        got: Detection = await self.vendor.answer("get", one, id=investigate_id, submission=submission)
        return got

    async def action_log(self, investigate_id: str, *, lane: Lane) -> tuple[LogEntry, ...]:
        got: tuple[LogEntry, ...] = await self.vendor.answer(
            "action_log", lambda: tuple(self.vendor.logs[investigate_id]), id=investigate_id
        )
        return got

    async def detections(self, investigate_id: str, *, lane: Lane) -> Details:
        return await self._beyond("detections", investigate_id, lane, self.vendor.details, Details())

    async def trace(self, investigate_id: str, *, lane: Lane) -> Trace:
        return await self._beyond("trace", investigate_id, lane, {}, Trace())

    async def raw(self, investigate_id: str, *, lane: Lane) -> RawMessage:
        mail = RawMessage(raw="Subject: x\n\ntext")
        return await self._beyond("raw", investigate_id, lane, self.vendor.mails, mail)

    async def _beyond(self, operation: str, message_id: str, lane: Lane, found: dict[str, T], other: T) -> T:
        def one() -> T:
            message = self.vendor.messages.get(message_id)
            if message is None:
                raise Refused("no such message", status=404)
            if message.final_disposition == "NONE" and operation != "trace":
                raise Refused("only messages with a detection", status=400)
            return found.get(message_id, other)

        got: T = await self.vendor.answer(operation, one, id=message_id, lane=lane)
        return got

    async def move(self, ids: Sequence[str], destination: str) -> MoveAnswer:
        tenant = self.vendor

        def move() -> MoveAnswer:
            rows = []
            for one in ids:
                if one not in tenant.messages:
                    raise Refused("no such message", status=404)
            for one in ids:
                tenant.effects.append(("move", one, destination))
                tenant.moved(one, destination, tenant.clock.now(), by="worker")
                message = tenant.messages[one]
                rows += [
                    MoveRow(
                        success=True, message_id=message.message_id, recipient=to, destination=destination
                    )
                    for to in message.client_recipients
                ]
            return MoveAnswer(tuple(rows), ray="ray-1")

        got: MoveAnswer = await tenant.answer("move", move, ids=list(ids), destination=destination)
        return got

    async def release(self, ids: Sequence[str]) -> ReleaseAnswer:
        def release() -> ReleaseAnswer:
            self.vendor.effects += [("release", one, "") for one in ids]
            for one in ids:
                self.vendor.logs[one].append(LogEntry(operation="QUARANTINE_RELEASE", success=True))
            return ReleaseAnswer(
                tuple(
                    ReleaseRow(id=one, delivered=self.vendor.messages[one].client_recipients) for one in ids
                )
            )

        got: ReleaseAnswer = await self.vendor.answer("release", release, ids=list(ids))
        return got

    async def reclassify(self, investigate_id: str, disposition: str) -> Receipt:
        tenant = self.vendor

        def reclassify() -> Receipt:
            tenant.effects.append(("reclassify", investigate_id, disposition))
            tenant.logs[investigate_id].append(
                LogEntry(
                    operation="SUBMISSION",
                    started_at=at(tenant.clock.now()),
                    requested_disposition=disposition,
                )
            )
            return Receipt(202, "ray-2")

        got: Receipt = await tenant.answer("reclassify", reclassify, id=investigate_id, to=disposition)
        return got


@dataclass
class _PhishGuard:
    vendor: FakeCloudflare

    async def reports(
        self, *, start: datetime, end: datetime, page: int = 1, per_page: int = 1000, lane: Lane
    ) -> Page[PhishReport]:
        tenant = self.vendor

        def some() -> Page[PhishReport]:
            rows = [one for one in tenant.told if one.created_at and start <= one.created_at <= end]
            first = (page - 1) * tenant.per_page
            last = first + tenant.per_page
            return Page(tuple(rows[first:last]), full=last < len(rows))

        got: Page[PhishReport] = await tenant.answer("reports", some, start=start, end=end, page=page)
        return got


@dataclass
class _Submissions:
    vendor: FakeCloudflare

    def list(
        self,
        *,
        start: datetime,
        end: datetime,
        type: Literal["TEAM", "USER"] = "TEAM",  # noqa: A002 - the API's name
        page: int = 1,
        lane: Lane,
    ) -> Listing[Submission]:
        async def fetch(position: Position) -> Page[Submission]:
            assert isinstance(position, int)
            return await self._page(start, end, type, position)

        return Listing("GET submissions", fetch, page)

    async def _page(
        self, start: datetime, end: datetime, wanted: Literal["TEAM", "USER"], number: int
    ) -> Page[Submission]:
        tenant = self.vendor

        def some() -> Page[Submission]:
            if start > at(tenant.clock.now()):
                raise Refused("start is in the future", status=400)
            rows = [
                one
                for one in tenant.tickets
                if (one.type or wanted).upper() == wanted
                and (one.requested_at is None or start <= one.requested_at <= end)
            ]
            first = (number - 1) * tenant.per_page
            last = first + tenant.per_page
            return Page(tuple(rows[first:last]), full=last < len(rows))

        got: Page[Submission] = await tenant.answer(
            "submissions", some, start=start, end=end, type=wanted, page=number
        )
        return got

    async def create(
        self, messages: Sequence[Reclassification] | Sequence[MissedDetection], *, lane: Lane | None
    ) -> SubmissionAnswer:
        tenant = self.vendor
        assert lane is None

        def create() -> SubmissionAnswer:
            rows = []
            for one in messages:
                name = one.alert_id if isinstance(one, Reclassification) else one.postfix_id
                (row,) = [row for row in tenant.messages.values() if name in (row.alert_id, row.postfix_id)]
                tenant.effects.append(("submit", row.id, one.expected_disposition))
                ticket = f"ticket-{len(tenant.tickets)}"
                tenant.tickets.append(
                    Submission(
                        submission_id=ticket,
                        type="Team",
                        requested_at=at(tenant.clock.now()),
                        original_postfix_id=row.postfix_id,
                        requested_disposition=one.expected_disposition,
                    )
                )
                rows.append(SubmissionResult(id=ticket if tenant.tells_tickets else name, accepted=True))
            return SubmissionAnswer(tuple(rows), ray="ray-3")

        got: SubmissionAnswer = await tenant.answer("submit", create, messages=list(messages))
        return got


class FailingLedger:
    """A ledger whose database refuses what the test names, as often as it says."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.failures: dict[str, int] = {}
        self.calls: list[str] = []

    def fail(self, method: str, times: int = 1) -> None:
        """The next calls of this method raise StoreError."""
        self.failures[method] = times

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)

        async def run(*args: Any, **kwargs: Any) -> Any:
            self.calls.append(name)
            if self.failures.get(name, 0) > 0:
                self.failures[name] -= 1
                raise StoreError("database: disk is full; free space on the volume")
            return await method(*args, **kwargs)

        return run

    @property
    def port(self) -> Ledger:
        """The ledger as those who use it see it."""
        return cast("Ledger", self)
