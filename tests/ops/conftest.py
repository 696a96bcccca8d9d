"""Every test here may configure the logs; afterwards all is as before."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ops.lines import TOKEN, Lines
from tests.restoring import _restore_logging  # noqa: F401 - a fixture of this folder
from worker.ops import logs


@pytest.fixture
def json_lines() -> Lines:
    """JSON logs at level info, with TOKEN as the secret."""
    lines = Lines()
    logs.configure(format="json", level="info", stream=lines, secrets=[TOKEN])
    return lines


@pytest.fixture
def console() -> Callable[..., Lines]:
    """Console logs at level info into a stream that is, or is not, a terminal."""

    def start(*, terminal: bool = False) -> Lines:
        lines = Lines()
        lines.isatty = lambda: terminal  # type: ignore[method-assign]
        logs.configure(format="console", level="info", stream=lines, secrets=[TOKEN])
        return lines

    return start
