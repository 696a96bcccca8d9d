"""Targets: what was measured against what was promised."""

from __future__ import annotations


def judge(what: str, *, good: bool) -> bool:
    """Prints one target; a benchmark never fails a build, so the verdict is only shown."""
    print(f"{'pass' if good else 'FAIL'}  {what}")
    return good
