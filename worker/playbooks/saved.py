"""Events as files hold them: JSON Lines, each line one event with what it was decided on. Pure: lines in, values out.

A line is an object with `source`, `event` (the row as the event store keeps it), and where there was any `enrichment`
and `context` as the audit log records them. A bare row is understood too; its fields say whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from worker.model.events import Detection, Event
from worker.model.history import HISTORY_LIMIT, NO_HISTORY, History, recorded
from worker.model.known import Enrichment, Known
from worker.model.plans import DETECTIONS, PHISHGUARD, SOURCES, SUBMISSIONS, Sighting, sighting_of
from worker.playbooks.problems import clip, nearest

MAX_LINE = 16 * 2**20
"""Bytes of one line: an event with everything that may be fetched for it is smaller."""
_KEYS = ("source", "event", "enrichment", "context")
_REMEDY = 'write one JSON object a line: {"source": "detections", "event": {"id": "...", ...}}'


class SavedError(ValueError):
    """A line that holds no event: `args` are what is wrong and the remedy; `number` is the line's, from 1."""

    def __init__(self, what: str, remedy: str = _REMEDY, number: int = 0) -> None:
        super().__init__(what, remedy)
        self.number = number

    def __str__(self) -> str:
        what, remedy = self.args
        return f"{f'line {self.number}: ' if self.number else ''}{what}. Remedy: {remedy}"


class Saved(NamedTuple):
    """One event, and beside it what is known of the decision that was made on it."""

    event: Event
    enrichment: Enrichment | None = None
    context: Mapping[str, Any] | None = None
    """As the log records it: `now`, the histories, the digest of the lists."""

    @property
    def sighting(self) -> Sighting:
        """The event as its source shows it."""
        return sighting_of(self.event)

    @property
    def known(self) -> Known | None:
        """What was fetched."""
        return None if self.enrichment is None else Known.of(self.enrichment)

    @property
    def now(self) -> datetime | None:
        """When it was decided."""
        return datetime.fromisoformat(self.context["now"]) if self.context and "now" in self.context else None

    @property
    def history(self) -> History:
        """What the worker had done before, to the message and about its sender."""
        return recorded(self.context) if self.context else NO_HISTORY


def read(lines: Iterable[bytes]) -> Iterator[Saved]:
    """The events of a file, one after the other; empty lines are passed over.

    Raises:
        SavedError: at the first line that holds no event, with its number.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield read_line(line, number)


def read_line(line: bytes, number: int = 0) -> Saved:
    """The event of one line.

    Raises:
        SavedError: it holds none.
    """
    try:
        return _saved(line)
    except SavedError as error:
        what, remedy = error.args
        raise SavedError(what, remedy, number) from None


def write(saved: Saved) -> bytes:
    """The line, with its end."""
    line: dict[str, Any] = {"source": saved.sighting.source, "event": saved.event}
    line |= {} if saved.enrichment is None else {"enrichment": saved.enrichment}
    line |= {} if saved.context is None else {"context": saved.context}
    return msgspec.json.encode(line) + b"\n"


def _saved(line: bytes) -> Saved:
    if len(line) > MAX_LINE:
        raise SavedError(
            f"{len(line)} bytes, at most {MAX_LINE} are read", "split the file: one event a line"
        )
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SavedError(f"is no JSON: {clip(str(error))}") from None
    if not isinstance(value, dict):
        raise SavedError("is no JSON object")
    whole = value if "event" in value else {"event": value}
    for key in whole.keys() - set(_KEYS):
        raise SavedError(f"unknown key {key!r}{nearest(key, _KEYS)}", f"use {', '.join(_KEYS)}")
    event = whole["event"]
    source = str(whole.get("source") or _source(event))
    if source not in SOURCES:
        raise SavedError(f"no such source {source!r}{nearest(source, SOURCES)}", f"use {', '.join(SOURCES)}")
    saved = Saved(
        _converted(event, SOURCES[source], "event"),
        _converted(whole["enrichment"], Enrichment, "enrichment") if whole.get("enrichment") else None,
        whole.get("context") or None,
    )
    _require_context(saved)
    return saved


def _source(event: Any) -> str:
    """Whose row it is: a submission names itself so, a report's id is a number."""
    if not isinstance(event, dict):
        raise SavedError("`event` is no JSON object")
    if "submission_id" in event:
        return SUBMISSIONS
    return PHISHGUARD if isinstance(event.get("id"), int) else DETECTIONS


def _converted(value: Any, kind: Any, place: str) -> Any:
    try:
        found = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SavedError(
            clip(f"wrong value in `{place}`: {error}", 300), "save it as the API gives it"
        ) from None
    message = found if isinstance(found, Detection) else getattr(found, "message", None)
    times = (message.scanned_at, message.sent_at) if message is not None else ()
    if any(time is not None and time.tzinfo is None for time in times):
        raise SavedError("a time without a zone", 'write it as "2026-11-20T11:55:00Z"')
    return found


def _require_context(saved: Saved) -> None:
    try:
        zoned = saved.now is None or saved.now.tzinfo is not None
        most = all(len(past) <= HISTORY_LIMIT for past in saved.history)
    except (AttributeError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise SavedError(clip(f"wrong value in `context`: {error}", 300), "leave it out") from None
    if not zoned or not most:
        raise SavedError("`context` has a time without a zone, or too long a history", "leave it out")
