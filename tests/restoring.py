"""For the conftests of tests that configure the logs: afterwards all is as before."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog

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
