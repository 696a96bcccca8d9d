"""The state of one simulated tenant: its mail on a time line, reports, submissions and what was done.

No I/O; time comes from the configured clock. Before anything is read, `advance` lets the time that has passed
take effect: new mail arrives, requested verdicts become true.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

import msgspec

from .config import SimulatorConfig
from .generate import Generator
from .outcomes import judge
from .rows import DETECTIONS, ActionEntry, Effect, Report, Row, Submission, parse_rfc3339
from .scenes import SCENES, Scene, cast, moved, requested, rounds
from .settings import RESOURCES, Change, Collection, furnish

_ENCODER = msgspec.json.Encoder()
_ARRIVED_REPORT_DELAY = 2.0
_BACKLOG_REPORT_DELAY = 600.0

Position = tuple[int, int]
"""Where a message stands on the time line: (scanned at in milliseconds since 1970, number of its arrival)."""


@dataclass(slots=True)
class Message:
    """A message with what the vendor's row does not show."""

    row: Row
    position: Position
    log: list[tuple[float, ActionEntry]] = field(default_factory=list)
    """Action log, oldest first, each entry with the second since 1970 from which it is visible."""
    encoded: bytes | None = None
    """The row as JSON, None after a change."""


def _position(message: Message) -> Position:
    return message.position


def _scanned_ms(message: Message) -> int:
    return message.position[0]


