"""What the worker reads from the headers of an answer; every value is hostile until it is bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 300.0
"""Seconds. The vendor blocks for five minutes at most (API fundamentals, Rate limits)."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_RAY = re.compile(r"[0-9A-Za-z-]{1,64}")
_QUOTED = re.compile(r'"[^"]*"')
_REMAINING = re.compile(r";\s*r=([0-9]{1,9})(?![0-9])")
_RESETS = re.compile(r";\s*t=([0-9]{1,9})(?![0-9])")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of `retry-after` (a number or an HTTP date), 0.1 to 300; None where missing or unusable."""
    text = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return _bounded(float(text))
    when = _date(text)
    if when is None:
        return None
    # The vendor's own clock, so that a skewed one here does not stretch or swallow the pause.
    now = _date(headers.get("Date", "")) or datetime.now(UTC)
    return _bounded((when - now).total_seconds())


def server_time(headers: Mapping[str, str]) -> float | None:
    """The vendor's clock in seconds since the epoch; None where `Date` is missing or unusable."""
    told = _date(headers.get("Date", ""))
    return told.timestamp() if told else None


def rate_limit(headers: Mapping[str, str]) -> tuple[int | None, float | None]:
    """Requests left and seconds to the window's end: the tightest of `Ratelimit: "default";r=50;t=30`."""
    best: tuple[int | None, float | None] = (None, None)
    for item in _QUOTED.sub('""', headers.get("Ratelimit", "")).split(","):
        left, resets = _REMAINING.search(item), _RESETS.search(item)
        if left and (best[0] is None or int(left[1]) < best[0]):
            best = (int(left[1]), float(resets[1]) if resets else None)
    return best


def ray_id(headers: Mapping[str, str]) -> str | None:
    """The vendor's request id (`cf-ray`), which its support asks for."""
    text = headers.get("CF-Ray", "")
    return text if _RAY.fullmatch(text) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, SHORTEST_PAUSE), LONGEST_PAUSE)


def _date(text: str) -> datetime | None:
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
