from __future__ import annotations

import pytest

from tests.builders import NOW
from worker.cli.moments import moment
from worker.errors import UsageError


@pytest.mark.parametrize(
    "text, seconds",
    [("90s", NOW - 90), ("30m", NOW - 1800), ("2h", NOW - 7200), (" 7d ", NOW - 604800)],
)
def test_how_long_ago(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert moment("--since", text, NOW) == seconds


@pytest.mark.parametrize("text", ["2027-01-15T08:00:00Z", "2027-01-15T09:00+01:00"])
def test_a_time_with_its_zone(text: str) -> None:
    """As the log and the audit print it, or as a person's own clock shows it."""
    assert moment("--since", text, NOW) == NOW


@pytest.mark.parametrize(
    "text", ["", "7", "-2h", "2w", "yesterday", "2027-01-15T08:00:00", "2027-01-15", "1e3s"]
)
def test_what_could_mean_several_times_is_refused(text: str) -> None:
    """With the option's name and an example of each form."""
    with pytest.raises(UsageError, match=r"--since: .* 2h .* 2026-11-01T08:00Z"):
        moment("--since", text, NOW)
