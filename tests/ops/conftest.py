"""Every test here may configure the logs; afterwards all is as before."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator

import pytest
import structlog

from tests.ops.lines import TOKEN, Lines
from worker.ops import logs


@pytest.fixture(autouse=True)
def _restore_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handlers, level, config = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**config)
    logs.forget_cached()


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
