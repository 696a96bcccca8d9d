"""Times as a person gives them: `7d`, `2h` ago, or a date with its zone."""

from __future__ import annotations

import re
from datetime import datetime

from worker.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGO = re.compile(r"(\d{1,6})([smhd])")


def moment(option: str, text: str, now: float) -> float:
    """Seconds since the epoch. UsageError names the option and gives an example."""
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(
            f"{option}: {text!r} is no time; write how long ago, as 30m, 2h or 7d, or a time with its zone, "
            "as 2026-11-01T08:00Z"
        )
    return at.timestamp()