class Tenant:
    """Holds the state; `actions` changes it, `query` reads it."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.config = config
        self.messages: dict[str, Message] = {}
        self.submissions: list[tuple[float, Submission]] = []
        """Each with the second since 1970 from which it is listed."""
        self.reports: list[tuple[int, Report]] = []
        """Each with its creation in milliseconds since 1970, oldest first."""
        self._pending: list[tuple[float, int, Message, Submission]] = []
        """Submissions without an outcome, by the second since 1970 at which they get one: a heap."""
        self.by_alert: dict[str, Message] = {}
        self.by_postfix: dict[str, Message] = {}
        self.effects: list[Effect] = []
        self.background: list[Callable[[], None]] = []
        """What else goes on by itself: each is called when time has passed."""
        self.changes: list[Change] = []
        self.settings = {
            resource.name: Collection(
                resource, Random(f"{config.seed}/{resource.name}"), config.clock, self.changes
            )
            for resource in RESOURCES
        }
        for collection in self.settings.values():
            furnish(collection)
        self.given = Generator(f"{config.seed}/given", config.mix)
        self._timeline: list[Message] = []
        self._arrivals = Generator(f"{config.seed}/arrivals", config.mix)
        self._added = 0
        self._arrived = 0
        self._origin = self.now_ms
        self._fill(Generator(f"{config.seed}/backlog", config.mix))
        if config.scenes:
            # Drawn apart: with and without them all other mail is the same.
            generator = Generator(f"{config.seed}/scenes", config.mix)
            for scene in SCENES * rounds(config.messages):
                self._play(scene, generator)

    @property
    def now(self) -> float:
        """The tenant's time in seconds since 1970."""
        return self.config.clock()

    @property
    def now_ms(self) -> int:
        """The tenant's time in whole milliseconds since 1970."""
        return int(self.now * 1000)

    @property
    def verdicts(self) -> list[Message]:
        """Messages whose verdict is going to change."""
        return [message for _, _, message, one in self._pending if self._changes_verdict(one)]

    def advance(self) -> None:
        """Lets the time since the last call take effect."""
        now = self.now
        while self._arrived + 1 <= (now * 1000 - self._origin) * self.config.rate / 1000:
            self._arrive()
        while self._pending and self._pending[0][0] <= now:
            self._settle(*heappop(self._pending)[2:])
        for work in self.background:
            work()

    def add(self, row: Row) -> Message:
        """Puts a message on the time line, also a late one. Raises ValueError for an id that exists."""
        if row.id in self.messages:
            raise ValueError(f"message {row.id} exists")
        scanned_ms = parse_rfc3339(row.scanned_at)
        message = Message(row, (scanned_ms, self._added))
        self._added += 1
        insort(self._timeline, message, key=_position)
        self.messages[row.id] = message
        self.by_postfix[row.postfix_id] = message
        if row.alert_id is not None:
            self.by_alert[row.alert_id] = message
        self.wire(message)  # encoded now, so that the first listing is as fast as every other
        return message

    def remove(self, message: Message) -> None:
        """The message is gone, as if its retention had ended."""
        del self.messages[message.row.id]
        self.by_postfix.pop(message.row.postfix_id, None)
        self.by_alert.pop(message.row.alert_id or "", None)
        self._timeline.remove(message)

    def add_submission(self, message: Message, submission: Submission, listed_at: float) -> None:
        """Files a submission: it is listed from that second since 1970 on, and gets its outcome some time later."""
        self.submissions.append((listed_at, submission))
        delay = self.config.verdict_delay if self._changes_verdict(submission) else self.config.outcome_delay
        due = parse_rfc3339(submission.requested_at) / 1000 + (delay or 0)
        heappush(self._pending, (due, len(self.submissions), message, submission))

    def add_report(self, report: Report) -> None:
        """Files a PhishGuard report."""
        created_ms = parse_rfc3339(report.created_at)
        insort(self.reports, (created_ms, report), key=lambda entry: entry[0])

    def newest_first(self, start_ms: int, end_ms: int, before: Position | None = None) -> Iterator[Message]:
        """Messages scanned between the two times, both included, that stand before position `before`."""
        high = bisect_right(self._timeline, end_ms, key=_scanned_ms)
        if before is not None:
            high = min(high, bisect_left(self._timeline, before, key=_position))
        low = bisect_left(self._timeline, start_ms, key=_scanned_ms)
        return (self._timeline[index] for index in range(high - 1, low - 1, -1))

    def wire(self, message: Message) -> bytes:
        """The row as JSON, kept until the message changes."""
        if message.encoded is None:
            encoded = _ENCODER.encode(message.row)
            if self.config.deprecated:
                # An empty log on purpose: nobody shall come to rely on the field that is going away.
                encoded = b'{"ts":"%b","action_log":[],%b' % (message.row.scanned_at.encode(), encoded[1:])
            message.encoded = encoded
        return message.encoded

    def set_verdict(self, message: Message, disposition: str) -> None:
        """Changes what the vendor thinks of a message."""
        row = message.row
        row.final_disposition = disposition
        if disposition in DETECTIONS and row.alert_id is None:
            row.alert_id = f"{row.postfix_id}-{row.scanned_at[:19]}"
            self.by_alert[row.alert_id] = message
        message.encoded = None

    def _fill(self, generator: Generator) -> None:
        config = self.config
        ages = sorted((generator.offset(config.span) for _ in range(config.messages)), reverse=True)
        rows = [self._receive(generator, self._origin - age) for age in ages]
        count = len(rows) // 100 if config.reports is None else config.reports
        for row in generator.sample(rows, count):
            created_ms = parse_rfc3339(row.scanned_at) + generator.offset(_BACKLOG_REPORT_DELAY)
            self._report(generator, row, min(created_ms, self._origin))

    def _play(self, scene: Scene, generator: Generator) -> None:
        scanned_ms = self._origin - generator.offset(self.config.span)
        messages = [self.add(row) for row in cast(scene, generator, scanned_ms)]
        first = messages[0]
        then_ms = min(scanned_ms + generator.offset(_BACKLOG_REPORT_DELAY), self._origin)
        if scene.status == "moved":
            first.log.append((then_ms / 1000, moved(then_ms)))
        if scene.report is not None:
            self._report(generator, first.row, then_ms, scene.report)
        if scene.request is not None and scene.request.outcome is None:
            request = requested(scene.request, first.row, generator.uuid(), self._origin)
            self.add_submission(first, request, self.now)
        elif scene.request is not None:
            request = requested(scene.request, first.row, generator.uuid(), then_ms)
            self.submissions.append((then_ms / 1000, request))

    def _arrive(self) -> None:
        self._arrived += 1
        scanned_ms = self._origin + int(self._arrived * 1000 / self.config.rate)
        row = self._receive(self._arrivals, scanned_ms)
        if self._arrived % 100 == 0:
            self._report(self._arrivals, row, scanned_ms + self._arrivals.offset(_ARRIVED_REPORT_DELAY))

    def _receive(self, generator: Generator, scanned_ms: int) -> Row:
        row = generator.message(scanned_ms)
        message = self.add(row)
        if row.is_phish_submission:
            self.add_submission(message, generator.user_submission(row, scanned_ms), scanned_ms / 1000)
        return row

    def _report(
        self, generator: Generator, row: Row, created_ms: int, disposition: str | None = None
    ) -> None:
        self.add_report(generator.report(len(self.reports) + 1, row, created_ms, disposition))

    def _settle(self, message: Message, submission: Submission) -> None:
        if submission.outcome is None:  # a test may have given one
            judge(self.config, message.row, submission)
        if self._changes_verdict(submission):
            self.set_verdict(message, submission.requested_disposition)

    def _changes_verdict(self, submission: Submission) -> bool:
        return self.config.verdict_delay is not None and submission.type == "Team"
