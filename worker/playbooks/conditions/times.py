"""Conditions on time: how old a message is, and whether people are at work. The time is the decision's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from worker.playbooks.conditions.base import ConditionError, Leaf, Seen, condition, nothing
from worker.playbooks.context import Context
from worker.playbooks.problems import nearest

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NOW, MOMENTS = "now", ("now", "scanned_at", "sent_at")
"""What `business_hours` can look at."""
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MIDNIGHT = "24:00"


@condition
def older_than(*, days: float = 0, hours: float = 0, minutes: float = 0) -> Leaf:
    """More than that has passed since the message was scanned, or was sent where nobody knows when it was scanned."""
    return Age(limit=span(days, hours, minutes), older=True)


@condition
def younger_than(*, days: float = 0, hours: float = 0, minutes: float = 0) -> Leaf:
    """Less than that has passed since the message was scanned, or was sent where nobody knows when it was scanned."""
    return Age(limit=span(days, hours, minutes))


@condition
def business_hours(
    zone: str, *, days: str = "mon-fri", start: str = "08:00", end: str = "18:00", of: str = NOW
) -> Leaf:
    """It is one of these hours on one of these days in that time zone; `end` is outside, and may lie past midnight.

    `of`: `now`, the time of the decision, or the message's `scanned_at` or `sent_at`.
    """
    if of not in MOMENTS:
        raise ConditionError(
            f"of={of!r}: no such time{nearest(of, MOMENTS)}", f"use one of {', '.join(MOMENTS)}"
        )
    opens, closes = _clock(start, "start"), time.max if end == _MIDNIGHT else _clock(end, "end")
    if opens == closes:
        raise ConditionError(
            f"start and end are both {start}", 'write start="00:00", end="24:00" for the whole day'
        )
    return BusinessHours(zone=_zone(zone), days=_days(days), opens=opens, closes=closes, moment=of)


@dataclass(frozen=True, slots=True, repr=False)
class Age(Leaf):
    """How long ago the message came."""

    limit: timedelta = timedelta()
    older: bool = False

    @property
    def reads_context(self) -> bool:
        return True

    def see(self, subject: Any, context: Context) -> Seen:
        field = "scanned_at" if subject.scanned_at is not None else "sent_at"
        came = getattr(subject, field)
        if came is None:
            return nothing({"scanned_at": None, "sent_at": None})
        age = context.now - came
        return Seen(age > self.limit if self.older else age < self.limit, {field: came}, f"{age} ago")


@dataclass(frozen=True, slots=True, repr=False)
class BusinessHours(Leaf):
    """Hours of some days of the week in a time zone. Each moment has one local time, also where clocks are changed."""

    zone: str = "UTC"
    days: frozenset[int] = frozenset()
    opens: time = time.min
    closes: time = time.max
    moment: str = NOW

    @property
    def reads_context(self) -> bool:
        return self.moment == NOW

    def see(self, subject: Any, context: Context) -> Seen:
        moment: datetime | None = context.now if self.moment == NOW else getattr(subject, self.moment)
        if moment is None:
            return nothing({self.moment: None})
        local = moment.astimezone(ZoneInfo(self.zone))
        return Seen(self._is_open(local), {self.moment: moment}, f"{DAYS[local.weekday()]} {local:%H:%M %Z}")

    def _is_open(self, local: datetime) -> bool:
        at, today = local.time(), local.weekday()
        if self.opens < self.closes:
            return today in self.days and self.opens <= at and (at < self.closes or self.closes == time.max)
        # The hours behind midnight belong to the day before.
        return (today in self.days and at >= self.opens) or (
            (today - 1) % 7 in self.days and at < self.closes
        )


def span(days: object, hours: object, minutes: object) -> timedelta:
    """A span of time that is longer than nothing.

    Raises:
        ConditionError: anything else.
    """
    given = {"days": days, "hours": hours, "minutes": minutes}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 100_000:  # noqa: PLR2004 - some centuries
            raise ConditionError(
                f"{name}={value!r} is no span of time", "write days=2, hours=12 or minutes=30"
            )
    whole = timedelta(days=float(str(days)), hours=float(str(hours)), minutes=float(str(minutes)))
    if not whole:
        raise ConditionError("names no span of time", "write days=2, hours=12 or minutes=30")
    return whole


def _clock(given: object, name: str) -> time:
    found = _CLOCK.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ConditionError(f"{name}={given!r} is no time of day", f'write {name}="08:00"')
    return time(int(found[1]), int(found[2]))


def _days(given: object) -> frozenset[int]:
    chosen: set[int] = set()
    for part in given.lower().split(",") if isinstance(given, str) else [""]:
        first, _, last = (word.strip() for word in (*part.partition("-"),))
        ends = [first, last or first]
        for word in ends:
            if word not in DAYS:
                hint = nearest(word, DAYS)
                raise ConditionError(
                    f"days={given!r}: no such day {word!r}{hint}", 'write days="mon-fri" or days="sat,sun"'
                )
        begin, end = map(DAYS.index, ends)
        chosen.update((begin + more) % 7 for more in range((end - begin) % 7 + 1))
    return frozenset(chosen)


def _zone(given: object) -> str:
    try:
        return ZoneInfo(given).key if isinstance(given, str) else ""
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = available_timezones()
        if not known:
            raise ConditionError("this machine knows no time zones", "install the package tzdata") from None
        hint = nearest(given, known)
        raise ConditionError(f"no such time zone {given!r}{hint}", 'write "Europe/Zurich" or "UTC"') from None
