from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.cloudflare.headers import rate_limit, ray_id, retry_after

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def http_date(seconds: float) -> str:
    """A date in the header's own form."""
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("2.5", 2.5),
        ("0", 0.1),
        ("301", 300.0),
        ("9" * 400, 300.0),
        (http_date(60), 60.0),
        (http_date(-60), 0.1),
        (http_date(86400), 300.0),
        ("", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("soon", None),
        ("٣", None),
        ("Mon, 99 Foo 2026 25:61:61 GMT", None),
    ],
)
def test_a_pause_is_usable_or_none(text: str, expected: float | None) -> None:
    """Seconds or a date of the vendor's clock, within 0.1 and 300 s; anything else is no pause at all."""
    assert retry_after({"Retry-After": text, "Date": http_date(0)}) == expected


def test_no_header_is_no_pause() -> None:
    """The caller has a pause of its own for that."""
    assert retry_after({}) is None


@settings(deadline=None)
@given(st.text())
def test_any_pause_is_bounded(text: str) -> None:
    """No text makes the worker stop for long, hammer, or fall."""
    pause = retry_after({"Retry-After": text, "Date": text})
    assert pause is None or 0.1 <= pause <= 300


@pytest.mark.parametrize(
    "text,expected",
    [
        ('"default";r=50;t=30', (50, 30.0)),
        ("default;r=50;t=30", (50, 30.0)),
        ('"a, b;r=1";r=50;t=30', (50, 30.0)),
        ('"default"; r=0; t=1', (0, 1.0)),
        ('"burst";r=90;t=5, "default";r=50;t=30', (50, 30.0)),
        ('"default";t=30;r=50', (50, 30.0)),
        ('"default";r=50', (50, None)),
        ('"r=1;t=1";r=50;t=30', (50, 30.0)),
        ("default;r=-1;t=30", (None, None)),
        ('"default";r=99999999999;t=30', (None, None)),
        ("", (None, None)),
        ("nonsense", (None, None)),
    ],
)
def test_the_tightest_limit_counts(text: str, expected: tuple[int | None, float | None]) -> None:
    """`Ratelimit` may list several windows; the fewest requests left decide."""
    assert rate_limit({"Ratelimit": text})[:2] == expected


@pytest.mark.parametrize(
    "policy,quota",
    [
        ('"default";q=1200;w=300', 1200),
        ('"burst";q=100;w=60, "default"; q=1200; w=300', 1200),
        ('"burst";q=100;w=60', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_limit_has_the_quota_of_its_own_policy(policy: str, quota: int | None) -> None:
    """Windows and policies go together by name."""
    headers = {"Ratelimit": '"default";r=50;t=30', "Ratelimit-Policy": policy}
    assert rate_limit(headers) == (50, 30.0, quota)


@settings(deadline=None)
@given(st.text(), st.text())
def test_any_limit_is_read_or_ignored(text: str, policy: str) -> None:
    """No text makes it fall."""
    assert all(one is None or one >= 0 for one in rate_limit({"Ratelimit": text, "Ratelimit-Policy": policy}))


@pytest.mark.parametrize("text", ["", "<script>", "a" * 65, "8f1\x1b[2J"])
def test_a_ray_is_an_identifier_or_none(text: str) -> None:
    """It goes into logs and errors, so it is what the vendor's ids are made of."""
    assert ray_id({"CF-Ray": text}) is None
    assert ray_id({"CF-Ray": "8f1b2c3d4e5f6071-AMS"}) == "8f1b2c3d4e5f6071-AMS"
