"""Values that rows were read without: all are counted, the log names each field once an hour."""

from __future__ import annotations

from collections.abc import Sequence

from worker.clock import Clock
from worker.cloudflare import LeftOut
from worker.ops.logs import get_logger
from worker.ops.metrics import Metrics

log = get_logger()

QUIET_SECONDS = 3600.0
"""Polls overlap: the same row comes again and again, and whoever writes mail can make more of them."""


class Omissions:
    """Tells of what the client left out."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._told: dict[tuple[str, str], float] = {}
        """When a field of an endpoint may be named again: as many as there are fields that are spared."""

    def tell(self, endpoint: str, left_out: Sequence[LeftOut]) -> None:
        """Some rows of one page were read without these."""
        by_field: dict[str, list[LeftOut]] = {}
        for one in left_out:
            by_field.setdefault(one.field, []).append(one)
        now = self._clock.monotonic()
        for field, rows in by_field.items():
            self._metrics.left_out(field, len(rows))
            if now >= self._told.get((endpoint, field), now):
                self._told[endpoint, field] = now + QUIET_SECONDS
                log.warning(
                    "poll.field_left_out",
                    endpoint=endpoint,
                    field=field,
                    count=len(rows),
                    row_id=rows[0].row_id,
                )
