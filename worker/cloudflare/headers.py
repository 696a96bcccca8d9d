"""What the worker reads from the headers of an answer; every value is hostile until it is bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 300.0
"""Seconds. The vendor blocks for five minutes at most (API fundamentals, Rate limits)."""
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_RAY = re.compile(r"[0-9A-Za-z-]{1,64}")
_ITEM = re.compile(r'(?:"([^"]*)"|([A-Za-z0-9_*.-]+))([^",]*)')
_PARAMETER = re.compile(r";\s*([a-z])=([0-9]{1,9})(?![0-9])")


class RateLimit(NamedTuple):
    """What one window of the vendor's allows: requests left, seconds to its end, requests in all."""

    left: int | None = None
    resets_in: float | None = None
    quota: int | None = None


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


def rate_limit(headers: Mapping[str, str]) -> RateLimit:
    """The tightest window of `Ratelimit: "default";r=50;t=30`, with its `Ratelimit-Policy: "default";q=1200;w=300`."""
    policies = _items(headers.get("Ratelimit-Policy", ""))
    best = RateLimit()
    for name, told in _items(headers.get("Ratelimit", "")).items():
        left = told.get("r")
        if left is not None and (best.left is None or left < best.left):
            best = RateLimit(left, told.get("t"), policies.get(name, {}).get("q"))
    return best


def _items(text: str) -> dict[str, dict[str, int]]:
    """The parameters of each named item of a structured list; nothing of what is no such list."""
    return {
        quoted or bare: {key: int(number) for key, number in _PARAMETER.findall(rest)}
        for quoted, bare, rest in _ITEM.findall(text)
    }


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
