"""The tutorial, followed from its first line to its last."""

from __future__ import annotations

import pytest

from tests.acceptance.conftest import MakeBench
from tests.acceptance.transcript import Reader, aligned, alike, steps
from tests.authors.fences import DOCS, blocks

PAGE = DOCS / "tutorial.md"
SETTING_UP = frozenset({
    "git clone https://github.com/example/email-security-worker",
    "cd email-security-worker",
    "make demo",
    ". .venv/bin/activate",
})  # fmt: skip
"""What gets the worker itself: `make demo` has tests of its own, and `.ci/run` starts from a fresh clone."""


@pytest.mark.acceptance
@pytest.mark.timeout(400)
async def test_every_command_prints_what_the_page_says(make_bench: MakeBench) -> None:
    """A reader who saves its files and types its commands, in order, sees what it shows."""
    bench = make_bench()
    for name in ("WORKER_MODE", "WORKER_RULES_DIR", "WORKER_DATABASE_URL", "WORKER_POLL_INTERVAL"):
        del bench.env[name]
    bench.env["USER"] = "ada"
    await Reader(bench, SETTING_UP).follow(PAGE.read_text(encoding="utf-8"))


def test_nothing_is_left_out() -> None:
    """Only what sets the worker up is not typed, and every fence is one that is followed."""
    page = PAGE.read_text(encoding="utf-8")
    found = list(blocks(page))
    assert {command for block in found for command, _ in steps(block)} >= SETTING_UP
    assert page.count("\n```") == 2 * len(found)
    assert all(block.language == "console" or "file" in block.attributes for block in found)


@pytest.mark.parametrize(
    "expected, line, same",
    [
        ("1m7y2qh5x60tq6ar  held", "2abc2qh5x60tq6zz   held", True),
        ("1m7y2qh5x60tq6ar  held", "2abc2qh5x60tq6zz   ready", False),
        ("1m7y2qh5x60tq6ar  held", "soon  held", False),
        ("at 2026-11-20T12:00:00Z in 3 ms", "at 2031-01-02T03:04:05.678Z in 12 ms", True),
        (
            '{"base_url": "http://127.0.0.1:1/x" ...',
            '{"base_url": "http://127.0.0.1:43210/x", "token": "t"}',
            True,
        ),
        ("17 messages", "18 messages", False),
    ],
)
def test_what_varies_may_vary_and_nothing_else(expected: str, line: str, same: bool) -> None:
    """A comparison that lets everything pass would prove nothing."""
    assert alike(expected, line) is same


def test_dots_stand_for_any_lines() -> None:
    """But not for the lines around them."""
    assert aligned(["a", "...", "d"], ["a", "b", "c", "d"]) == [("a", 0), ("d", 3)]
    assert aligned(["a", "...", "d"], ["a", "b", "c"]) is None
    assert aligned(["a"], ["a", "b"]) is None
