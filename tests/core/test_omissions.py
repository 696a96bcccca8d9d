from __future__ import annotations

import pytest

from tests.fakes import ManualClock
from worker.cloudflare import LeftOut
from worker.ops.metrics import Metrics
from worker.ops.omissions import QUIET_SECONDS, Omissions


def test_each_field_is_named_once_an_hour_and_counted_always(
    clock: ManualClock, metrics: Metrics, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand rows are one line, and so are the polls that see them again."""
    tell = Omissions(clock, metrics).tell
    rows = [LeftOut("sent_at", f"m{number}") for number in range(1000)]

    def lines() -> int:
        return "".join(capsys.readouterr()).count("poll.field_left_out")

    tell("GET investigate", [*rows, LeftOut("replyto", "m1")])
    assert lines() == 2
    clock.pass_time(QUIET_SECONDS - 1)
    tell("GET investigate", rows)
    assert lines() == 0
    clock.pass_time(1)
    tell("GET investigate", rows)
    assert lines() == 1
    assert metrics.registry.get_sample_value("worker_fields_left_out_total", {"field": "sent_at"}) == 3000
