"""Runs something again whenever a file of a folder is saved."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch

from worker.errors import UsageError

_WAKES_MS = 250
"""How soon the watch is sure to stand; a change while the work runs is found after it."""


class _Rules(DefaultFilter):
    """Code and lists; neither what editors leave nor what Python does."""

    def __call__(self, change: Change, path: str) -> bool:
        return super().__call__(change, path) and Path(path).suffix in {
            ".py",
            ".txt",
            ".csv",
            ".yaml",
            ".toml",
        }


def again_and_again(folder: Path, work: Callable[[Collection[str]], None]) -> None:
    """Calls `work` now and after each change, with the names of the files that changed; ends with Ctrl-C."""
    started = False
    try:
        for changes in watch(
            folder, watch_filter=_Rules(), rust_timeout=_WAKES_MS, yield_on_timeout=True, debounce=200
        ):
            if changes or not started:
                started = True
                work(sorted({Path(path).name for _, path in changes}))
    except KeyboardInterrupt:
        return
    except RuntimeError as error:
        raise UsageError(
            f"{folder}: cannot be watched: {error}; rename files whose names are no UTF-8"
        ) from None
